package tiles

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/journal"
)

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
				refuses(t, after, "part 0001 cannot be gone on with: its journal is not as it was written: ")
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

// A part has up to a million records, and all of them in memory are more than a controller may have: what cannot be right is refused before they are read.
func TestAnOlderJournalIsRefusedBeforeThePartIsRead(t *testing.T) {
	s := begun(t)
	for i := range 30 {
		var ten []string
		for j := range 10 {
			ten = append(ten, intent(10*i+j))
		}
		record(t, s, ten...)
	}
	if err := s.open.feed.hand(); err != nil {
		t.Fatal(err)
	}
	empty, err := emptyTree()
	if err != nil {
		t.Fatal(err)
	}
	_, first, err := journal.NewWriter(s.open.keys.private, "test/replica-0/0001", 0, empty.root)
	if err != nil {
		t.Fatal(err)
	}
	after := killed(t, s)
	change(t, after, func([]byte) []byte { return first })
	// Nothing but reading it notices that it is gone.
	if err := os.Remove(filepath.Join(after.cfg.Dir, "0001", "tile", "entries", "000")); err != nil {
		t.Fatal(err)
	}
	refuses(t, after, "as if that was an older one")
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
			s.open.feed.mu.Lock()
			s.open.feed.failed = errors.New("the tree is held up")
			s.open.feed.mu.Unlock()
			go letGo() // while the store waits for its end
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
