package unseal_test

import (
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestWokenByChangedKeyrings holds that an object is looked at when a change of the keyrings can concern it, and no other is.
func TestWokenByChangedKeyrings(t *testing.T) {
	mine, other := newKey(t, "prod-eu"), newKey(t, "prod-us")
	opened := v1alpha1.GitSecretStatus{Keys: []v1alpha1.KeyUse{{Keyring: "prod-eu", ID: mine.KeyID(), Envelope: "e"}}}
	is := func(r unseal.Reason) v1alpha1.GitSecretStatus {
		return unseal.Outcome{Reason: r}.Status(opened, 3, now())
	}
	unsealed := unseal.Outcome{Reason: unseal.Unsealed, Keys: opened.Keys, Secret: &v1alpha1.SecretRef{}}.Status(opened, 3, now())
	narrow := mine.part(keyring.Active)
	narrow.Policy.Namespaces = []string{"dev"}
	scopes := mine.part(keyring.Active)
	scopes.Policy.Scopes = []string{"cluster"}
	damaged := keyring.Part{Keyring: "prod-eu", Policy: mine.part(keyring.Active).Policy, Unreadable: []string{mine.KeyID()[:16]}}
	for name, c := range map[string]struct {
		status v1alpha1.GitSecretStatus
		ring   *keyring.Ring
		want   bool
	}{
		"its key is as it was":                   {unsealed, ringOf(mine.part(keyring.Active)), false},
		"its key opens only from now on":         {unsealed, ringOf(mine.part(keyring.Deactivated)), false},
		"another keyring has come":               {unsealed, ringOf(mine.part(keyring.Active), other.part(keyring.Active)), false},
		"its key is suspended":                   {unsealed, ringOf(mine.part(keyring.Suspended)), true},
		"its key is destroyed":                   {unsealed, ringOf(mine.part(keyring.Destroyed)), true},
		"its key cannot be read any more":        {unsealed, ringOf(damaged), true},
		"its namespace is not allowed any more":  {unsealed, ringOf(narrow), true},
		"its scope is not allowed any more":      {unsealed, ringOf(scopes), true},
		"its keyring is gone":                    {unsealed, ringOf(other.part(keyring.Active)), true},
		"its keyring is still to be read":        {unsealed, keyring.NewRing(nil, []string{"prod-eu"}), false},
		"another keyring is still to be read":    {unsealed, keyring.NewRing(nil, []string{"prod-us"}), false},
		"no keys at all are there yet":           {unsealed, nil, false},
		"it waits for a key":                     {is(unseal.NoMatchingKey), ringOf(other.part(keyring.Active)), true},
		"it waits, and no keys are there yet":    {is(unseal.NoMatchingKey), nil, true},
		"it is suspended":                        {is(unseal.Suspended), ringOf(), false},
		"it was changed after sealing":           {is(unseal.Tampered), ringOf(), false},
		"nothing is known of it":                 {v1alpha1.GitSecretStatus{}, ringOf(mine.part(keyring.Active)), true},
		"it has no items, so no key opened them": {unseal.Outcome{Reason: unseal.Unsealed}.Status(v1alpha1.GitSecretStatus{}, 3, now()), ringOf(), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := unseal.Woken(sealed(t, strict(), mine), c.status, c.ring); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// TestADamagedKeyIsNotOneThatNobodyHas holds that a key which the source has, but not in a usable form, is told apart from one that is not there.
func TestADamagedKeyIsNotOneThatNobodyHas(t *testing.T) {
	mine, other := newKey(t, "prod-eu"), newKey(t, "breakglass")
	damaged := keyring.Part{Keyring: "prod-eu", Policy: mine.part(keyring.Active).Policy, Unreadable: []string{mine.KeyID()[:16]}}
	d := unseal.Decide(input(sealed(t, strict(), mine), ringOf(damaged)))
	if d.Outcome.Reason != unseal.KeySourceUnavailable || !strings.Contains(d.Outcome.Message, "keyring prod-eu") || !strings.Contains(d.Outcome.Message, "kubectl describe keyring prod-eu") {
		t.Errorf("%s: %s", d.Outcome.Reason, d.Outcome.Message)
	}
	if d := unseal.Decide(input(sealed(t, strict(), mine, other), ringOf(damaged, other.part(keyring.Active)))); d.Action != unseal.Open {
		t.Errorf("another holder's key opens: %s: %s", d.Outcome.Reason, d.Outcome.Message)
	}
	damaged.Unreadable = []string{other.KeyID()[:16]}
	if d := unseal.Decide(input(sealed(t, strict(), mine), ringOf(damaged))); d.Outcome.Reason != unseal.NoMatchingKey {
		t.Errorf("another damaged key: %s", d.Outcome.Reason)
	}
}

func TestObjectsWithoutRoomForAStatusAreNotOpened(t *testing.T) {
	k := newKey(t, "prod-eu")
	for name, c := range map[string]struct {
		change func(*unseal.Input)
		want   unseal.Reason
	}{
		"an object that was not measured":       {func(*unseal.Input) {}, ""},
		"an object with room":                   {func(in *unseal.Input) { in.Stored = seal.MaxDocument - 8<<10 }, ""},
		"an object of nearly the limit":         {func(in *unseal.Input) { in.Stored = seal.MaxDocument - 1<<10 }, unseal.TooLarge},
		"one whose status was refused":          {func(in *unseal.Input) { in.NoRoom = true }, unseal.TooLarge},
		"one that is suspended needs room, too": {func(in *unseal.Input) { in.NoRoom, in.Object.Spec.Suspend = true, true }, unseal.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(sealed(t, strict(), k), ringOf(k.part(keyring.Active)))
			c.change(&in)
			d := unseal.Decide(in)
			if d.Outcome.Reason != c.want || (c.want == "") != (d.Action == unseal.Open) {
				t.Errorf("%s %s", d.Action, d.Outcome.Reason)
			}
			if len(d.Outcome.Message) > 64 {
				t.Errorf("the message takes %d bytes where there are none", len(d.Outcome.Message))
			}
		})
	}
}

// TestASuspendedObjectIsSettled holds, by kstatus' rules, that nobody waits for an object that is suspended: its generation was seen, it is Ready, and neither
// Reconciling nor Stalled is there.
func TestASuspendedObjectIsSettled(t *testing.T) {
	k := newKey(t, "prod-eu")
	in := input(sealed(t, strict(), k), ringOf(k.part(keyring.Active)))
	in.Object.Spec.Suspend = true
	for says, secret := range map[string]bool{"no Secret": false, "the existing Secret stays": true} {
		if in.Secret = nil; secret {
			in.Secret = ours(in.Object)
		}
		out := unseal.Decide(in).Outcome
		s := out.Status(in.Object.Status, in.Object.Generation, now())
		if s.ObservedGeneration != in.Object.Generation || len(s.Conditions) != 1 || s.Conditions[0].Type != "Ready" || s.Conditions[0].Status != "True" || s.Conditions[0].Reason != "Suspended" {
			t.Errorf("%+v", s)
		}
		if !strings.Contains(out.Message, says) {
			t.Errorf("it says %q", out.Message)
		}
	}
}
