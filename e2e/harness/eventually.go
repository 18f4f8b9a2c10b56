package harness

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

const (
	// patience is how long Eventually waits where the context sets no deadline: far longer than anything takes on
	// a busy machine, because its end is a failed test. What the controller tries again after a minute comes right
	// well within it.
	patience = 150 * time.Second
	firstGap = 5 * time.Millisecond
	lastGap  = 250 * time.Millisecond
)

// permanent is an error after which trying again makes no sense.
type permanent struct{ err error }

func (p permanent) Error() string { return p.err.Error() }
func (p permanent) Unwrap() error { return p.err }

// Permanent marks the reason of a condition as one that will not go away, which ends Poll and Eventually.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// Poll calls cond until it returns nil, the context ends (after 150 s if it has no deadline), or cond returns a
// Permanent error. What cond returns is the reason why it does not hold yet; the last one is in Poll's error.
// The context that cond gets ends with Poll's.
func Poll(ctx context.Context, cond func(ctx context.Context) error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	began := time.Now()
	var last error
	for gap := firstGap; ; gap = min(gap*3/2, lastGap) {
		err := cond(ctx)
		var p permanent
		switch {
		case err == nil:
			return nil
		case errors.As(err, &p):
			return err
		case ctx.Err() == nil || last == nil:
			// A call that the end of the context cut short would hide the reason before it.
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not after %s: %w", time.Since(began).Round(time.Millisecond), last)
		case <-time.After(gap):
		}
	}
}

// Eventually fails the test if the condition, described by what, does not come to hold; see Poll.
//
//	harness.Eventually(ctx, t, "the Secret exists", func(ctx context.Context) error {
//		return c.Get(ctx, key, &secret)
//	})
func Eventually(ctx context.Context, t testing.TB, what string, cond func(ctx context.Context) error) {
	t.Helper()
	if err := Poll(ctx, cond); err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}
