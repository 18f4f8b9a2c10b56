package seal_test

import (
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

func TestRewrap(t *testing.T) {
	w := newWorld(t)
	if err := sealer().Put(w.spec, values("token", "t"), []seal.Holder{holder("glass", w.glass)}); err != nil {
		t.Fatal(err)
	}
	sign(t, w.spec)
	before := w.spec.DeepCopy()
	// The envelope of token has no wrap of prod, so that prod's key is enough.
	if n, err := seal.Rewrap(w.spec, holder("prod", w.next), keysOf(w.prod)); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	want := before.DeepCopy()
	for id, e := range w.spec.Envelopes {
		if wrap, ok := e.Wraps["prod"]; ok {
			if diff := cmp.Diff([]string{w.prod.Identity.KeyID()}, wrap.WrappedBefore); diff != "" {
				t.Errorf("wrappedBefore:\n%s", diff)
			}
			if diff := cmp.Diff([]string{w.next.Identity.KeyID()}, wrap.Keys); diff != "" {
				t.Errorf("keys:\n%s", diff)
			}
			want.Envelopes[id].Wraps["prod"] = wrap
		}
	}
	if diff := cmp.Diff(want, w.spec); diff != "" {
		t.Errorf("more than one wrap changed:\n%s", diff)
	}
	if _, err := mustCheck(t, w.spec).VerifySignature(nil); err != nil {
		t.Errorf("the signature: %v", err)
	}
	if err := seal.Remove(w.spec, "token"); err != nil {
		t.Fatal(err)
	}
	wantValues(t, w.spec, w.next, map[string]string{"user": "app", "password": "canary-not-a-secret"})
	if _, err := open(w.spec, prodDB, w.prod); seal.Outcome(err) != "NoMatchingKey" {
		t.Errorf("the old key: %v", err)
	}
}

func TestARewrapThatFailsHalfWayChangesNothing(t *testing.T) {
	w := newWorld(t)
	later := seal.Sealer{Rand: rand.Reader, Now: at("2026-11-24T00:00:00Z")}
	if err := later.Put(w.spec, values("token", "t"), []seal.Holder{holder("prod", w.next)}); err != nil {
		t.Fatal(err)
	}
	before := w.spec.DeepCopy()
	if n, err := seal.Rewrap(w.spec, holder("prod", w.glass), keysOf(w.prod)); seal.Outcome(err) != "NoMatchingKey" || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	if diff := cmp.Diff(before, w.spec); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

func TestRewrapLeavesAnEnvelopeThatNoItemNames(t *testing.T) {
	w := newWorld(t)
	other := mustSeal(t, strictDB, values("x", "y"), holder("prod", w.prod))
	maps.Copy(w.spec.Envelopes, other.Envelopes)
	id := other.Items["x"].Envelope
	before := w.spec.DeepCopy().Envelopes[id]
	if n, err := seal.Rewrap(w.spec, holder("prod", w.next), keysOf(w.prod)); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	if diff := cmp.Diff(before, w.spec.Envelopes[id]); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

func TestWrappedBeforeIsASortedUnionWithoutThePresentKeys(t *testing.T) {
	w := newWorld(t)
	ring := []party{w.prod, classical(t), classical(t), classical(t)}
	var used []string
	for i := 1; i < len(ring); i++ {
		if _, err := seal.Rewrap(w.spec, holder("prod", ring[i]), keysOf(ring[i-1])); err != nil {
			t.Fatal(err)
		}
		used = append(used, ring[i-1].Identity.KeyID())
		slices.Sort(used)
		for _, e := range w.spec.Envelopes {
			if diff := cmp.Diff(used, e.Wraps["prod"].WrappedBefore); diff != "" {
				t.Errorf("after %d:\n%s", i, diff)
			}
		}
	}
	// Back to a key that was used before: it leaves the list.
	if _, err := seal.Rewrap(w.spec, holder("prod", ring[1], ring[3]), keysOf(ring[3])); err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(used, func(id string) bool { return id == ring[1].Identity.KeyID() })
	for _, e := range w.spec.Envelopes {
		if diff := cmp.Diff(want, e.Wraps["prod"].WrappedBefore); diff != "" {
			t.Errorf("back again:\n%s", diff)
		}
	}
}

func TestRewrapBeyondWrappedBeforeSaysReseal(t *testing.T) {
	w := newWorld(t)
	for id := range w.spec.Envelopes {
		wrap := w.spec.Envelopes[id].Wraps["prod"]
		for i := range seal.MaxWrappedBefore {
			wrap.WrappedBefore = append(wrap.WrappedBefore, forge.KeyID(strings.Repeat("x", i)))
		}
		w.spec.Envelopes[id].Wraps["prod"] = wrap
	}
	before := w.spec.DeepCopy()
	_, err := seal.Rewrap(w.spec, holder("prod", w.next), keysOf(w.prod))
	var e *seal.Error
	if !errors.As(err, &e) || seal.Outcome(err) != "InvalidFormat" || !strings.Contains(e.Hint, "reseal") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, w.spec); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

func TestReseal(t *testing.T) {
	w := newWorld(t)
	if err := sealer().Put(w.spec, values("token", "t"), w.holders()); err != nil {
		t.Fatal(err)
	}
	sign(t, w.spec)
	before := w.spec.DeepCopy()
	if err := sealer().Reseal(w.spec, prodDB, []seal.Holder{holder("prod", w.next)}, keysOf(w.glass)); err != nil {
		t.Fatal(err)
	}
	if len(w.spec.Envelopes) != 1 || w.spec.Signature != nil {
		t.Errorf("%d envelopes, signature %v", len(w.spec.Envelopes), w.spec.Signature)
	}
	for name, item := range w.spec.Items {
		if item.Value == before.Items[name].Value || item.Envelope == before.Items[name].Envelope {
			t.Errorf("%s was not sealed again", name)
		}
	}
	wantSame(t, before, w.spec, "user", "password", "token")
	wantValues(t, w.spec, w.next, map[string]string{"user": "app", "password": "canary-not-a-secret", "token": "t"})
}

func TestResealOfNothingDropsWhatIsLeft(t *testing.T) {
	w := newWorld(t)
	w.spec.Items = nil
	sign(t, w.spec)
	if err := sealer().Reseal(w.spec, prodDB, w.holders(), keysOf(w.prod)); err != nil {
		t.Fatal(err)
	}
	if len(w.spec.Envelopes) != 0 || w.spec.Signature != nil {
		t.Errorf("%d envelopes, signature %v", len(w.spec.Envelopes), w.spec.Signature)
	}
}
