package tiles

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/transparency-dev/tessera"

	"github.com/waxwing-io/waxwing/audit"
)

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
	got := records(t, s, 1)
	is(t, got[:min(3, len(got))], startNote, intent(0), intent(1))
	if len(got) > 3 { // the feed was as fast as that
		is(t, got[3:], intent(2))
	}
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

// atWork has Tessera be at work for so long by now, if it is.
func atWork(s *Store, d time.Duration) {
	s.open.feed.mu.Lock()
	defer s.open.feed.mu.Unlock()
	if !s.open.feed.began.IsZero() {
		s.open.feed.began = time.Now().Add(-d)
	}
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
	acked, full := 0, make(chan error, 1)
	go func() {
		var err error
		for ; err == nil && acked < 2*maxWaiting; acked += 64 {
			var some []string
			for i := range 64 {
				some = append(some, intent(acked+i))
			}
			var stuck *stuckError
			for _, err = s.Ready(t.Context()); errors.As(err, &stuck) && t.Context().Err() == nil; _, err = s.Ready(t.Context()) {
				time.Sleep(time.Millisecond)
			}
			if err == nil {
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
		atWork(s, 0) // however long the disk takes for the journal
		select {
		case err := <-full:
			t.Fatalf("%d records were taken: %v", acked, err)
		case <-time.After(time.Millisecond):
		}
	}
	atWork(s, time.Hour)
	if err := s.open.look(); err == nil || !strings.Contains(err.Error(), "its tree has not taken 4096 records for 1h0m") {
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
