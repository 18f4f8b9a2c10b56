package keyring_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/keyring"
)

// TestARotationThatIsKilledAnywhereGoesOn kills the Manager at every operation on the source while a key is compromised, another takes its place and an old one goes.
func TestARotationThatIsKilledAnywhereGoesOn(t *testing.T) {
	scenes := map[string]func(b *bench, id string) [][3]string{
		"due":        func(b *bench, _ string) [][3]string { b.now = noon.Add(25 * time.Hour); return nil },
		"compromise": func(_ *bench, id string) [][3]string { return [][3]string{{id, "Compromise", ""}} },
		"deactivate": func(_ *bench, id string) [][3]string { return [][3]string{{id, "Deactivate", ""}} },
	}
	for name, scene := range scenes {
		for at := 1; at <= 30; at++ {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, at %d, after its effect: %t", name, at, after), func(t *testing.T) {
					rotationIsKilled(t, scene, at, after)
				})
			}
		}
	}
}

func rotationIsKilled(t *testing.T, scene func(*bench, string) [][3]string, at int, after bool) {
	b, log := newQuickBench(t, (&useTable{}).of)
	kr := ring("default")
	kr.Spec.Rotation = rotation("24h", "", "24h")
	id := b.mustEnsure(kr).Keys[0].ID
	old := newClassical(t, keyring.Deactivated)
	old.Since = noon.Add(-24 * time.Hour)
	b.src.put(old)
	kr.Spec.Requests = asks(scene(b, id)...).Spec.Requests
	begin := b.src.ops
	hook := func(_ string, n int) error {
		mustNeverBeTwo(t, b.src)
		if n == begin+at {
			return errCrash
		}
		return nil
	}
	if after {
		b.src.after = hook
	} else {
		b.src.before = hook
	}
	_, err := b.m.Ensure(t.Context(), kr)
	if !errors.Is(err, errCrash) && (err != nil || at <= 20) {
		t.Fatalf("it was not killed: %v", err)
	}
	b.src.before, b.src.after = nil, nil
	b.restart(log)
	res := b.mustEnsure(kr)
	mustBeWhole(t, b.src, res)
	if len(log.open) > 0 {
		t.Errorf("intents without an outcome: %v", log.open)
	}
	if len(b.src.keys) != 3 || len(b.src.saved) != 2 || len(b.src.inState(keyring.Destroyed)) != 1 || res.ActiveKey == id[:16] {
		t.Errorf("%v, %d sets", states(res), len(b.src.saved))
	}
}

// mustNeverBeTwo holds that of two active keys one is published and the other one claimed, or published just now. It is called with the lock of the source.
func mustNeverBeTwo(t *testing.T, src *memorySource) {
	t.Helper()
	active := 0
	for _, k := range src.keys {
		if k.State == keyring.Active {
			active++
		}
	}
	if active > 2 {
		t.Errorf("%d keys are active", active)
	}
}

// TestControllersThatRaceRotateOnce lets several Managers, as two leaders would, find a key due at the same time.
func TestControllersThatRaceRotateOnce(t *testing.T) {
	raced := 0
	for round := range 30 {
		b := newBench(t)
		kr := ring("default")
		kr.Spec.Rotation = rotation("24h", "", "")
		first := b.mustEnsure(kr)
		const managers = 4
		results := make([]keyring.Result, managers)
		b.src.before = func(string, int) error { mustNeverBeTwo(t, b.src); return nil }
		var wg sync.WaitGroup
		for i := range managers {
			m := keyring.NewManager(keyring.Config{
				Source: keyring.ClearSecrets(b.src), Audit: b.log, Now: func() time.Time { return noon.Add(25*time.Hour + time.Duration(i)*time.Minute) }, Rand: rand.Reader, Live: &keyring.Live{},
			})
			wg.Go(func() {
				res, err := m.Ensure(t.Context(), kr)
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
				results[i] = res
			})
		}
		wg.Wait()
		for _, res := range results {
			mustBeWhole(t, b.src, res)
			if res.Note != results[0].Note || res.Note == first.Note {
				t.Errorf("round %d: two notes, or the old one", round)
			}
		}
		if len(b.src.saved) != 2 || len(b.src.inState(keyring.Deactivated)) != 1 {
			t.Errorf("round %d: %d sets, deactivated %v", round, len(b.src.saved), b.src.inState(keyring.Deactivated))
		}
		if len(b.src.keys) > 2 {
			raced++
		}
	}
	if raced == 0 {
		t.Error("no round had a race, so this test proves nothing")
	}
}

// TestTheNewKeyOfAnotherControllerIsNotTakenForASpareOne has another controller claim and activate a key between the reading of the record and of the keys.
func TestTheNewKeyOfAnotherControllerIsNotTakenForASpareOne(t *testing.T) {
	b := newBench(t)
	first := b.mustEnsure(ring("default"))
	next := newClassical(t, keyring.PreActive)
	b.src.put(next)
	moved := false
	b.src.after = func(op string, _ int) error {
		if op == "load statement" && !moved {
			moved = true
			b.src.statements["default"].Claim, b.src.statements["default"].Version = next.ID, b.src.next()
			k := b.src.keys[next.ID]
			k.State, k.Activated, k.Version = keyring.Active, noon, b.src.next()
		}
		return nil
	}
	res := b.mustEnsure(ring("default"))
	if got := states(res); got[next.ID] != "Active" || got[first.Keys[0].ID] != "Deactivated" || fmt.Sprint(done(res)) != "[RecipientsPublished KeyRotated KeyDeactivated]" {
		t.Errorf("%v, %v", got, done(res))
	}
}
