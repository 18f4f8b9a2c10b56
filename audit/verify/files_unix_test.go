//go:build unix

package verify_test

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// TestFilesThatAreNoneOfALog has each file of a log replaced by what may stand in its place in a hostile folder.
func TestFilesThatAreNoneOfALog(t *testing.T) {
	key, log := audittest.Key(t), files{}
	checkpoint := forged(t, audittest.Origin, 1, key, raws(t, slices.Concat([]audit.Record{ofLog(0, audit.ActionLogStarted, 1, "")}, many(1, 150))...), log)
	k := vkey(t, audittest.Origin, key)
	anchor := audit.Anchor{Origin: audittest.Origin, Key: k, Part: 1, Checkpoint: string(checkpoint)}
	outside := t.TempDir() + "/outside"
	for kind, put := range map[string]func(t *testing.T, path string){
		"a named pipe":          func(t *testing.T, path string) { must(t, syscall.Mkfifo(path, 0o600)) },
		"a link to an endless":  func(t *testing.T, path string) { must(t, os.Symlink("/dev/zero", path)) },
		"a folder":              func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) },
		"a link to a good copy": func(t *testing.T, path string) { must(t, os.Symlink(outside, path)) },
		"a file of a gigabyte": func(t *testing.T, path string) {
			must(t, errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<30)))
		},
		"a link in a circle":     func(t *testing.T, path string) { must(t, os.Symlink(path, path)) },
		"a file without content": func(t *testing.T, path string) { must(t, os.WriteFile(path, nil, 0o600)) },
	} {
		for name, b := range log {
			t.Run(kind+" as "+name, func(t *testing.T) {
				dir := t.TempDir()
				must(t, os.CopyFS(dir, log.dir()))
				must(t, errors.Join(os.WriteFile(outside, b, 0o600), os.Remove(dir+"/"+name)))
				put(t, dir+"/"+name)
				root, err := os.OpenRoot(dir)
				must(t, err)
				defer root.Close()
				r, err := verify.Verify(t.Context(), []verify.Log{{Name: "log", Dir: root.FS(), Key: k, Anchors: []audit.Anchor{anchor}}}, verify.Options{})
				if err == nil && r.Verdict != verify.Altered {
					t.Errorf("%s: %v", r.Verdict, r.Findings)
				}
			})
		}
	}
}
