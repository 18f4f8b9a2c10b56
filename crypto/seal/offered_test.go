package seal_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// TestWrapsAreMadeOfAnObjectThatOpensAsAWhole holds what OpenAndRewrap gives beside what MakeWraps does: the controller offers nothing of an object that it would not open.
func TestWrapsAreMadeOfAnObjectThatOpensAsAWhole(t *testing.T) {
	w := newWorld(t)
	if err := sealer().Put(w.spec, values("token", "t"), w.holders()); err != nil {
		t.Fatal(err)
	}
	all := w.spec.Referenced()
	now := holder("prod", w.next)
	if got := w.spec.Stale(now); !slices.Equal(got, all) {
		t.Fatalf("stale are %q", got)
	}
	both := keysOf(w.prod, w.glass)
	made, err := mustCheck(t, w.spec).OpenAndRewrap(prodDB, both, now, all[:1], keysOf(w.prod))
	if err != nil || !slices.Equal(slices.Collect(maps.Keys(made)), all[:1]) {
		t.Fatalf("%v, %v", made, err)
	}
	next := w.spec.DeepCopy()
	next.Envelopes[all[0]].Wraps["prod"] = made[all[0]]
	if got := next.Stale(now); !slices.Equal(got, all[1:]) {
		t.Errorf("stale are %q after the first was replaced", got)
	}
	if diff := cmp.Diff([]string{w.prod.Identity.KeyID()}, made[all[0]].WrappedBefore); diff != "" {
		t.Error(diff)
	}
	opened, err := mustCheck(t, next).Open(prodDB, keysOf(w.next, w.prod))
	if err != nil || !slices.ContainsFunc(opened.Uses, func(u seal.Use) bool { return u.Envelope == all[0] && u.KeyID == w.next.Identity.KeyID() }) {
		t.Errorf("%+v, %v", opened, err)
	}
	for name, c := range map[string]struct {
		change func(*seal.Spec)
		target seal.Target
		own    seal.Keys
		want   error
	}{
		"elsewhere": {target: seal.Target{Namespace: "other", Name: "db"}, want: seal.ErrScope},
		"an item of another envelope": {change: func(s *seal.Spec) {
			s.Items["token"] = seal.Item{Envelope: s.Items["token"].Envelope, Value: s.Items["user"].Value}
		}, want: seal.ErrTampered},
		"the holder's own key is not had": {own: keysOf(w.next), want: seal.ErrNoKey},
		"its wrap is that of another one": {change: func(s *seal.Spec) { s.Envelopes[all[0]].Wraps["prod"] = s.Envelopes[all[1]].Wraps["prod"] }, want: seal.ErrTampered},
		"it claims a key and opens nothing": {change: func(s *seal.Spec) {
			wrap := s.Envelopes[all[0]].Wraps["glass"]
			wrap.Keys = []string{w.prod.Identity.KeyID()}
			s.Envelopes[all[0]].Wraps["prod"] = wrap
		}, want: seal.ErrTampered},
		"it is no holder": {change: func(s *seal.Spec) { delete(s.Envelopes[all[0]].Wraps, "prod") }, want: seal.ErrFormat},
	} {
		t.Run(name, func(t *testing.T) {
			spec := w.spec.DeepCopy()
			if c.change != nil {
				c.change(spec)
			}
			target, own := prodDB, seal.Keys(keysOf(w.prod))
			if c.target.Name != "" {
				target = c.target
			}
			if c.own != nil {
				own = c.own
			}
			// The other holder's wrap opens the envelope in each of these cases.
			made, err := mustCheck(t, spec).OpenAndRewrap(target, keysOf(w.glass), now, all[:1], own)
			if !errors.Is(err, c.want) || made != nil {
				t.Errorf("%v, %v", made, err)
			}
		})
	}
}

func TestWrapsOfAnotherClassAreNotMadeBesideOthers(t *testing.T) {
	w := newWorld(t)
	quantum := holder("prod", hybrid(t))
	if _, err := mustCheck(t, w.spec).MakeWraps(quantum, w.spec.Referenced(), keysOf(w.prod)); !errors.Is(err, seal.ErrFormat) {
		t.Errorf("beside another holder: %v", err)
	}
	alone := mustSeal(t, strictDB, values("x", "y"), holder("prod", w.prod))
	if _, err := mustCheck(t, alone).MakeWraps(quantum, alone.Referenced(), keysOf(w.prod)); err != nil {
		t.Errorf("in the place of all there is: %v", err)
	}
}
