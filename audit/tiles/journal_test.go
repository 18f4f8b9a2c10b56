package tiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/transparency-dev/tessera/api/layout"

	"github.com/waxwing-io/waxwing/audit"
)

// begun is a store that has its first record, and takes others.
func begun(t *testing.T) *Store {
	t.Helper()
	s := opened(t)
	record(t, s, startNote)
	return s
}

// startNote stands for what a log says of itself when it is started.
const startNote = `{"id":"the note","phase":"note","operation":{"action":"log.started"}}`

// intent is a record in which matching finds an intent.
func intent(i int) string { return fmt.Sprintf(`{"id":"%05d","phase":"intent"}`, i) }

func record(t *testing.T, s *Store, records ...string) {
	t.Helper()
	if _, err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), raw(records...)); err != nil {
		t.Fatal(err)
	}
}

func raw(records ...string) (all [][]byte) {
	for _, r := range records {
		all = append(all, []byte(r))
	}
	return all
}

// held has nothing come into the tree until it is let go.
func held(s *Store) (letGo func()) {
	s.open.feed.batch.Lock()
	return s.open.feed.batch.Unlock
}

// killed is what a process that is killed now leaves on the disk, and its store's successor.
func killed(t *testing.T, s *Store) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	err := filepath.WalkDir(s.cfg.Dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // a temporary file
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.cfg.Dir, path)
		if err != nil || d.Type()&fs.ModeSymlink != 0 { // Tessera's lock files point to this process
			return err
		}
		to := filepath.Join(dir, rel)
		switch {
		case d.IsDir(): // its checkpoint goes before the tree, which may only be larger than what is published
			return errors.Join(os.MkdirAll(to, 0o700), copyThere(filepath.Join(to, layout.CheckpointPath), filepath.Join(path, layout.CheckpointPath)))
		case d.Name() == layout.CheckpointPath:
			return nil
		}
		return copyThere(to, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.cfg
	cfg.Dir = dir
	after := New(cfg)
	t.Cleanup(func() { _ = after.Close() })
	return after
}

// copyThere copies a file, if it is there.
func copyThere(to, from string) error {
	b, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// records gives those of a part's tree.
func records(t *testing.T, s *Store, number int) []string {
	t.Helper()
	key, err := s.cfg.Key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.part(keys{private: key}, number)
	if err != nil {
		t.Fatal(err)
	}
	now, err := p.state()
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.records(0, now.size)
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, r := range all {
		text = append(text, string(r))
	}
	return text
}

// opens has a store open its log, and gives the notes that it has.
func opens(t *testing.T, s *Store) []audit.Standing {
	t.Helper()
	notes, err := s.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return notes
}

func refuses(t *testing.T, s *Store, words string) {
	t.Helper()
	_, err := s.Ready(t.Context())
	var refused *RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), words) {
		t.Errorf("want a refusal that says %q: %v", words, err)
	}
}

func is(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the tree has\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// A process may be killed before Tessera has taken anything of what is in the journal, after it has taken some of a batch, in another order, or all of it. What is compared is what is in
// the tree: without that, records are there twice, or not at all.
func TestWhatAKilledProcessHasAcknowledgedComesIntoTheTreeOnce(t *testing.T) {
	for name, c := range map[string]struct{ taken, want []int }{
		"nothing of it":     {nil, []int{0, 1, 2, 3, 4}},
		"the first of them": {[]int{0, 1}, []int{0, 1, 2, 3, 4}},
		"others of them":    {[]int{3, 1}, []int{3, 1, 0, 2, 4}},
		"all of them":       {[]int{0, 1, 2, 3, 4}, []int{0, 1, 2, 3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begun(t)
			letGo := held(s)
			record(t, s, intent(0), intent(1))
			record(t, s, intent(2))
			record(t, s, intent(3), intent(4))
			is(t, records(t, s, 1), startNote)
			var taken []string
			for _, i := range c.taken {
				taken = append(taken, intent(i))
			}
			now, _ := s.open.feed.state()
			if _, err := s.open.append(t.Context(), now, raw(taken...)); err != nil {
				t.Fatal(err)
			}
			after := killed(t, s)
			letGo()
			notes := opens(t, after)
			want := []string{startNote}
			for _, i := range c.want {
				want = append(want, intent(i))
			}
			is(t, records(t, after, 1), want...)
			if got := notes[0].Operation.Log.Unmatched; len(got) != 5 || after.Status().Unmatched != 5 {
				t.Errorf("the start tells of %q without outcome", got)
			}
			if after.Status().Size != 6 {
				t.Errorf("%d records by the status", after.Status().Size)
			}
			again := killed(t, after) // before anything else was recorded
			opens(t, again)
			is(t, records(t, again, 1), want...)
		})
	}
}
