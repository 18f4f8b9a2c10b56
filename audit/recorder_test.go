package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeStore is a Store in memory that fails, and does not answer, on demand.
type fakeStore struct {
	mu      sync.Mutex
	records []Record
	broken  error
	blocked chan struct{} // Append waits until it is closed; nil for not at all
	appends chan int      // gets the number of records as an Append begins
	closed  bool
}

func (s *fakeStore) Ready(context.Context) ([]Standing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return nil, s.broken
}

func (s *fakeStore) Append(_ context.Context, records [][]byte) error {
	s.mu.Lock()
	blocked := s.blocked
	s.mu.Unlock()
	s.appends <- len(records)
	if blocked != nil {
		<-blocked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range records {
		r, err := Decode(b)
		if err != nil {
			return err
		}
		s.records = append(s.records, r)
	}
	return s.broken
}

func (s *fakeStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *fakeStore) set(broken error, blocked chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken, s.blocked = broken, blocked
}

func (s *fakeStore) all() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Record(nil), s.records...)
}

func newFake() *fakeStore { return &fakeStore{appends: make(chan int, 1<<16)} }

func record(t *testing.T, s Store, observe func(Commit)) *Recorder {
	t.Helper()
	r := newRecorder(Config{Store: s, Replica: "test", Now: time.Now, Rand: rand.Reader, Observe: observe},
		intervals{retry: 5 * time.Millisecond, stuck: 20 * time.Millisecond, closing: time.Minute})
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// until waits as long as the test may.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for !is() {
		select {
		case <-t.Context().Done():
			t.Fatal("it never came to pass that " + what)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestARecorderKnowsHowItsStoreDoesWithoutAnOperation(t *testing.T) {
	s := newFake()
	full := errors.New("the disk is full")
	s.set(full, nil)
	var mu sync.Mutex
	var failed int
	r := record(t, s, func(c Commit) {
		mu.Lock()
		defer mu.Unlock()
		if c.Err != nil {
			failed++
		}
	})
	if r.Err() == nil {
		t.Error("a log that was not opened yet counts as one that can be written")
	}
	until(t, "the log is known to fail", func() bool { return errors.Is(r.Err(), full) })
	if _, err := r.Intent(t.Context(), Operation{}); !errors.Is(err, full) {
		t.Errorf("intent: %v", err)
	}
	s.set(nil, nil)
	until(t, "the log resumes by itself", func() bool { return r.Err() == nil })
	s.set(full, nil)
	until(t, "the log is known to fail again", func() bool { return r.Err() != nil })
	mu.Lock()
	defer mu.Unlock()
	if failed < 2 {
		t.Errorf("%d failures were observed", failed)
	}
}

func TestADiskThatDoesNotAnswerHoldsNobody(t *testing.T) {
	s := newFake()
	r := record(t, s, nil)
	id, err := r.Intent(t.Context(), Operation{Action: "before"})
	if err != nil {
		t.Fatal(err)
	}
	for len(s.appends) > 0 {
		<-s.appends
	}
	block := make(chan struct{})
	s.set(nil, block)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	intent := func(action Action) {
		wg.Go(func() {
			if _, err := r.Intent(ctx, Operation{Action: action}); !errors.Is(err, context.Canceled) {
				t.Errorf("intent: %v", err)
			}
		})
	}
	intent("at the disk")
	<-s.appends
	for range maxQueue + 10 { // more than the queue has room for
		intent("in the queue")
	}
	until(t, "the queue is full", func() bool { return r.Stats().Queued == maxQueue })
	until(t, "the log is known not to answer", func() bool { return r.Err() != nil && strings.Contains(r.Err().Error(), "not answered") })
	cancel()
	wg.Wait()
	if got := r.Stats(); got.Unmatched != 1 || got.Oldest.IsZero() {
		t.Errorf("%+v", got)
	}
	close(block)
	s.set(nil, nil)
	if err := r.Outcome(t.Context(), id, Outcome{OK: true}); err != nil {
		t.Fatal(err)
	}
	until(t, "the log is well", func() bool { return r.Err() == nil })
	until(t, "the intent that was at the disk has an outcome", func() bool {
		at := ""
		for _, r := range s.all() {
			if r.Phase == PhaseIntent && r.Operation.Action == "at the disk" {
				at = r.ID
			}
			if r.Phase == PhaseOutcome && r.ID == at {
				return r.Outcome.Reason == ReasonAbandoned && !r.Outcome.OK
			}
		}
		return false
	})
	for _, r := range s.all() {
		if r.Operation != nil && r.Operation.Action == "in the queue" {
			t.Fatal("an intent was written whose caller had gone before")
		}
	}
	if got := r.Stats(); got.Unmatched != 0 || !got.Oldest.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestCloseDoesNotWaitForEverForADisk(t *testing.T) {
	s := newFake()
	r := record(t, s, nil)
	r.every.closing = 50 * time.Millisecond
	until(t, "the log is open", func() bool { return r.Err() == nil })
	block := make(chan struct{})
	defer close(block)
	s.set(nil, block)
	answered := make(chan error, 1)
	go func() {
		_, err := r.Intent(t.Context(), Operation{})
		answered <- err
	}()
	<-s.appends
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "has not answered") {
		t.Errorf("close: %v", err)
	}
	if _, err := r.Intent(t.Context(), Operation{}); !errors.Is(err, ErrClosed) {
		t.Errorf("intent after close: %v", err)
	}
}

func TestCallsAfterCloseFailAndCloseCanBeRepeated(t *testing.T) {
	s := newFake()
	r := record(t, s, nil)
	id, err := r.Intent(t.Context(), Operation{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, ierr := r.Intent(t.Context(), Operation{})
	for what, err := range map[string]error{"intent": ierr, "outcome": r.Outcome(t.Context(), id, Outcome{}), "note": r.Note(t.Context(), Operation{}, Outcome{})} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if all := s.all(); !s.closed || all[len(all)-1].Operation.Action != ActionLogStopped {
		t.Error("the last record is no stop, or the store is not closed")
	}
}

func TestAnOutcomeCitesAnIntent(t *testing.T) {
	r := record(t, newFake(), nil)
	for _, id := range []string{"", "nonsense", "01KB8ZV3RG9M1X0Q2S4T6V8W0U"} {
		if err := r.Outcome(t.Context(), id, Outcome{}); err == nil {
			t.Errorf("an outcome of %q was taken", id)
		}
	}
}

func TestManyWritersAndACloseLoseNothingThatWasAcknowledged(t *testing.T) {
	s := newFake()
	r := record(t, s, nil)
	const writers, each = 64, 20
	var mu sync.Mutex
	acked := map[string]bool{}
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				id, err := r.Intent(t.Context(), Operation{})
				if err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				if acked[id] {
					t.Errorf("id %s was given twice", id)
				}
				acked[id] = true
				if len(acked) == writers*each/2 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	for _, r := range s.all() {
		delete(acked, r.ID)
	}
	if len(acked) > 0 {
		t.Errorf("%d acknowledged intents are not in the log", len(acked))
	}
}
