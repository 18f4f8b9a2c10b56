package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/keyring"
)

// tracedLog puts a log's intents and outcomes into the same trace as the operations of the source.
type tracedLog struct {
	audit.Log
	trace func(string)
	// actions are those of the intents, by id.
	actions *sync.Map
}

func (l tracedLog) Intent(ctx context.Context, op audit.Operation, notes ...audit.Standing) (string, error) {
	id, err := l.Log.Intent(ctx, op, notes...)
	l.actions.Store(id, string(op.Action))
	l.trace("intent " + string(op.Action))
	return id, err
}

func (l tracedLog) Outcome(ctx context.Context, id string, out audit.Outcome) error {
	action, _ := l.actions.Load(id)
	l.trace(fmt.Sprintf("outcome %v", action))
	return l.Log.Outcome(ctx, id, out)
}

func TestEveryTouchOfAKeyStandsBetweenAnIntentAndItsOutcome(t *testing.T) {
	b := newBench(t)
	var trace []string
	add := func(s string) { trace = append(trace, s) }
	b.src.trace = add
	b.restart(tracedLog{b.log, add, &sync.Map{}})
	b.mustEnsure(ring("default"))
	want := []string{
		"intent key.load", "load statement", "load",
		"intent key.generate", "create statement", "outcome key.generate", "load statement", "load",
		"intent key.generate", "create", "outcome key.generate", "load statement", "load",
		"save statement", "load statement", "load", // the claim
		"intent key.activate", "set state", "outcome key.activate", "load statement", "load",
		"intent keyring.publish", "save statement", "outcome keyring.publish", "load statement", "load",
		"outcome key.load",
	}
	if diff := cmp.Diff(want, trace); diff != "" {
		t.Error(diff)
	}
	log := []string{
		"intent key.load Keyring default keys=0",
		"intent key.generate StatementKey default keys=0", "outcome key.generate true keys=0",
		"intent key.generate Keyring default keys=0", "outcome key.generate true keys=1",
		"intent key.activate Keyring default keys=1", "outcome key.activate true keys=0",
		"intent keyring.publish Keyring default keys=1", "outcome keyring.publish true keys=0",
		"outcome key.load true keys=1",
	}
	if diff := cmp.Diff(log, b.story()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatWasDoneIsRecordedAlsoWhenTheControllerStops(t *testing.T) {
	b := newBench(t)
	ctx, stop := context.WithCancel(t.Context())
	b.src.after = func(op string, _ int) error {
		if op == "create" {
			stop()
		}
		return nil
	}
	if res, err := b.m.Ensure(ctx, ring("default")); !errors.Is(err, context.Canceled) || res.Ready {
		t.Errorf("%+v, %v", res, err)
	}
	want := []string{
		"intent key.load Keyring default keys=0",
		"intent key.generate StatementKey default keys=0", "outcome key.generate true keys=0",
		"intent key.generate Keyring default keys=0", "outcome key.generate true keys=1",
		"outcome key.load false keys=0 KeySourceUnavailable",
	}
	if err := b.log.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.story()); diff != "" {
		t.Error(diff)
	}
}

func TestOneKeyringIsLookedAfterOnceAtATime(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	open, most := 0, 0
	b.restart(tracedLog{b.log, func(s string) {
		mu.Lock()
		defer mu.Unlock()
		switch s {
		case "intent key.load":
			open++
			most = max(most, open)
		case "outcome key.load":
			open--
		}
	}, &sync.Map{}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := b.m.Ensure(t.Context(), ring("default")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d at a time", most)
	}
	// A keyring that is deleted while it is being looked after is gone afterwards.
	forgotten := make(chan struct{})
	b.src.before = func(op string, _ int) error {
		if op == "load" {
			go func() { _ = b.m.Forget(t.Context(), "default"); close(forgotten) }()
		}
		return nil
	}
	if _, err := b.m.Ensure(t.Context(), ring("default")); err != nil {
		t.Error(err)
	}
	<-forgotten
	if _, ok := b.live.Load().Policy("default"); ok {
		t.Error("a deleted keyring is back in the ring")
	}
}

func TestWithoutAnAuditLogNothingIsTouched(t *testing.T) {
	b := newBench(t)
	if err := b.log.Close(); err != nil {
		t.Fatal(err)
	}
	res, err := b.m.Ensure(t.Context(), ring("default"))
	if !errors.Is(err, audit.ErrClosed) || res.Ready || res.Stalled || res.Known || res.Reason != keyring.ReasonAuditUnavailable || b.src.ops != 0 {
		t.Errorf("%+v, %v, %d operations", res, err, b.src.ops)
	}
	if diff := cmp.Diff([]string{"default"}, b.live.Load().Unavailable()); diff != "" {
		t.Error(diff)
	}
}

// cutLog fails from the n-th call on.
type cutLog struct {
	audit.Log
	calls, from int
}

var errCut = errors.New("the log takes nothing more")

func (l *cutLog) Intent(ctx context.Context, op audit.Operation, notes ...audit.Standing) (string, error) {
	if l.calls++; l.calls >= l.from {
		return "", errCut
	}
	return l.Log.Intent(ctx, op, notes...)
}

func (l *cutLog) Outcome(ctx context.Context, id string, out audit.Outcome) error {
	if l.calls++; l.calls >= l.from {
		return errCut
	}
	return l.Log.Outcome(ctx, id, out)
}

func TestALogThatFailsInTheMiddleStopsWhatFollows(t *testing.T) {
	for from := 1; ; from++ {
		b := newBench(t)
		cut := &cutLog{Log: b.log, from: from}
		b.restart(cut)
		var failed bool
		b.src.before = func(op string, _ int) error {
			if !strings.HasPrefix(op, "load") && cut.calls >= from {
				t.Errorf("%q was done after record %d had failed", op, from)
			}
			failed = failed || cut.calls >= from
			return nil
		}
		res, err := b.m.Ensure(t.Context(), ring("default"))
		if err == nil {
			if from != 11 {
				t.Errorf("%d records, want 10", from-1)
			}
			break
		}
		if !errors.Is(err, errCut) || res.Reason != keyring.ReasonAuditUnavailable || res.Ready {
			t.Errorf("record %d: %+v, %v", from, res, err)
		}
		// When it works again, everything goes on from where it stopped.
		b.src.before = nil
		b.restart(b.log)
		b.mustEnsure(ring("default"))
		if n := len(b.src.inState(keyring.Active)); n != 1 || len(b.src.keys) != 1 {
			t.Errorf("record %d: %d active of %d keys", from, n, len(b.src.keys))
		}
	}
}
