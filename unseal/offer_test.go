package unseal_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// rotated is a keyring whose key old has given way to now.
func rotated(t testing.TB, old, now key, state keyring.State) keyring.Part {
	t.Helper()
	part := now.part(keyring.Active)
	part.Keys = append(part.Keys, old.in(state))
	part.Set = setOf(t, now)
	return part
}

func setOf(t testing.TB, k key) statement.Recipients {
	t.Helper()
	r, err := seal.ParseRecipient(k.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	return statement.Recipients{Holder: k.holder, Set: 2, At: now(), Recipients: []seal.Recipient{r}}
}

// TestWrapsForEarlierKeysAreOffered holds what is due, and that the wraps which are made are for the present keys and open.
func TestWrapsForEarlierKeysAreOffered(t *testing.T) {
	old, next := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	o, s := written(t, old)
	in := input(o, ringOf(rotated(t, old, next, keyring.Deactivated)))
	in.Secret, in.Marks = s, unseal.Marks{Loaded: true}
	offering := unseal.DecideOffers(in)
	if !offering.Settled || len(offering.Due) != 1 || offering.Due[0].Keyring != "prod-eu" || offering.Due[0].Set.Set != 2 || !slices.Equal(offering.Due[0].Envelopes, o.Spec.Referenced()) {
		t.Fatalf("%+v", offering)
	}
	wraps, err := offering.Plan.Rewrap(target(o), offering.Due[0])
	if err != nil || len(wraps) != 1 {
		t.Fatalf("%+v, %v", wraps, err)
	}
	w := wraps[0]
	if w.Commit != o.Spec.Envelopes[w.Envelope].Commit || !slices.Equal(w.Wrap.Keys, []string{next.KeyID()}) || !slices.Equal(w.Wrap.WrappedBefore, []string{old.KeyID()}) {
		t.Errorf("%+v", w)
	}
	if _, ok := unseal.OpenedByPresentKey(in, "prod-eu", w.Envelope); ok {
		t.Error("the old key counts as a present one")
	}
	o.Spec.Envelopes[w.Envelope].Wraps["prod-eu"] = w.Wrap
	o.Generation++
	d := unseal.Decide(in)
	if d.Action != unseal.Open {
		t.Fatalf("the object that has come back: %+v", d)
	}
	contents, err := d.Plan.Open(target(o))
	if err != nil {
		t.Fatal(err)
	}
	out, kept := d.Plan.Kept(contents, o, s)
	if !kept || out.Keys[0].ID != next.KeyID() || out.Secret.Generation != o.Generation || out.Secret.ResourceVersion != s.ResourceVersion {
		t.Errorf("its Secret is written (%t): %+v", !kept, out)
	}
	if offering := unseal.DecideOffers(in); offering.Settled {
		t.Error("something is decided of an object that is to be opened")
	}
	o.Status = out.Status(o.Status, o.Generation, now())
	if offering := unseal.DecideOffers(in); !offering.Settled || len(offering.Due) != 0 {
		t.Errorf("due are %+v", offering.Due)
	}
	if use, ok := unseal.OpenedByPresentKey(in, "prod-eu", w.Envelope); !ok || use.ID != next.KeyID() {
		t.Errorf("it has not come back: %+v", use)
	}
}

// TestNothingIsOfferedOf holds each object of which nothing is.
func TestNothingIsOfferedOf(t *testing.T) {
	old, next, glass := newKey(t, "prod-eu"), newKey(t, "prod-eu"), newKey(t, "glass")
	part := func(change func(*keyring.Part)) *keyring.Ring {
		p := rotated(t, old, next, keyring.Deactivated)
		if change != nil {
			change(&p)
		}
		return ringOf(p)
	}
	for name, c := range map[string]struct {
		ring    *keyring.Ring
		change  func(*v1alpha1.GitSecret, *unseal.Input)
		waiting bool // nothing is decided, and what stands stays
	}{
		"one that is suspended":                      {change: func(o *v1alpha1.GitSecret, _ *unseal.Input) { o.Spec.Suspend = true }},
		"one of a namespace that the keyring leaves": {ring: part(func(p *keyring.Part) { p.Policy.Namespaces = []string{"other"} })},
		"one of another scope":                       {ring: part(func(p *keyring.Part) { p.Policy.Scopes = []string{"namespace"} })},
		"one that has to be signed by now":           {ring: part(func(p *keyring.Part) { p.Policy.RequireSignatures = true })},
		"one that went back": {ring: part(func(p *keyring.Part) { p.Policy.DenyRollback = true }), change: func(o *v1alpha1.GitSecret, in *unseal.Input) {
			in.Marks.Mark = unseal.Mark{Items: map[string]unseal.Seen{"user": {Newest: later}}}
		}},
		"one whose key is suspended":          {ring: ringOf(rotated(t, old, next, keyring.Suspended))},
		"one that lies in another place":      {change: func(o *v1alpha1.GitSecret, _ *unseal.Input) { o.Name = "elsewhere" }},
		"one whose mark cannot be read":       {ring: part(func(p *keyring.Part) { p.Policy.DenyRollback = true }), change: func(_ *v1alpha1.GitSecret, in *unseal.Input) { in.Marks.Loaded = false }, waiting: true},
		"one that is new":                     {change: func(o *v1alpha1.GitSecret, _ *unseal.Input) { o.Generation++ }, waiting: true},
		"one whose Secret is gone":            {change: func(_ *v1alpha1.GitSecret, in *unseal.Input) { in.Secret = nil }, waiting: true},
		"one whose keyring is being changed":  {ring: part(func(p *keyring.Part) { p.Set = statement.Recipients{} })},
		"one while the keys are being loaded": {change: func(_ *v1alpha1.GitSecret, in *unseal.Input) { in.Ring = nil }, waiting: true},
		"a holder whose key is another keyring's": {
			ring: ringOf(rotated(t, old, next, keyring.Deactivated), func() keyring.Part { p := glass.part(keyring.Active); p.Set = setOf(t, newKey(t, "glass")); return p }()),
			change: func(o *v1alpha1.GitSecret, _ *unseal.Input) {
				for _, e := range o.Spec.Envelopes {
					e.Wraps["glass"] = e.Wraps["prod-eu"]
					delete(e.Wraps, "prod-eu")
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, s := written(t, old)
			ring := c.ring
			if ring == nil {
				ring = part(nil)
			}
			in := input(o, ring)
			in.Secret, in.Marks = s, unseal.Marks{Loaded: true}
			if c.change != nil {
				c.change(o, &in)
			}
			offering := unseal.DecideOffers(in)
			if len(offering.Due) != 0 || offering.Settled == c.waiting {
				t.Errorf("settled: %t, due: %+v", offering.Settled, offering.Due)
			}
		})
	}
}

// TestNobodyBecomesAHolderByAnOffer has somebody write a wrap for a keyring beside the one that opens: with a key that this keyring has, and something else in it.
func TestNobodyBecomesAHolderByAnOffer(t *testing.T) {
	mine, theirs, next := newKey(t, "a-team"), newKey(t, "b-team"), newKey(t, "b-team")
	o, s := written(t, mine)
	other := sealed(t, strict(), theirs)
	for _, e := range o.Spec.Envelopes {
		for _, elsewhere := range other.Spec.Envelopes {
			e.Wraps["b-team"] = elsewhere.Wraps["b-team"]
		}
	}
	in := input(o, ringOf(mine.part(keyring.Active), rotated(t, theirs, next, keyring.Deactivated)))
	in.Secret, in.Marks = s, unseal.Marks{Loaded: true}
	offering := unseal.DecideOffers(in)
	if len(offering.Due) != 1 {
		t.Fatalf("due: %+v", offering.Due)
	}
	wraps, err := offering.Plan.Rewrap(target(o), offering.Due[0])
	if refusal := (*unseal.Refusal)(nil); !errors.As(err, &refusal) || refusal.Reason != unseal.Tampered || wraps != nil {
		t.Errorf("%+v, %v", wraps, err)
	}
}

// TestASecretIsKeptWhereNothingOfItHasChanged holds when an object that is opened leaves its Secret as it is.
func TestASecretIsKeptWhereNothingOfItHasChanged(t *testing.T) {
	k := newKey(t, "prod-eu")
	for name, c := range map[string]struct {
		change func(*unseal.Input)
		want   bool
	}{
		"another generation and nothing else": {func(*unseal.Input) {}, true},
		"a signature that has gone":           {func(in *unseal.Input) { in.Object.Spec.OnImmutable = seal.OnImmutableRecreate }, true},
		"another type":                        {func(in *unseal.Input) { in.Object.Spec.Type = "example.com/x" }, false},
		"a label more": {func(in *unseal.Input) {
			in.Object.Spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Labels: map[string]string{"a": "b"}}}
		}, false},
		"it outlives the object":      {func(in *unseal.Input) { in.Object.Spec.DeletionPolicy = seal.DeletionRetain }, false},
		"an item less":                {func(in *unseal.Input) { delete(in.Object.Spec.Items, "user") }, false},
		"the same value, sealed anew": {func(in *unseal.Input) { in.Object.Spec = sealed(t, strict(), k).Spec }, false},
		"a Secret that was made anew": {func(in *unseal.Input) { in.Secret.UID = "another" }, false},
		"a Secret that somebody has changed": {func(in *unseal.Input) {
			in.Secret.ResourceVersion = "78"
			in.Secret.ManagedFields = append(in.Secret.ManagedFields, entry("kubectl", "Update", `{"f:data":{"f:user":{}}}`))
		}, false},
		"a Secret that has a label of others":             {func(in *unseal.Input) { in.Secret.ResourceVersion = "78" }, true},
		"a status of before this was kept":                {func(in *unseal.Input) { in.Object.Status.Secret.Content = "" }, false},
		"there is none":                                   {func(in *unseal.Input) { in.Secret = nil }, false},
		"one that is to be taken over has no such status": {func(in *unseal.Input) { in.Object.Status.Secret = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			o, s := written(t, k)
			o.Generation++
			in := input(o, ringOf(k.part(keyring.Active)))
			in.Secret = s
			c.change(&in)
			d := unseal.Decide(in)
			if d.Action != unseal.Open {
				t.Fatalf("%+v", d)
			}
			contents, err := d.Plan.Open(target(o))
			if err != nil {
				t.Fatal(err)
			}
			if _, kept := d.Plan.Kept(contents, o, in.Secret); kept != c.want {
				t.Errorf("it is kept: %t", kept)
			}
		})
	}
}
