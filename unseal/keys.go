package unseal

import (
	"maps"
	"slices"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

// obstacle is why a key cannot open an envelope. Of several, the lowest is told: it is the closest to opening, or the most certain.
type obstacle int

const (
	none obstacle = iota
	holderAway
	keyUnreadable
	keySuspended
	scopeDenied
	namespaceDenied
	keyDestroyed
	someSourceAway
	keyUnknown
)

// permits gives the identities that may open one object: those of keyrings that allow its namespace and scope, in a state that opens. A key that may not
// is passed over as if it were not there, so that another holder's wrap can still do.
type permits struct {
	ring      *keyring.Ring
	namespace string
	scope     seal.For
	// only is the keyring whose keys alone count; empty: all do.
	only string
}

// Identity implements seal.Keys.
func (p permits) Identity(id string) (age.Identity, bool) {
	if p.obstacle("", id) != none {
		return nil, false
	}
	return p.ring.Identity(id)
}

// obstacle of the key that stands in holder's wrap.
func (p permits) obstacle(holder, id string) obstacle {
	key, known := p.ring.Key(id)
	if p.only != "" && key.Keyring != p.only {
		return keyUnknown
	}
	if !known {
		if _, damaged := p.ring.Unreadable(id); damaged {
			return keyUnreadable
		}
		switch away := p.ring.Unavailable(); {
		case slices.Contains(away, holder):
			return holderAway
		case len(away) > 0:
			return someSourceAway
		}
		return keyUnknown
	}
	policy, _ := p.ring.Policy(key.Keyring)
	namespaceOK, scopeOK := policy.Allows(p.namespace, p.scope)
	_, opens := p.ring.Identity(id)
	switch {
	case !namespaceOK:
		return namespaceDenied
	case !scopeOK:
		return scopeDenied
	case opens:
		return none
	case key.State == keyring.Destroyed:
		return keyDestroyed
	case key.State == keyring.Suspended:
		return keySuspended
	}
	return holderAway
}

// checkKeys finds the key for each envelope, as opening will: by holder, then in the order of the wrap (section 9 of docs/format.md).
func checkKeys(in *Input, p *Plan) *Refusal {
	o := in.Object
	p.Items = slices.Sorted(maps.Keys(o.Spec.Items))
	if in.Ring == nil {
		return refuse(Pending, "", "the keys are being loaded")
	}
	p.permits = permits{ring: in.Ring, namespace: o.Namespace, scope: o.Spec.For}
	var r *Refusal
	p.Keys, r = p.permits.all(o)
	return r
}

// all finds the key for each envelope.
func (p permits) all(o *v1alpha1.GitSecret) (uses []v1alpha1.KeyUse, r *Refusal) {
	for _, id := range o.Spec.Referenced() {
		use, r := p.choose(o.Spec.Envelopes[id], id)
		if r != nil {
			return uses, r
		}
		uses = append(uses, use)
	}
	return uses, nil
}

func (p permits) choose(e seal.Envelope, envelope string) (v1alpha1.KeyUse, *Refusal) {
	least, which, nearest := keyUnknown+1, "", ""
	for _, holder := range slices.Sorted(maps.Keys(e.Wraps)) {
		for _, id := range e.Wraps[holder].Keys {
			met := p.obstacle(holder, id)
			if met == none {
				key, _ := p.ring.Key(id)
				return v1alpha1.KeyUse{Keyring: key.Keyring, ID: id, Envelope: envelope}, nil
			}
			if met < least {
				least, which, nearest = met, holder+"/"+id[:seal.KeyIDDisplay], id
			}
		}
	}
	if ring, damaged := p.ring.Unreadable(nearest); damaged {
		return v1alpha1.KeyUse{}, refuse(KeySourceUnavailable, "envelopes."+envelope, "the source of keyring %s has the key %s, but not in a form that can be read", ring, which).
			hint("kubectl describe keyring " + ring)
	}
	return v1alpha1.KeyUse{}, p.explain(least, "envelopes."+envelope, which)
}

func (p permits) explain(o obstacle, field, which string) *Refusal {
	switch o {
	case holderAway, someSourceAway:
		return refuse(KeySourceUnavailable, field, "%s is not in memory, and the source of keyrings %q cannot be read", which, p.ring.Unavailable())
	case keySuspended:
		return refuse(PolicyDenied, field, "the key %s is suspended", which)
	case scopeDenied:
		return refuse(PolicyDenied, field, "the keyring of %s does not open the scope %s", which, p.scope.Scope).
			hint("see spec.scopes of the Keyring, or seal with another --scope")
	case namespaceDenied:
		return refuse(NamespaceNotAllowed, field, "the keyring of %s does not open objects of namespace %s", which, p.namespace).
			hint("see spec.namespaces of the Keyring")
	case keyDestroyed:
		return refuse(KeyDestroyed, field, "the key %s has been destroyed", which).
			hint("seal the values again for the present recipients, or restore the key from a backup")
	}
	return refuse(NoMatchingKey, field, "no keyring has a key for it; it was sealed for %s", which).
		hint("seal it again for the recipients of this cluster: seal keys fetch")
}

// Woken says whether an object with this status has to be looked at because the keyrings have changed to ring: its reason depends on the keys, or a key that
// has opened it may not open it any more. Sources that are being read, and ones that are away, concern nobody: the Secret is as it was.
func Woken(o *v1alpha1.GitSecret, status v1alpha1.GitSecretStatus, ring *keyring.Ring) bool {
	reason := ReasonOf(status)
	if reason != Unsealed || ring == nil {
		return reason.WokenByKeys()
	}
	p := permits{ring: ring, namespace: o.Namespace, scope: o.Spec.For}
	return slices.ContainsFunc(status.Keys, func(u v1alpha1.KeyUse) bool {
		met := p.obstacle(u.Keyring, u.ID)
		return met != none && met != holderAway && met != someSourceAway
	})
}
