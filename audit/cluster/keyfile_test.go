package cluster_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/waxwing-io/waxwing/audit/cluster"
)

func TestAKeyInAFileIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own", "audit.key")
	var all sync.WaitGroup
	keys := make([]string, 8)
	for i := range keys {
		all.Go(func() {
			key, err := cluster.KeyFile(path, rand.Reader, origin)
			if err != nil {
				t.Error(err)
			}
			keys[i] = string(key)
		})
	}
	all.Wait()
	for _, key := range keys[1:] {
		if key == "" || key != keys[0] {
			t.Error("two have different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

func TestAFileThatIsNotTheKeyIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if _, err := cluster.KeyFile(good, rand.Reader, origin); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		make   func(path string) error
		origin string
		says   string
	}{
		"of another cluster": {func(path string) error { return os.WriteFile(path, whole, 0o600) }, "other/" + replica, "of another cluster"},
		"half a key":         {func(path string) error { return os.WriteFile(path, whole[:len(whole)-9], 0o600) }, origin, "malformed"},
		"empty":              {func(path string) error { return os.WriteFile(path, nil, 0o600) }, origin, "malformed"},
		"a link":             {func(path string) error { return os.Symlink(good, path) }, origin, "no file with a key"},
		"a folder":           {func(path string) error { return os.Mkdir(path, 0o700) }, origin, "no file with a key"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			if _, err := cluster.KeyFile(path, rand.Reader, c.origin); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("%v", err)
			}
		})
	}
}
