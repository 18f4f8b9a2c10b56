package keyring_test

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

// keptSource is a fake source that may not destroy keys, as a Vault that does not give the right to it.
type keptSource struct {
	*memorySource
	denied bool
	tries  int
}

func (s *keptSource) SetState(ctx context.Context, k keyring.Stored, to keyring.State, at time.Time) error {
	if to == keyring.Destroyed && s.denied {
		s.tries++
		return &keyring.Problem{Where: k.Where, Msg: "may not be deleted", KeyID: k.ID}
	}
	return s.memorySource.SetState(ctx, k, to, at)
}

// TestAKeyThatCannotBeDestroyedHindersNothing has two keys to destroy, one asked for and one by itself, at a source that does not give the right to it.
func TestAKeyThatCannotBeDestroyedHindersNothing(t *testing.T) {
	b := newBench(t)
	kept := &keptSource{memorySource: b.src, denied: true}
	b.m = keyring.NewManager(keyring.Config{
		Source: keyring.ClearSecrets(kept), Audit: b.log, Now: func() time.Time { return b.now }, Rand: rand.Reader, Live: b.live,
		Uses: func(context.Context, string) (keyring.Uses, error) { return keyring.Uses{}, nil },
	})
	kr := ring("default")
	kr.Spec.Rotation = rotation("1h", "", "2h")
	var old []string
	for range 3 {
		old = append(old, activeOf(b.mustEnsure(kr)))
		b.now = b.now.Add(time.Hour)
	}
	kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: old[1], Do: v1alpha1.RequestDestroy}}
	for range 2 {
		res, tries := b.mustEnsure(kr), kept.tries
		if res = b.mustEnsure(kr); kept.tries != tries || res.LookAgain.IsZero() || res.LookAgain.After(b.now.Add(5*time.Minute)) {
			t.Errorf("it is tried again at once, or not before %s", res.LookAgain)
		}
		for _, id := range old[:2] {
			if !strings.Contains(res.Message, "key "+id[:16]+" is to be destroyed and stays: Place "+id[:16]+" may not be deleted") || states(res)[id] != "Deactivated" || !b.opens(id) {
				t.Errorf("of key %s: %s", id[:16], res.Message)
			}
		}
		if o := res.Requests[0]; o.Outcome != v1alpha1.RequestWaiting || !strings.Contains(o.Message, "may not be deleted") {
			t.Errorf("%+v", o)
		}
		if res.Reason != keyring.ReasonKeyActive || activeOf(res) == "" || slices.Contains(old, activeOf(res)) {
			t.Errorf("the rotation was held up: %+v", res)
		}
		kr.Generation++
	}
	kr.Generation--
	b.now = b.now.Add(5 * time.Minute)
	if b.mustEnsure(kr); kept.tries != 6 {
		t.Errorf("%d tries: with each change of the Keyring, and after a while", kept.tries)
	}
	kept.denied = false
	kr.Generation++
	res := b.mustEnsure(kr)
	for _, id := range old[:2] {
		if states(res)[id] != "Destroyed" || b.opens(id) {
			t.Errorf("key %s is %s", id[:16], states(res)[id])
		}
	}
	if strings.Contains(res.Message, "destroyed") || res.Requests[0].Outcome != v1alpha1.RequestDone {
		t.Errorf("%s; %+v", res.Message, res.Requests)
	}
}

// activeOf is the id of the active key.
func activeOf(res keyring.Result) string {
	for id, state := range states(res) {
		if state == string(keyring.Active) {
			return id
		}
	}
	return ""
}
