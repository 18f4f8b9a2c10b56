package standing

import (
	"slices"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// Keyring is what is known of a holder of the cluster.
type Keyring struct {
	// Asked says that the cluster has answered; otherwise nothing is known.
	Asked bool
	// Found says that there is a keyring of this name.
	Found bool
	// States maps the ids of its keys to their states, as v1alpha1.KeyStatus has them.
	States map[string]string
}

// NewKeyring reads what a keyring says of its keys.
func NewKeyring(k *v1alpha1.Keyring) Keyring {
	r := Keyring{Asked: true, Found: true, States: map[string]string{}}
	for _, key := range k.Status.Keys {
		r.States[key.ID] = key.State
	}
	return r
}

// The states of a key that matter here.
const (
	keyActive      = "Active"
	keyCompromised = "Compromised"
)

// Wraps says how what is sealed for a holder stands to the holder's present keys.
type Wraps string

// How the wraps stand.
const (
	WrapsCurrent     Wraps = "ok"
	WrapsRewrap      Wraps = "rewrap"      // for a key that is no longer sealed to
	WrapsCompromised Wraps = "compromised" // for a key that is compromised: the values have to be renewed
	WrapsUnknown     Wraps = "?"
	WrapsNoKeyring   Wraps = "no keyring" // neither the cluster nor the settings know the holder
)

// wraps judges one holder. people are the key ids of a holder that the settings know; nil where they do not.
func wraps(h Holder, k Keyring, people []string) Wraps {
	switch {
	case k.Found && len(k.States) == 0:
		return WrapsUnknown
	case k.Found:
		for _, id := range h.Keys {
			if k.States[id] == keyCompromised {
				return WrapsCompromised
			}
		}
		if slices.ContainsFunc(h.Keys, func(id string) bool { return k.States[id] != keyActive }) {
			return WrapsRewrap
		}
		return WrapsCurrent
	case people != nil && slices.Equal(h.Keys, people):
		return WrapsCurrent
	case people != nil:
		return WrapsRewrap
	case k.Asked:
		return WrapsNoKeyring
	}
	return WrapsUnknown
}
