package tiles

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/transparency-dev/tessera"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/journal"
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
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(dir, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), b, 0o600)
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

// journalOf is the path of the journal of the first part.
func journalOf(s *Store) string { return filepath.Join(s.cfg.Dir, "0001", journal.Name) }

// waiting is a store that has three records in its journal, each in a frame of its own.
func waiting(t *testing.T) *Store {
	t.Helper()
	s := begun(t)
	letGo := held(s)
	t.Cleanup(letGo)
	for i := range 3 {
		record(t, s, intent(i))
	}
	return s
}

func change(t *testing.T, s *Store, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(journalOf(s))
	if err == nil {
		err = os.WriteFile(journalOf(s), f(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFrameThatWasBeingWrittenIsLeftOut(t *testing.T) {
	for _, cut := range []int{1, 30, 100} {
		after := killed(t, waiting(t))
		change(t, after, func(b []byte) []byte { return b[:len(b)-cut] })
		opens(t, after)
		is(t, records(t, after, 1), startNote, intent(0), intent(1))
	}
}

// forged gives a journal that goes on from the same tree, with other records.
func forged(t *testing.T, s *Store, key ed25519.PrivateKey, origin string) []byte {
	t.Helper()
	now, _ := s.open.feed.state()
	w, b, err := journal.NewWriter(key, origin, now.size, now.root)
	if err != nil {
		t.Fatal(err)
	}
	frame, _, err := w.Frame(raw("planted"))
	if err != nil {
		t.Fatal(err)
	}
	return append(b, frame...)
}

// Without the signature whoever can write to the volume has our key sign whatever he likes.
func TestAJournalThatThisPartHasNotWrittenIsRefused(t *testing.T) {
	ours := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	theirs := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	s := waiting(t)
	older := killed(t, s)
	for name, c := range map[string]struct {
		words string
		as    func([]byte) []byte
	}{
		"of another key":   {"does not begin as one", func([]byte) []byte { return forged(t, s, theirs, "test/replica-0/0001") }},
		"of another part":  {"does not begin as one", func([]byte) []byte { return forged(t, s, ours, "test/replica-0/0002") }},
		"a byte is other":  {"was altered", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		"empty":            {"does not begin as one", func([]byte) []byte { return nil }},
		"with forged ends": {"", func(b []byte) []byte { return append(b, forged(t, s, theirs, "test/replica-0/0001")...) }},
	} {
		t.Run(name, func(t *testing.T) {
			after := killed(t, older)
			change(t, after, c.as)
			if c.words != "" {
				refuses(t, after, "part 0001 cannot be gone on with: its journal cannot be gone on from: ")
				refuses(t, after, c.words)
				is(t, records(t, after, 1), startNote)
				return
			}
			opens(t, after)
			is(t, records(t, after, 1), startNote, intent(0), intent(1), intent(2))
		})
	}
}

// A journal that was put away some time ago, and comes back: what it does not have is in the tree.
func TestAnOlderJournalIsRefused(t *testing.T) {
	s := begun(t)
	record(t, s, intent(0))
	old, err := os.ReadFile(journalOf(s))
	if err != nil {
		t.Fatal(err)
	}
	record(t, s, intent(1))
	if err := s.open.feed.hand(); err != nil {
		t.Fatal(err)
	}
	after := killed(t, s)
	change(t, after, func([]byte) []byte { return old })
	refuses(t, after, "as if that was an older one")

	// And one that goes on from a tree that is not there.
	s = waiting(t)
	after = killed(t, s)
	now, _ := s.open.feed.state()
	w, b, err := journal.NewWriter(s.open.keys.private, "test/replica-0/0001", now.size+1, now.root)
	if err != nil || w == nil {
		t.Fatal(err)
	}
	change(t, after, func([]byte) []byte { return b })
	refuses(t, after, "it holds 1 records and not 2")
	w, b, err = journal.NewWriter(s.open.keys.private, "test/replica-0/0001", now.size, [32]byte{1})
	if err != nil || w == nil {
		t.Fatal(err)
	}
	change(t, after, func([]byte) []byte { return b })
	refuses(t, after, "its first 1 records are other ones")
}

// What this process has acknowledged it knows: a journal that is gone, cut, or rolled back is noticed before the next record.
func TestAJournalThatIsChangedWhileItIsWrittenIsRefused(t *testing.T) {
	for name, harm := range map[string]func(*testing.T, *Store){
		"deleted": func(t *testing.T, s *Store) {
			if err := os.Remove(journalOf(s)); err != nil {
				t.Fatal(err)
			}
		},
		"cut": func(t *testing.T, s *Store) { change(t, s, func(b []byte) []byte { return b[:len(b)-1] }) },
		"replaced by an older one": func(t *testing.T, s *Store) {
			change(t, s, func(b []byte) []byte { return b[:len(b)/2] })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begun(t)
			letGo := held(s)
			record(t, s, intent(0))
			record(t, s, intent(1))
			harm(t, s)
			go letGo() // while the store waits for its end
			s.open.feed.mu.Lock()
			s.open.feed.failed = errors.New("the tree is held up")
			s.open.feed.mu.Unlock()
			refuses(t, s, "records that this process has acknowledged are neither in its tree nor in its journal")
			is(t, records(t, s, 1), startNote)
		})
	}
	// Where all of it is in the tree, nothing is lost.
	s := begun(t)
	record(t, s, intent(0))
	if err := s.open.feed.hand(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(journalOf(s)); err != nil {
		t.Fatal(err)
	}
	record(t, s, intent(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	is(t, records(t, s, 1), startNote, intent(0), intent(1))
}

// failing has Tessera take nothing until it is mended.
func failing(s *Store, err error) {
	s.open.add = func(context.Context, *tessera.Entry) tessera.IndexFuture {
		return func() (tessera.Index, error) { return tessera.Index{}, err }
	}
}

// A tree that does not take what is in the journal is known without an operation; then the part is opened anew, and nothing is lost or twice in it.
func TestATreeThatDoesNotTakeTheJournalIsOpenedAnew(t *testing.T) {
	s := begun(t)
	failing(s, errors.New("no"))
	record(t, s, intent(0), intent(1))
	for { // the feed's own time
		s.mu.Lock()
		known := s.distrust != nil
		s.mu.Unlock()
		if known {
			break
		}
		select {
		case <-t.Context().Done():
			t.Fatal("it is never known")
		case <-time.After(time.Millisecond):
		}
	}
	record(t, s, intent(2))
	is(t, records(t, s, 1), startNote, intent(0), intent(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	is(t, records(t, s, 1), startNote, intent(0), intent(1), intent(2))
	if _, err := os.Stat(journalOf(s)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a log that was closed has a journal: %v", err)
	}
}

// What was not acknowledged, because the disk failed, is tried again by whoever waits for it. It would be in the log twice.
func TestWhatWasNotAcknowledgedIsNotTakenFromTheJournal(t *testing.T) {
	s := begun(t)
	letGo := held(s)
	for i := range 3 {
		record(t, s, intent(i))
	}
	frame, _, err := s.open.journal.frames.Frame(raw(intent(7)))
	if err != nil {
		t.Fatal(err)
	}
	change(t, s, func(b []byte) []byte { return append(b, frame...) }) // as a write whose fdatasync fails
	s.open.feed.mu.Lock()
	s.open.feed.failed = errors.New("the disk has failed")
	s.open.feed.mu.Unlock()
	letGo()
	s.letGo()
	record(t, s, intent(7))
	after := killed(t, s)
	opens(t, after)
	is(t, records(t, after, 1), startNote, intent(0), intent(1), intent(2), intent(7))
}

// Tessera may be at work for as long as it likes: what waits for it has a bound, and it is known that it does not answer.
func TestAJournalThatNobodyEmptiesIsFullAndKnown(t *testing.T) {
	s := begun(t)
	resume := make(chan struct{})
	let := sync.OnceFunc(func() { close(resume) })
	t.Cleanup(let)
	add := s.open.add
	s.open.add = func(ctx context.Context, e *tessera.Entry) tessera.IndexFuture {
		<-resume
		return add(ctx, e)
	}
	acked, full := 0, make(chan error)
	go func() {
		var err error
		for ; err == nil && acked < 2*maxWaiting; acked += 64 {
			var some []string
			for i := range 64 {
				some = append(some, intent(acked+i))
			}
			if _, err = s.Ready(t.Context()); err == nil {
				err = s.Append(t.Context(), raw(some...))
			}
		}
		full <- err
	}()
	for {
		_, w := s.open.feed.state()
		if len(w) > maxWaiting {
			t.Fatalf("%d records wait", len(w))
		}
		if len(w) == maxWaiting {
			break
		}
		select {
		case err := <-full:
			t.Fatalf("%d records were taken: %v", acked, err)
		case <-time.After(time.Millisecond):
		}
	}
	s.open.feed.mu.Lock()
	s.open.feed.began = time.Now().Add(-feedStuck - time.Second)
	s.open.feed.mu.Unlock()
	if err := s.open.look(); err == nil || !strings.Contains(err.Error(), "its tree has not taken 4096 records for 6s") {
		t.Errorf("the tree does not answer, and the store says %v", err)
	}
	let()
	if err := <-full; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := records(t, s, 1)
	for i, r := range got[1:] {
		if r != intent(i) {
			t.Fatalf("record %d is %s", i, r)
		}
	}
	if len(got) != acked+1 {
		t.Errorf("%d records of %d", len(got)-1, acked)
	}
}

// A journal is made anew before it is long, with what is not in the tree yet.
func TestAJournalStaysShort(t *testing.T) {
	s := begun(t)
	letGo := held(s)
	long := strings.Repeat("x", 40<<10)
	var want []string
	made := map[*journalFile]bool{}
	for i := range 60 {
		r := fmt.Sprintf(`{"id":"%d","phase":"intent","x":%q}`, i, long)
		want = append(want, r)
		if i == 20 { // the first are in the tree
			letGo()
			if err := s.open.feed.hand(); err != nil {
				t.Fatal(err)
			}
			letGo = held(s)
		}
		record(t, s, r)
		if info, err := os.Stat(journalOf(s)); err != nil || info.Size() > maxWaitingBytes {
			t.Fatalf("after %d records: %v, %v", i, info, err)
		}
		made[s.open.journal] = true
	}
	if len(made) != 3 {
		t.Errorf("it was made %d times for 2.4 MiB", len(made))
	}
	j, _, err := s.open.part.journal()
	if err != nil || j.Base != 21 {
		t.Errorf("the journal goes on from %d: %v", j.Base, err)
	}
	after := killed(t, s)
	letGo()
	opens(t, after)
	is(t, records(t, after, 1), append([]string{startNote}, want...)...)
}

// A part is full when the journal makes it so, and is closed with all of it.
func TestAFullPartIsClosedWithItsJournal(t *testing.T) {
	s := opened(t)
	s.cfg.PartSize = 4
	record(t, s, startNote)
	letGo := held(s)
	record(t, s, intent(0), intent(1))
	record(t, s, intent(2))
	if got := s.Status().Size; got != 4 {
		t.Errorf("%d records by the status", got)
	}
	letGo()
	if notes := opens(t, s); len(notes) != 1 || notes[0].Operation.Action != audit.ActionLogContinued || !strings.HasPrefix(notes[0].Operation.Log.Cites, "test/replica-0/0001\n4\n") {
		t.Errorf("the next part begins with %+v", notes)
	}
	is(t, records(t, s, 1), startNote, intent(0), intent(1), intent(2))
	if _, err := os.Stat(journalOf(s)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the closed part has a journal: %v", err)
	}
}

// oneAnchor is an anchor that nobody changes but the test.
type oneAnchor struct{ audit.Anchor }

func (a *oneAnchor) Load(context.Context) (audit.Anchor, string, error)         { return a.Anchor, "", nil }
func (a *oneAnchor) Save(context.Context, audit.Anchor, string) (string, error) { return "", nil }
func (a *oneAnchor) Others(context.Context) ([]audit.Anchor, error)             { return nil, nil }

// A part that is given up on request, and is in order, takes what was acknowledged first.
func TestAPartThatIsGivenUpTakesItsJournal(t *testing.T) {
	s := waiting(t)
	after := killed(t, s)
	if err := s.open.publish(); err != nil {
		t.Fatal(err)
	}
	signed, _, err := s.open.published()
	if err != nil {
		t.Fatal(err)
	}
	after.cfg.Anchors = &oneAnchor{audit.Anchor{Origin: "test/replica-0", Key: s.open.keys.public, Part: 1, Checkpoint: signed, Restart: &audit.Restart{Reason: "to see", Part: 1}}}
	if notes := opens(t, after); notes[0].Operation.Action != audit.ActionLogRestarted || after.Status().Part != 2 {
		t.Errorf("it goes on in part %d with %+v", after.Status().Part, notes[0].Operation)
	}
	is(t, records(t, after, 1), startNote, intent(0), intent(1), intent(2))
}

// A folder that was rolled back may have a journal, too: its records would be in the tree in the places of others, and the key would sign that.
func TestAPartThatWasRolledBackTakesNoJournal(t *testing.T) {
	s := begun(t)
	letGo := held(s)
	record(t, s, intent(0))
	after := killed(t, s)
	letGo()
	record(t, s, intent(1))
	if err := errors.Join(s.open.settle(), s.open.publish()); err != nil {
		t.Fatal(err)
	}
	signed, _, err := s.open.published()
	if err != nil {
		t.Fatal(err)
	}
	anchor := &oneAnchor{audit.Anchor{Origin: "test/replica-0", Key: s.open.keys.public, Part: 1, Checkpoint: signed}}
	after.cfg.Anchors = anchor
	refuses(t, after, "part 0001 does not contain what is anchored of it")
	anchor.Restart = &audit.Restart{Reason: "it was rolled back", Part: 1}
	if opens(t, after); after.Status().Part != 2 {
		t.Errorf("it goes on in part %d", after.Status().Part)
	}
	is(t, records(t, after, 1), startNote)
}

// Who reads the log right after an act finds it, and under load Tessera is not at work all the time.
func TestWhenTheTreeTakesRecords(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	for name, c := range map[string]struct {
		first, latest, fed int // milliseconds
		n                  int
		want               int
	}{
		"one record, after a rest":       {10000, 10000, 0, 1, 10025},
		"the last of some":               {10000, 10040, 0, 5, 10065},
		"one soon after the other":       {10000, 10240, 0, 50, 10250},
		"soon after Tessera was at work": {10000, 10000, 9900, 1, 10150},
		"many":                           {10000, 10001, 9999, feedRecords, 10000},
	} {
		f := &feed{first: at(c.first), latest: at(c.latest), fed: at(c.fed), waiting: make([][]byte, c.n)}
		if got := f.dueAt(); !got.Equal(at(c.want)) {
			t.Errorf("%s: at %s, want %s", name, got.Sub(at(0)), at(c.want).Sub(at(0)))
		}
	}
	if got := (&feed{}).dueAt(); !got.IsZero() {
		t.Errorf("nothing waits, and is due at %s", got)
	}
}
