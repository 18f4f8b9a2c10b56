package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"
)

// A process is often told to end while an intent is being written: with the outcome that nothing was done, it is no finding.
func TestAnIntentThatIsGivenUpAtTheEndHasItsOutcome(t *testing.T) {
	s := newFake()
	// No tick takes along what was left aside.
	r := newRecorder(Config{Store: s, Replica: "test", Now: time.Now, Rand: rand.Reader}, intervals{retry: time.Hour, stuck: time.Hour, closing: time.Minute})
	until(t, "the log is open", func() bool { return r.Err() == nil })
	block := make(chan struct{})
	s.set(nil, block)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	given := make(chan error, 1)
	go func() {
		_, err := r.Intent(ctx, Operation{Action: "given.up"})
		given <- err
	}()
	<-s.appends
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("intent: %v", err)
	}
	close(block)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	all := s.all()
	if len(all) != 3 {
		t.Fatalf("the records are %+v", all)
	}
	if out := all[1]; all[0].Phase != PhaseIntent || out.Phase != PhaseOutcome || out.ID != all[0].ID || out.Outcome.Reason != ReasonAbandoned {
		t.Errorf("the intent is %+v, and behind it is %+v", all[0], out)
	}
	if last := all[2]; last.Operation == nil || last.Operation.Action != ActionLogStopped {
		t.Errorf("the last record is %+v", last)
	}
}
