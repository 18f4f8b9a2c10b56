// Package tlog_test holds Waxwing's audit logs and proofs to a second verifier, which shares no code with the first: see e2e/tools/tlogcheck.
package tlog_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/audittest/forge"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/audit/verify"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// operations make a log with a full bundle and a tile above it.
const operations = 160

// scene is a part of a log that the real store has written.
type scene struct {
	tool, dir, part string
	key             ed25519.PrivateKey
	vkey, partKey   string
	records         [][]byte
}

func newScene(t *testing.T) *scene {
	t.Helper()
	tool, err := harness.Tool(t.Context(), "tlogcheck")
	must(t, err)
	s := &scene{tool: tool, dir: audittest.Dir(t), key: audittest.Key(t)}
	s.part = filepath.Join(s.dir, "0001")
	config := audittest.Config(t, s.dir)
	config.Key = func(context.Context) (ed25519.PrivateKey, error) { return s.key, nil }
	rec := audit.NewRecorder(audit.Config{Store: tiles.New(config), Replica: "test", Now: time.Now, Rand: rand.Reader})
	for i := range operations {
		id, err := rec.Intent(t.Context(), audit.Operation{Action: audit.ActionUnseal, Object: audit.Object{Kind: "GitSecret", Name: fmt.Sprintf("db-%d", i)}, Actor: audit.Actor{User: audit.Unattributed}})
		must(t, errors.Join(err, rec.Outcome(t.Context(), id, audit.Outcome{OK: true})))
	}
	must(t, rec.Close())
	s.vkey, err = note.NewEd25519VerifierKey(audittest.Origin, s.key.Public().(ed25519.PublicKey))
	must(t, err)
	s.partKey, err = verify.PartKey(s.vkey, 1)
	must(t, err)
	for e, err := range verify.Entries(os.DirFS(s.dir), verify.Position{}) {
		must(t, err)
		s.records = append(s.records, slices.Clone(e.Raw))
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// check runs the second verifier.
func (s *scene) check(t *testing.T, command, key, path string) (stdout []byte, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.tool, command, key, path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err = cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, &stderr)
	}
	return stdout, err
}

func TestASecondVerifierAcceptsOurLogsAndProofs(t *testing.T) {
	s := newScene(t)
	if _, err := s.check(t, "log", s.partKey, s.part); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "record.tlog-proof")
	for _, index := range []int{0, 1, 100, 255, 256, len(s.records) - 1} {
		proof, err := verify.Prove(os.DirFS(s.dir), 1, uint64(index), s.vkey)
		must(t, errors.Join(err, os.WriteFile(file, proof, 0o600)))
		out, err := s.check(t, "proof", s.partKey, file)
		if err != nil || string(out) != string(s.records[index])+"\n" {
			t.Errorf("record %d: %q, %v", index, out, err)
		}
	}
}

func TestASecondVerifierRefusesAlteredLogs(t *testing.T) {
	s := newScene(t)
	full := func(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	edit := func(name string, old, with string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(full(dir, name))
			must(t, err)
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("%s has no %q", name, old)
			}
			must(t, os.WriteFile(full(dir, name), bytes.Replace(b, []byte(old), []byte(with), 1), 0o600))
		}
	}
	anew := func(key ed25519.PrivateKey, records [][]byte, but string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			_, err := forge.Write(audittest.Origin, 1, key, slices.Values(records), func(name string, b []byte) error {
				if name == but {
					return nil
				}
				return errors.Join(os.MkdirAll(filepath.Dir(full(dir, name)), 0o700), os.WriteFile(full(dir, name), b, 0o600))
			})
			must(t, err)
		}
	}
	for name, alter := range map[string]func(t *testing.T, dir string){
		"a record that was changed":               edit("tile/entries/000", "db-7", "db-9"),
		"a tile that was changed":                 edit("tile/0/000", "\x00", "\x01"),
		"a bundle that is missing":                func(t *testing.T, dir string) { must(t, os.Remove(full(dir, "tile/entries/000"))) },
		"a tile that is missing":                  func(t *testing.T, dir string) { must(t, os.Remove(full(dir, "tile/0/000"))) },
		"a checkpoint of another size":            edit("checkpoint", fmt.Sprintf("\n%d\n", len(s.records)), fmt.Sprintf("\n%d\n", len(s.records)-1)),
		"records in another order":                anew(s.key, append(slices.Clone(s.records[1:]), s.records[0]), "checkpoint"),
		"all made anew with another key":          anew(audittest.Key(t), s.records, ""),
		"all made anew by forge is a log as well": nil,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.CopyFS(dir, os.DirFS(s.part)))
			if alter == nil { // what forge writes is refused for what was altered, not for its form
				anew(s.key, s.records, "")(t, dir)
				if _, err := s.check(t, "log", s.partKey, dir); err != nil {
					t.Error(err)
				}
				return
			}
			alter(t, dir)
			if _, err := s.check(t, "log", s.partKey, dir); err == nil {
				t.Error("accepted")
			}
			if r, err := verify.Verify(t.Context(), []verify.Log{{Name: "log", Dir: os.DirFS(dir), Key: s.vkey}}, verify.Options{}); err != nil || r.Verdict != verify.Altered {
				t.Errorf("the first verifier: %v, %v", r, err)
			}
		})
	}
}

func TestASecondVerifierRefusesAlteredProofs(t *testing.T) {
	s := newScene(t)
	proof, err := verify.Prove(os.DirFS(s.dir), 1, 9, s.vkey)
	must(t, err)
	lines := strings.Split(string(proof), "\n")
	blank := slices.Index(lines, "")
	with := func(line int, text string) string {
		changed := slices.Clone(lines)
		changed[line] = text
		return strings.Join(changed, "\n")
	}
	other := "extra " + base64.StdEncoding.EncodeToString(s.records[11])
	for name, altered := range map[string]string{
		"another record":        with(1, other),
		"another index":         with(2, "index 10"),
		"another hash":          with(3, lines[4]),
		"a hash too few":        strings.Join(slices.Delete(slices.Clone(lines), blank-1, blank), "\n"),
		"a hash too many":       strings.Join(slices.Insert(slices.Clone(lines), blank, lines[3]), "\n"),
		"another size":          with(blank+2, "12"),
		"another root":          with(blank+3, lines[3]),
		"another log":           with(blank+1, "test/replica-1/0001"),
		"no signature":          with(blank+5, ""),
		"a header of version 2": with(0, "c2sp.org/tlog-proof@v2"),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "record.tlog-proof")
			must(t, os.WriteFile(file, []byte(altered), 0o600))
			if _, err := s.check(t, "proof", s.partKey, file); err == nil {
				t.Error("accepted")
			}
			if _, err := verify.VerifyProof([]byte(altered), s.vkey); err == nil {
				t.Error("the first verifier accepted it")
			}
		})
	}
}
