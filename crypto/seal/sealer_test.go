package seal_test

import (
	"crypto/rand"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// world is a sealed object with two items, two holders and everything else that a change must leave alone.
type world struct {
	prod, next, glass party
	spec              *seal.Spec
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{prod: classical(t), next: classical(t), glass: classical(t)}
	w.spec = mustSeal(t, strictDB, values("user", "app", "password", "canary-not-a-secret"), w.holders()...)
	w.spec.Type = "Opaque"
	immutable := true
	w.spec.Immutable = &immutable
	w.spec.Template = &seal.Template{Data: map[string]string{"dsn": "{{ .user }}"}}
	sign(t, w.spec)
	return w
}

func (w *world) holders() []seal.Holder {
	return []seal.Holder{holder("glass", w.glass), holder("prod", w.prod)}
}

func sign(t testing.TB, spec *seal.Spec) {
	t.Helper()
	c, err := seal.Check(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Sign(nil, sshSigner(t), rand.Reader); err != nil {
		t.Fatal(err)
	}
}

func keysOf(parties ...party) seal.Identities {
	var ids []seal.Identity
	for _, p := range parties {
		ids = append(ids, p.Identity)
	}
	return seal.NewIdentities(ids...)
}

func wantValues(t *testing.T, spec *seal.Spec, p party, want map[string]string) {
	t.Helper()
	got, err := open(spec, prodDB, p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// wantSame compares all but items, envelopes and the signature, and the items and envelopes that were there and still are.
func wantSame(t *testing.T, before, after *seal.Spec, changed ...string) {
	t.Helper()
	for name, item := range after.Items {
		if old, ok := before.Items[name]; ok && !slices.Contains(changed, name) && old != item {
			t.Errorf("item %s changed", name)
		}
	}
	for id, e := range after.Envelopes {
		if old, ok := before.Envelopes[id]; ok {
			if diff := cmp.Diff(old, e); diff != "" {
				t.Errorf("envelope %s changed:\n%s", id, diff)
			}
		}
	}
	a, b := *before, *after
	a.Items, a.Envelopes, a.Signature = nil, nil, nil
	b.Items, b.Envelopes, b.Signature = nil, nil, nil
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("other members changed:\n%s", diff)
	}
}

func TestPut(t *testing.T) {
	for name, c := range map[string]struct {
		put       seal.Values
		want      map[string]string
		envelopes int
	}{
		"a further item gets an envelope of its own": {
			values("token", "t"), map[string]string{"user": "app", "password": "canary-not-a-secret", "token": "t"}, 2},
		"an item that is replaced moves to the new envelope": {
			values("password", "new"), map[string]string{"user": "app", "password": "new"}, 2},
		"two items share the new envelope": {
			values("password", "new", "token", ""), map[string]string{"user": "app", "password": "new", "token": ""}, 2},
		"an envelope that no item names any more is dropped": {
			values("user", "u", "password", "p"), map[string]string{"user": "u", "password": "p"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w.spec.DeepCopy()
			if err := sealer().Put(w.spec, c.put, w.holders()); err != nil {
				t.Fatal(err)
			}
			wantSame(t, before, w.spec, c.put.Names()...)
			if len(w.spec.Envelopes) != c.envelopes {
				t.Errorf("%d envelopes, want %d", len(w.spec.Envelopes), c.envelopes)
			}
			if w.spec.Signature != nil {
				t.Error("the signature was kept")
			}
			wantValues(t, w.spec, w.prod, c.want)
			wantValues(t, w.spec, w.glass, c.want)
		})
	}
}

func TestPutDropsAnEnvelopeThatNobodyNamed(t *testing.T) {
	w := newWorld(t)
	other := mustSeal(t, strictDB, values("x", "y"), holder("prod", w.prod))
	maps.Copy(w.spec.Envelopes, other.Envelopes)
	if err := sealer().Put(w.spec, values("token", "t"), w.holders()); err != nil {
		t.Fatal(err)
	}
	if len(w.spec.Envelopes) != 2 || slices.Contains(slices.Collect(maps.Keys(w.spec.Envelopes)), other.Items["x"].Envelope) {
		t.Errorf("envelopes are %v", slices.Sorted(maps.Keys(w.spec.Envelopes)))
	}
}

func TestPutOfNothingChangesNothing(t *testing.T) {
	w := newWorld(t)
	before := w.spec.DeepCopy()
	if err := sealer().Put(w.spec, nil, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, w.spec); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

func TestSealOfNothingIsChecked(t *testing.T) {
	spec, err := sealer().Seal(strictDB, nil, nil)
	if err != nil || len(spec.Items) != 0 {
		t.Errorf("%v, %v", spec, err)
	}
	if spec, err := sealer().Seal(seal.For{Scope: "strict"}, nil, nil); seal.Outcome(err) != "InvalidFormat" || spec != nil {
		t.Errorf("a wrong place: %v, %v", spec, err)
	}
}

func TestACheckedObjectOutlivesAChange(t *testing.T) {
	w := newWorld(t)
	c, err := seal.Check(w.spec.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	if err := sealer().Put(c.Spec(), values("user", "other"), w.holders()); err != nil {
		t.Fatal(err)
	}
	if got, err := open(c.Spec(), prodDB, w.prod); err != nil || got["user"] != "other" {
		t.Errorf("the changed spec: %v, %v", got, err)
	}
}

func TestRemove(t *testing.T) {
	w := newWorld(t)
	if err := sealer().Put(w.spec, values("token", "t"), w.holders()); err != nil {
		t.Fatal(err)
	}
	sign(t, w.spec)
	before := w.spec.DeepCopy()
	if err := seal.Remove(w.spec, "token"); err != nil {
		t.Fatal(err)
	}
	wantSame(t, before, w.spec)
	if len(w.spec.Envelopes) != 1 || w.spec.Signature != nil {
		t.Errorf("%d envelopes, signature %v", len(w.spec.Envelopes), w.spec.Signature)
	}
	wantValues(t, w.spec, w.prod, map[string]string{"user": "app", "password": "canary-not-a-secret"})
	if err := seal.Remove(w.spec, "user", "password"); err != nil {
		t.Fatal(err)
	}
	if len(w.spec.Envelopes) != 0 {
		t.Error("an envelope is left without items")
	}
	wantValues(t, w.spec, w.prod, map[string]string{})
}

func TestEveryEnvelopeAndCiphertextIsNew(t *testing.T) {
	w := newWorld(t)
	a := mustSeal(t, strictDB, values("x", "same", "y", "same"), holder("prod", w.prod))
	b := mustSeal(t, strictDB, values("x", "same", "y", "same"), holder("prod", w.prod))
	if a.Items["x"].Value == b.Items["x"].Value || a.Items["x"].Value == a.Items["y"].Value || a.Items["x"].Envelope == b.Items["x"].Envelope {
		t.Error("two sealings of one value share bytes")
	}
}

func mustCheck(t testing.TB, spec *seal.Spec) *seal.Checked {
	t.Helper()
	c, err := seal.Check(spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
