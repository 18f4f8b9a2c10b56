package keyring_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

var errCrash = errors.New("crash")

// TestACrashAnywhereIsPickedUp kills the Manager at every operation on the source, just before and just after it takes effect, once and twice in a row.
func TestACrashAnywhereIsPickedUp(t *testing.T) {
	for first := 1; first <= 16; first++ {
		for _, second := range []int{0, 1, 3} {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("at %d and %d, after its effect: %t", first, second, after), func(t *testing.T) {
					t.Parallel() // each waits for its own audit log's disk
					b := newBench(t)
					at := map[int]bool{first: true, first + second: true}
					hook := func(_ string, n int) error {
						if at[n] {
							return errCrash
						}
						return nil
					}
					if after {
						b.src.after = hook
					} else {
						b.src.before = hook
					}
					restarts := 0
					res, err := b.m.Ensure(t.Context(), ring("default"))
					for ; err != nil; res, err = b.m.Ensure(t.Context(), ring("default")) {
						if restarts++; !errors.Is(err, errCrash) || restarts > 2 {
							t.Fatal(err)
						}
						b.restart(b.log)
					}
					if restarts == 0 && first <= 12 {
						t.Error("there was no crash")
					}
					mustBeWhole(t, b.src, res)
					if len(b.src.keys) != 1 || len(b.src.saved) != 1 {
						t.Errorf("%d keys, %d sets", len(b.src.keys), len(b.src.saved))
					}
				})
			}
		}
	}
}

// mustBeWhole holds a source against what may never be otherwise: one active key, published, and no number for two sets.
func mustBeWhole(t testing.TB, src *memorySource, res keyring.Result) {
	t.Helper()
	active := src.inState(keyring.Active)
	set, err := statement.OpenRecipients([]byte(res.Note), res.StatementKey)
	if !res.Ready || err != nil || len(active) != 1 || len(set.Recipients) != 1 || set.Recipients[0].KeyID() != active[0] {
		t.Errorf("%d active keys, result %+v, %v", len(active), res, err)
	}
	numbers := map[uint64]bool{}
	for _, note := range src.saved {
		r, err := statement.OpenRecipients([]byte(note), res.StatementKey)
		if err != nil || numbers[r.Set] {
			t.Errorf("set %d was given twice, or cannot be read: %v", r.Set, err)
		}
		numbers[r.Set] = true
	}
}

// TestControllersThatRaceAgree lets several Managers, as two leaders would, begin at the same time.
func TestControllersThatRaceAgree(t *testing.T) {
	raced := 0
	for round := range 30 {
		b := newBench(t)
		const managers = 4
		results := make([]keyring.Result, managers)
		var wg sync.WaitGroup
		for i := range managers {
			m := keyring.NewManager(keyring.Config{
				Source: keyring.ClearSecrets(b.src), Audit: b.log, Now: func() time.Time { return noon.Add(time.Duration(-i) * time.Hour) }, Rand: rand.Reader, Live: &keyring.Live{},
			})
			wg.Go(func() {
				res, err := m.Ensure(t.Context(), ring("default"))
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
				results[i] = res
			})
		}
		wg.Wait()
		for _, res := range results {
			mustBeWhole(t, b.src, res)
			if res.Note != results[0].Note {
				t.Errorf("round %d: two notes", round)
			}
		}
		if len(b.src.keys) > 1 {
			raced++
		}
	}
	if raced == 0 {
		t.Error("no round had a race, so this test proves nothing")
	}
}
