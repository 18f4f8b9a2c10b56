package scan_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/waxwing-io/waxwing/repo/scan"
)

// TestDearTextsTakeTurns holds that only one who asks for a dear text has the turn, that a cheap one never waits for it, and that waiting for it ends with a context.
func TestDearTextsTakeTurns(t *testing.T) {
	turn, cheap := scan.NewTurn(), []byte("x: y\n")
	for name, dear := range map[string]string{"many values": "x: [" + strings.Repeat("1,", 9000) + "]\n", "aliases": "x: &x y\nz: *x\n"} {
		t.Run(name, func(t *testing.T) {
			var now, most, taken atomic.Int64
			var all sync.WaitGroup
			for range 16 {
				all.Go(func() {
					done, err := turn.Take(t.Context(), []byte(dear))
					if err != nil {
						t.Error(err)
						return
					}
					defer done()
					if n := now.Add(1); n > most.Load() {
						most.Store(n)
					}
					free, err := turn.Take(t.Context(), cheap)
					if err != nil {
						t.Error(err)
						return
					}
					free()
					taken.Add(1)
					now.Add(-1)
				})
			}
			all.Wait()
			if taken.Load() != 16 || most.Load() != 1 {
				t.Errorf("%d have had it, %d at a time", taken.Load(), most.Load())
			}
			done, err := turn.Take(t.Context(), []byte(dear))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := turn.Take(ctx, []byte(dear)); !errors.Is(err, context.Canceled) {
				t.Errorf("it was had twice: %v", err)
			}
			done()
			if done, err = turn.Take(t.Context(), []byte(dear)); err != nil {
				t.Fatal(err)
			}
			done()
		})
	}
}
