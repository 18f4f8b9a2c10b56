package harness_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func TestPolling(t *testing.T) {
	cases := map[string]struct {
		deadline time.Duration
		// cond gets how often it was called before.
		cond  func(ctx context.Context, n int) error
		want  string
		after time.Duration
	}{
		"ends when the condition holds": {
			cond: func(_ context.Context, n int) error {
				if n < 3 {
					return errors.New("not yet")
				}
				return nil
			},
			after: 23 * time.Millisecond, // 5 + 7.5 + 11.25, rounded down
		},
		"ends after 150 seconds with the last reason": {
			cond: func(_ context.Context, n int) error {
				if n == 0 {
					return errors.New("no object")
				}
				return errors.New("object not ready")
			},
			want:  "not after 2m30s: object not ready",
			after: 150 * time.Second,
		},
		"ends at the deadline of its context": {
			deadline: 5 * time.Second,
			cond:     func(context.Context, int) error { return errors.New("no object") },
			want:     "not after 5s: no object",
			after:    5 * time.Second,
		},
		"reports the reason before the one that the end of time caused": {
			deadline: time.Second,
			cond: func(ctx context.Context, n int) error {
				if n == 0 {
					return errors.New("no object")
				}
				<-ctx.Done()
				return ctx.Err()
			},
			want:  "not after 1s: no object",
			after: time.Second,
		},
		"ends at once when trying again makes no sense": {
			cond: func(context.Context, int) error { return harness.Permanent(errors.New("process ended")) },
			want: "process ended",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				began, n := time.Now(), 0
				err := harness.Poll(ctx, func(ctx context.Context) error {
					n++
					return c.cond(ctx, n-1)
				})
				got := ""
				if err != nil {
					got = err.Error()
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
				if took := time.Since(began).Truncate(time.Millisecond); took != c.after {
					t.Errorf("ended after %s, want %s", took, c.after)
				}
			})
		})
	}
}
