package unseal_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

func TestEnvelopesThatNothingIsRememberedOfAreUnmet(t *testing.T) {
	const e1, e2, e3, e4 = "01kb8zv3rg0000000000000001", "01kb8zv3rg0000000000000002", "01kb8zv3rg0000000000000003", "01kb8zv3rg0000000000000004"
	items := func(envelopes ...string) *seal.Spec {
		s := &seal.Spec{Items: map[string]seal.Item{}}
		for i, e := range envelopes {
			s.Items[string(rune('a'+i))] = seal.Item{Envelope: e}
		}
		return s
	}
	for name, c := range map[string]struct {
		mark unseal.Mark
		spec *seal.Spec
		want []string
	}{
		"nothing is remembered":                 {unseal.Mark{}, items(e2, e1, e2), []string{e1, e2}},
		"all was opened":                        {unseal.Mark{Items: map[string]unseal.Seen{"a": {Newest: e2}, "b": {Newest: e1}}}, items(e2, e1), nil},
		"one is newer":                          {unseal.Mark{Items: map[string]unseal.Seen{"a": {Newest: e2}}}, items(e3), []string{e3}},
		"another item has it":                   {unseal.Mark{Items: map[string]unseal.Seen{"a": {Newest: e2}, "b": {Newest: e1}}}, items(e1, e2, e1), nil},
		"one was let go back to":                {unseal.Mark{Items: map[string]unseal.Seen{"a": {Newest: e3, Accepted: e1}}}, items(e1), nil},
		"one is older and was not":              {unseal.Mark{Items: map[string]unseal.Seen{"a": {Newest: e3}}}, items(e1), []string{e1}},
		"the item was forgotten for room":       {unseal.Mark{Floor: e2}, items(e1, e2, e3), []string{e3}},
		"the item is remembered beside a floor": {unseal.Mark{Floor: e4, Items: map[string]unseal.Seen{"a": {Newest: e3}}}, items(e2), []string{e2}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.mark.Unmet(c.spec)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecideTellsWhatIsNewAndWhoHasSigned(t *testing.T) {
	mine, by := newKey(t, "prod-eu"), sshKey(t)
	o := sealed(t, strict(), mine)
	sign(t, o, by)
	ring := ringOf(mine.part(keyring.Active))
	opens, refused := input(o, ring), input(o, ringOf(newKey(t, "prod-eu").part(keyring.Active)))
	for name, in := range map[string]unseal.Input{"opened": opens, "refused": refused} {
		d := unseal.Decide(in)
		if d.Signer != ssh.FingerprintSHA256(by.PublicKey()) || !cmp.Equal(d.Unmet, []string{only(o)}) {
			t.Errorf("%s: %q, %v", name, d.Signer, d.Unmet)
		}
	}
	known := opens
	known.Marks.Mark = unseal.Mark{Items: all(o, only(o))}
	if d := unseal.Decide(known); len(d.Unmet) != 0 {
		t.Errorf("met before: %v", d.Unmet)
	}
	forged := o.DeepCopy()
	forged.Spec.Type = "example.com/other"
	if d := unseal.Decide(input(forged, ring)); d.Action != unseal.Report || d.Outcome.Reason != unseal.Tampered || d.Signer != "" {
		t.Errorf("a signature that does not hold: %+v, signer %q", d.Outcome, d.Signer)
	}
	broken := o.DeepCopy()
	broken.Spec.Items = map[string]seal.Item{"password": {Envelope: "not-an-envelope", Value: "AAAA"}}
	if d := unseal.Decide(input(broken, ring)); d.Outcome.Reason != unseal.InvalidFormat || len(d.Unmet) != 0 {
		t.Errorf("names in an object that is none: %+v, %v", d.Outcome, d.Unmet)
	}
}

func TestWhatWasWrittenBeforeIsRepaired(t *testing.T) {
	mine, next := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	for name, c := range map[string]struct {
		change func(*unseal.Input)
		want   bool
	}{
		"the Secret is gone":      {func(in *unseal.Input) { in.Secret = nil }, true},
		"the Secret was changed":  {func(in *unseal.Input) { in.Secret.ResourceVersion, in.Secret.ManagedFields = "78", nil }, true},
		"the Secret is another":   {func(in *unseal.Input) { in.Secret.UID = "other" }, true},
		"the object was changed":  {func(in *unseal.Input) { in.Object.Generation++ }, false},
		"nothing was written yet": {func(in *unseal.Input) { in.Secret, in.Object.Status = nil, v1alpha1.GitSecretStatus{} }, false},
		"another key opens it":    {func(in *unseal.Input) { in.Object.Status.Keys[0].ID, in.Secret = next.KeyID(), nil }, false},
		"a Secret is taken over": {func(in *unseal.Input) {
			in.Secret.OwnerReferences, in.Secret.UID, in.Secret.Annotations = nil, "other", map[string]string{v1alpha1.AnnotationAdopt: "true"}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o, s := written(t, mine)
			in := input(o, ringOf(mine.part(keyring.Active)))
			in.Secret = s
			c.change(&in)
			d := unseal.Decide(in)
			if d.Action != unseal.Open || d.Plan.Repairs != c.want {
				t.Errorf("%s; repairs: %v", d.Action, d.Plan != nil && d.Plan.Repairs)
			}
		})
	}
}
