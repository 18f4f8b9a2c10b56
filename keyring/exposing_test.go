package keyring_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

func (b *glassBench) mustExpose(id, when string) {
	b.t.Helper()
	if all := b.live.Load().Compromised(); len(all) != 1 || all[0].ID != id {
		b.t.Errorf("%s: %v", when, all)
	}
}

// TestWhatADestroyedKeyHasLetOutStaysExposed has a key compromised and destroyed. Who looks at an object only then, or after a restart, or after a restore, must still know of it.
func TestWhatADestroyedKeyHasLetOutStaysExposed(t *testing.T) {
	b := newGlassBench(t, seal.Classical)
	leaked := b.old(keyring.Deactivated, 72*time.Hour)
	b.mustEnsure(b.kr)
	b.kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: leaked, Do: v1alpha1.RequestCompromise}}
	b.mustEnsure(b.kr)
	b.mustExpose(leaked, "compromised")
	changed := b.m.Changed()
	b.kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: leaked, Do: v1alpha1.RequestDestroy, Despite: v1alpha1.DespiteAny}}
	if res := b.mustEnsure(b.kr); states(res)[leaked] != "Destroyed" || b.opens(leaked) {
		t.Fatalf("%v", states(res))
	}
	b.mustExpose(leaked, "destroyed")
	if len(changed) != 1 {
		t.Error("nobody was told that the ring has changed")
	}
	b.again()
	b.mustEnsure(b.kr)
	b.mustExpose(leaked, "a controller that was started anew")

	next := b.anew()
	next.kr.Spec.Requests = nil
	next.ask(b)
	next.mustEnsure(next.kr)
	next.mustExpose(leaked, "restored")
}

// TestAKeyIsNotTakenIntoASecondKeyring has the key of a keyring that is in this cluster taken into another: which of their policies and states would count for it?
func TestAKeyIsNotTakenIntoASecondKeyring(t *testing.T) {
	b := lived(t, seal.Classical)
	archive := ring("archive")
	archive.Spec.Class = b.kr.Spec.Class
	before, err := b.m.Ensure(t.Context(), archive)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() { b.ask(b, func(q *keyring.Restore) { q.Keyring, q.KeysOnly = "archive", true }) }
	refused := func(when, want string) {
		t.Helper()
		res, err := b.m.Ensure(t.Context(), archive)
		if err != nil || !res.Ready || len(res.Keys) != len(before.Keys) || b.kept.asked == nil || !strings.Contains(fmt.Sprint(res.Restore, err), want) {
			t.Errorf("%s: %+v, %v", when, res.Restore, err)
		}
	}
	ask()
	refused("both are there", "is in keyring default")
	b.again()
	b.m.Expect(b.kr, archive)
	ask()
	refused("the other was not read yet", "keyring default was not read yet")
	if b.kept.refused != "" {
		t.Errorf("refused for good: %s", b.kept.refused)
	}

	next := b.anew()
	next.ask(b, func(q *keyring.Restore) { q.Keyring, q.KeysOnly = "archive", true })
	res, err := next.m.Ensure(t.Context(), archive)
	if err != nil || next.kept.asked != nil || len(res.Keys) != 4 {
		t.Errorf("in another cluster: %+v, %v", res, err)
	}

	kept := slices.Clone(b.kept.stored["default"])
	b.again()
	b.mustEnsure(b.kr)
	for id, k := range b.src.keys {
		if k.Keyring == b.kr.Name {
			b.src.change(id, func(k *keyring.Key) { *k = k.Destroyed(noon) })
		}
	}
	b.mustEnsure(b.kr)
	b.kept.stored["default"] = kept
	ask()
	// This source has one place for a key, whichever keyring it is of, so that it cannot be imported; it is not refused.
	if res, err := b.m.Ensure(t.Context(), archive); res.Restore == nil || res.Restore.Refused {
		t.Errorf("only what is left of the keys is there: %+v, %v", res.Restore, err)
	}
}

// TestAKeyThatOthersKnowGoesAlongDestroyed has a key compromised and destroyed before a move, and in its middle, when the copy was made already.
func TestAKeyThatOthersKnowGoesAlongDestroyed(t *testing.T) {
	for _, copied := range []bool{false, true} {
		b := newMoveBench(t)
		old := b.before.Keys[1].ID
		leak := func() error {
			for _, to := range []keyring.State{keyring.Compromised, keyring.Destroyed} {
				if k := b.src.keys[old]; k != nil && keyring.Step(k.State, to) == nil {
					if err := b.src.SetState(t.Context(), *k, to, noon); err != nil {
						return err
					}
				}
			}
			return nil
		}
		b.to.after = func(op string, _ int) error {
			if op != "import" || !copied || b.to.keys[old] == nil {
				return nil
			}
			return leak()
		}
		if !copied {
			if err := leak(); err != nil {
				t.Fatal(err)
			}
		}
		b.mustEnsure(moving("new"))
		if k := b.to.keys[old]; k == nil || k.State != keyring.Destroyed || !k.WasCompromised || len(b.src.keys) > 0 {
			t.Errorf("copied before: %t: %v", copied, k)
		}
	}
}
