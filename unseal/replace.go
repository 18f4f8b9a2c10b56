package unseal

import (
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Reasons of events about a Secret that was deleted to be made anew.
const (
	EventRetyped   = "SecretRetyped"
	EventRecreated = "SecretRecreated"
)

// Frozen says whether a write was refused because the Secret is immutable.
func Frozen(err error) bool {
	return slices.ContainsFunc(causes(err), func(c metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeForbidden && (c.Field == "immutable" || c.Field == "data")
	})
}

// MayReplace says why the existing Secret must not be deleted to be made anew; nil if it may. frozen is whether it is immutable.
func (p *Plan) MayReplace(frozen bool) *Refusal {
	switch {
	case p.Adopts && frozen:
		return refuse(ImmutableConflict, "", "the existing Secret %s is immutable and would have to change", p.Secret.Name).hint("delete it: it cannot be taken over as it is")
	case p.Adopts:
		return refuse(TargetConflict, "", "the existing Secret %s is of another type than %s", p.Secret.Name, p.Type).hint("delete it: it cannot be taken over as it is")
	case frozen && !p.Recreates:
		return p.ImmutableRefusal()
	}
	return nil
}

// Replaces is the event about the Secret that was deleted.
func (p *Plan) Replaces(frozen bool) (reason, message string) {
	if frozen {
		return EventRecreated, "deleted the immutable Secret " + p.Secret.Name + ", which had to change, to make it anew (spec.onImmutable: " + seal.OnImmutableRecreate + ")"
	}
	return EventRetyped, "deleted the Secret " + p.Secret.Name + " to make it anew with the type " + clip(p.Type)
}

// NotCountedYet is the refusal of a Secret that a quota has no room for until it has noticed the deletion of the one before it.
func (p *Plan) NotCountedYet() *Refusal {
	return refuse(Pending, "", "the Secret %s was deleted to be made anew, and the namespace's quota still counts it", p.Secret.Name)
}

// quotaAnswer is how the admission plugin ResourceQuota refuses; nothing but the text tells it from other refusals of policy. It comes after all others, so that
// a Secret that it refuses has passed them.
var quotaAnswer = regexp.MustCompile(`exceeded quota: [^,]+, requested: ([^ ]+), used: ([^ ]+), limited: ([^ ]+)$`)

// FitsOnceDeleted says whether a Secret was refused for nothing but a quota that would have room for it if another one were deleted.
func FitsOnceDeleted(err error) bool {
	if !apierrors.IsForbidden(err) {
		return false
	}
	m := quotaAnswer.FindStringSubmatch(err.Error())
	if m == nil {
		return false
	}
	used, limited := quantities(m[2]), quantities(m[3])
	for name, most := range limited {
		have, ok := used[name]
		// One Secret goes and one comes.
		if !ok || have.Cmp(most) > 0 || !strings.HasSuffix(name, "secrets") {
			return false
		}
	}
	return len(limited) > 0
}

// quantities reads NAME=QUANTITY,…; what is none is left out.
func quantities(text string) map[string]resource.Quantity {
	all := map[string]resource.Quantity{}
	for _, pair := range strings.Split(text, ",") {
		name, number, _ := strings.Cut(pair, "=")
		if q, err := resource.ParseQuantity(number); err == nil {
			all[name] = q
		}
	}
	return all
}

// quotaExhausted says whether a Secret was refused by a quota.
func quotaExhausted(err error) bool {
	return apierrors.IsForbidden(err) && quotaAnswer.MatchString(err.Error())
}
