package tiles_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"crypto/rand"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// unsealDB is an operation of the usual size.
func unsealDB() audit.Operation {
	return audit.Operation{
		Action: audit.ActionUnseal, Object: audit.Object{Kind: "GitSecret", Namespace: "prod", Name: "db", UID: "0b0c9d9e-4a58-4a5e-9d0f-5f0f3f7d2a11", Generation: 3},
		Keys:  []audit.Key{{Keyring: "default", ID: "3f2a77aa3f2a77aa3f2a77aa3f2a77aa", Envelope: "01kb8zv3rg9m1x0q2s4t6v8w0y"}},
		Items: []string{"password", "user", "host", "port", "ca.crt"}, Actor: audit.Actor{User: audit.Unattributed, Manager: "kustomize-controller"},
	}
}

// world is a log's folder, its key and its anchor, of which processes come and go.
type world struct {
	t       *testing.T
	dir     string
	cfg     tiles.Config
	anchors *audittest.MemoryAnchors
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "audit"), anchors: &audittest.MemoryAnchors{}}
	w.cfg = audittest.Config(t, w.dir)
	w.cfg.Anchors, w.cfg.AnchorEvery = w.anchors, 10*time.Millisecond
	return w
}

// process is one that has the log open.
type process struct {
	*audit.Recorder
	store *tiles.Store
	w     *world
}

func (w *world) start() *process {
	w.t.Helper()
	s := tiles.New(w.cfg)
	p := &process{audit.NewRecorder(audit.Config{Store: s, Replica: "test", Now: time.Now, Rand: rand.Reader}), s, w}
	w.t.Cleanup(func() { _ = p.Close() })
	return p
}

// write makes n records durable.
func (p *process) write(n int) {
	p.w.t.Helper()
	for range n {
		if _, err := p.Intent(p.w.t.Context(), unsealDB()); err != nil {
			p.w.t.Fatal(err)
		}
	}
}

// refused fails unless an intent is refused for a reason that says all of these words.
func (p *process) refused(words ...string) {
	p.w.t.Helper()
	_, err := p.Intent(p.w.t.Context(), unsealDB())
	var refused *tiles.RefusedError
	if !errors.As(err, &refused) {
		p.w.t.Fatalf("the log is not refused: %v", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			p.w.t.Errorf("the refusal does not say %q: %v", word, err)
		}
	}
	if p.store.Status().Refused == "" || p.store.Status().Open {
		p.w.t.Errorf("the store does not know that it is refused: %+v", p.store.Status())
	}
}

func (p *process) close() {
	p.w.t.Helper()
	if err := p.Close(); err != nil {
		p.w.t.Fatal(err)
	}
}

// restart asks for the part to be given up.
func (w *world) restart(part int) {
	w.anchors.Change(func(a *audit.Anchor) { a.Restart = &audit.Restart{Reason: "the volume was restored", Part: part} })
}

// eventually waits as long as the test may.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for !is() {
		select {
		case <-t.Context().Done():
			t.Fatal("it never came to pass that " + what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// copyTo puts a copy of a folder in the place of another at once, because a running log makes files in it.
func copyTo(t *testing.T, place, from string) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		name := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(name, 0o700)
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(to, name)
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // a temporary file of a running log
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(name, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(place, filepath.Join(t.TempDir(), "was")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.Rename(to, place); err != nil {
		t.Fatal(err)
	}
}

// published is the tree of a part's checkpoint, verified; empty if there is none.
func (w *world) published(part string) (size int64, root tlog.Hash) {
	w.t.Helper()
	signed, err := os.ReadFile(filepath.Join(w.dir, part, "checkpoint"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, root
	}
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := w.cfg.Key(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	vkey, err := tiles.VerifierKey(w.cfg.Origin+"/"+part, key)
	if err != nil {
		w.t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		w.t.Fatalf("part %s: %v", part, err)
	}
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + strings.SplitN(n.Text, "\n", 2)[1]))
	if err != nil {
		w.t.Fatal(err)
	}
	return tree.N, tree.Hash
}

// records are those of one part.
func (w *world) records(part string) []audit.Record {
	w.t.Helper()
	one := w.t.TempDir()
	if err := os.Symlink(filepath.Join(w.dir, part), filepath.Join(one, "0001")); err != nil {
		w.t.Fatal(err)
	}
	return audittest.Records(w.t, one)
}

// told are the records of an action.
func told(records []audit.Record, action audit.Action) []audit.Record {
	var found []audit.Record
	for _, r := range records {
		if r.Operation != nil && r.Operation.Action == action {
			found = append(found, r)
		}
	}
	return found
}

// ours are the names of files that a part may have.
var ours = regexp.MustCompile(`^(checkpoint|\.state/(treeState|gcState|version)|tile/(entries|[0-9]+)/(x[0-9]{3}/)*[0-9]{3}(\.p/([0-9]{1,3}))?)$`)

// clean fails if a part that is closed has other files than it should.
func (w *world) clean() {
	w.t.Helper()
	parts, err := filepath.Glob(filepath.Join(w.dir, "[0-9]*"))
	if err != nil || len(parts) == 0 {
		w.t.Fatal("no part", err)
	}
	for _, part := range parts {
		err := filepath.WalkDir(part, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(part, path)
			if err == nil && !ours.MatchString(rel) {
				w.t.Errorf("part %s has a file %s", part, rel)
			}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}
