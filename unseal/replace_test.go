package unseal_test

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

func TestFitsOnceDeleted(t *testing.T) {
	forbid := func(text string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "db", errors.New(text))
	}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"a quota that is exactly full":       {quota("5", "5"), true},
		"a quota that was lowered since":     {quota("6", "5"), false},
		"numbers with a suffix":              {quota("1k", "1k"), true},
		"numbers that are none":              {quota("x", "y"), false},
		"two limits, one of them lowered":    {forbid("exceeded quota: q, requested: count/secrets=1,secrets=1, used: count/secrets=5,secrets=6, limited: count/secrets=5,secrets=5"), false},
		"two limits that are exactly full":   {forbid("exceeded quota: q, requested: count/secrets=1,secrets=1, used: count/secrets=5,secrets=5, limited: count/secrets=5,secrets=5"), true},
		"a quota of something else":          {forbid("exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5"), false},
		"a webhook that talks of quotas":     {forbid("exceeded quota: none of these"), false},
		"the text in an answer of no policy": {errors.New(quota("5", "5").Error()), false},
		"no error":                           {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := unseal.FitsOnceDeleted(c.err); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestMayReplace(t *testing.T) {
	k := newKey(t, "prod-eu")
	for name, c := range map[string]struct {
		on            string
		adopts        bool
		frozen        bool
		want          unseal.Reason
		saysThatEvent string
	}{
		"another type":                                {"", false, false, "", unseal.EventRetyped},
		"an immutable Secret":                         {"", false, true, unseal.ImmutableConflict, ""},
		"an immutable Secret, refused in words":       {seal.OnImmutableRefuse, false, true, unseal.ImmutableConflict, ""},
		"an immutable Secret that may be made anew":   {seal.OnImmutableRecreate, false, true, "", unseal.EventRecreated},
		"another type of a Secret of somebody else":   {seal.OnImmutableRecreate, true, false, unseal.TargetConflict, ""},
		"an immutable Secret that is somebody else's": {seal.OnImmutableRecreate, true, true, unseal.ImmutableConflict, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := sealed(t, strict(), k)
			o.Spec.OnImmutable = c.on
			plan := unseal.Decide(input(o, ringOf(k.part(keyring.Active)))).Plan
			plan.Adopts = c.adopts
			r := plan.MayReplace(c.frozen)
			if r != nil {
				if r.Reason != c.want {
					t.Errorf("got %s", r.Error())
				}
				return
			}
			if reason, message := plan.Replaces(c.frozen); c.want != "" || reason != c.saysThatEvent || !strings.Contains(message, "Secret db") {
				t.Errorf("it may be replaced: %s %s", reason, message)
			}
		})
	}
}
