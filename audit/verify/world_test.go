package verify_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/audittest/forge"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// files is a log in memory: paths with their bytes.
type files map[string][]byte

// dir gives the log as a file system.
func (f files) dir() fs.FS {
	m := fstest.MapFS{}
	for name, b := range f {
		m[name] = &fstest.MapFile{Data: b, Mode: 0o600}
	}
	return m
}

func (f files) clone() files { return maps.Clone(f) }

func (f files) put(name string, b []byte) error {
	f[name] = slices.Clone(b)
	return nil
}

// keyFile is where a log names its own key. The verifier does not read it where it has another source.
const keyFile = "log.vkey"

// load reads what a store has left in a folder, without its own state.
func load(t testing.TB, dir string) files {
	t.Helper()
	out := files{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && path.Base(name) == ".state" {
			return cmpSkip(err)
		}
		if d.IsDir() || !strings.Contains(name, "/") && name != keyFile {
			return nil
		}
		out[name], err = os.ReadFile(dir + "/" + name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func cmpSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

// world is a log that the real store has written in two runs, with what is known of it from elsewhere.
type world struct {
	key    ed25519.PrivateKey
	vkey   string
	origin string
	old    files // after the first run
	log    files
	// anchors are from after the first and from after the second run.
	anchors []audit.Anchor
	size    int
}

func vkey(t testing.TB, origin string, key ed25519.PrivateKey) string {
	t.Helper()
	v, err := note.NewEd25519VerifierKey(origin, key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// newWorld writes a log: n operations in the first run, 20 in the second.
func newWorld(t testing.TB, origin string, n int) *world {
	t.Helper()
	dir := audittest.Dir(t)
	w := &world{key: audittest.Key(t), origin: origin}
	w.vkey = vkey(t, origin, w.key)
	config := audittest.Config(t, dir)
	config.Origin, config.Key = origin, func(context.Context) (ed25519.PrivateKey, error) { return w.key, nil }
	for run, ops := range []int{n, 20} {
		rec := audit.NewRecorder(audit.Config{Store: tiles.New(config), Replica: "test", Now: time.Now, Rand: rand.Reader})
		work(t, rec, int64(run+1), ops)
		if err := rec.Close(); err != nil {
			t.Fatal(err)
		}
		w.log = load(t, dir)
		delete(w.log, keyFile)
		if run == 0 {
			w.old = w.log.clone()
		}
		w.anchors = append(w.anchors, w.anchor(w.log))
	}
	w.size = len(audittest.Records(t, dir))
	return w
}

// newParts writes a log of parts in three runs, of which the last one begins a part because somebody asks for it.
func newParts(t testing.TB) *world {
	t.Helper()
	dir, anchors := audittest.Dir(t), &audittest.MemoryAnchors{}
	w := &world{key: audittest.Key(t), origin: audittest.Origin}
	w.vkey = vkey(t, w.origin, w.key)
	config := audittest.Config(t, dir)
	config.Key, config.Anchors, config.PartSize = func(context.Context) (ed25519.PrivateKey, error) { return w.key, nil }, anchors, 30
	for run := range int64(3) {
		if run == 2 { // somebody gives the last part up
			anchors.Change(func(a *audit.Anchor) { a.Restart = &audit.Restart{Reason: "a test", Part: a.Part} })
		}
		rec := audit.NewRecorder(audit.Config{Store: tiles.New(config), Replica: "test", Now: time.Now, Rand: rand.Reader})
		work(t, rec, run, 40)
		must(t, rec.Close())
		w.anchors, w.log = append(w.anchors, anchors.Anchor()), load(t, dir)
		delete(w.log, keyFile)
		if run == 0 {
			w.old = w.log.clone()
		}
	}
	w.size = len(audittest.Records(t, dir))
	return w
}

func (w *world) anchor(log files) audit.Anchor {
	return audit.Anchor{Origin: w.origin, Key: w.vkey, Part: 1, Checkpoint: string(log["0001/checkpoint"])}
}

// work leads for a term, in which it makes n operations and leaves none open.
func work(t testing.TB, rec *audit.Recorder, term int64, n int) {
	t.Helper()
	rec.Begin(term)
	must(t, rec.Note(t.Context(), audit.Operation{Action: audit.ActionTermBegan, Term: &audit.Term{Number: term, Holder: fmt.Sprintf("pod-%d", term)}}, audit.Outcome{OK: true}))
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := worker; i < n; i += 8 {
				id, err := rec.Intent(t.Context(), operation(i))
				if err == nil {
					err = rec.Outcome(t.Context(), id, audit.Outcome{OK: true, Reason: "Unsealed"})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func operation(i int) audit.Operation {
	return audit.Operation{
		Action: audit.ActionUnseal, Object: audit.Object{Kind: "GitSecret", Namespace: "prod", Name: fmt.Sprintf("db-%d", i), Generation: 1},
		Keys:  []audit.Key{{Keyring: "default", ID: "3f2a91c0d7e85b64a1f09c3d2e7b8a56", Envelope: "01kb8zv3rg9m1x0q2s4t6v8w0y"}},
		Items: []string{"password", "user"}, Actor: audit.Actor{User: audit.Unattributed, Manager: "grün"},
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) verify(t testing.TB, log files) *verify.Report {
	t.Helper()
	r, err := verify.Verify(t.Context(), []verify.Log{{Name: "log", Dir: log.dir(), Key: w.vkey, Anchors: w.anchors}}, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// records gives the bytes of the records of a part.
func records(t testing.TB, log files) [][]byte {
	t.Helper()
	var out [][]byte
	for e, err := range verify.Entries(log.dir(), verify.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.Clone(e.Raw))
	}
	return out
}

// forged writes the part anew with other records.
func forged(t testing.TB, origin string, part int, key ed25519.PrivateKey, records [][]byte, into files) []byte {
	t.Helper()
	prefix := fmt.Sprintf("%04d/", part)
	maps.DeleteFunc(into, func(name string, _ []byte) bool { return strings.HasPrefix(name, prefix) })
	checkpoint, err := forge.Write(origin, part, key, slices.Values(records), forge.Under(part, into.put))
	if err != nil {
		t.Fatal(err)
	}
	return checkpoint
}

// kinds lists the kinds of a report's findings, each once.
func kinds(r *verify.Report) []verify.Kind {
	seen := map[verify.Kind]bool{}
	for _, f := range r.Findings {
		seen[f.Kind] = true
	}
	return slices.Sorted(maps.Keys(seen))
}
