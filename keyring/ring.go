package keyring

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/statement"
)

// Part is what one keyring gives to a Ring.
type Part struct {
	Keyring string
	Policy  Policy
	Keys    []Key
	// Set is the published recipient set: who to seal to now. Its Holder is empty where there is none.
	Set statement.Recipients
	// Unreadable are ids, of 16 digits, of keys that are in the source and cannot be used.
	Unreadable []string
}

// Ring is an immutable snapshot of all keyrings in memory. It is safe for concurrent use.
type Ring struct {
	keys     map[string]Key
	policies map[string]Policy
	sets     map[string]statement.Recipients
	missing  []string
	// exposing are the ids of the keys that others know, in whichever keyring that is said.
	exposing map[string]bool
	// unreadable are keyrings by the ids, of 16 digits, of keys that cannot be used.
	unreadable map[string]string
}

// NewRing joins parts, and the names of keyrings whose source could not be read yet; a part of one of these has no keys, and its policy counts all the same. A key that is in two keyrings belongs to the one whose name comes
// first, so that the answer does not depend on the order in which they were loaded; where others know it by one of them, they do.
func NewRing(parts []Part, unavailable []string) *Ring {
	r := &Ring{
		keys: map[string]Key{}, policies: map[string]Policy{}, sets: map[string]statement.Recipients{}, exposing: map[string]bool{}, unreadable: map[string]string{},
		missing: slices.Sorted(slices.Values(unavailable)),
	}
	for _, p := range slices.SortedFunc(slices.Values(parts), func(a, b Part) int { return strings.Compare(a.Keyring, b.Keyring) }) {
		r.policies[p.Keyring] = p.Policy.clone()
		if p.Set.Holder != "" {
			r.sets[p.Keyring] = p.Set
		}
		for _, id := range p.Unreadable {
			if _, taken := r.unreadable[id]; !taken {
				r.unreadable[id] = p.Keyring
			}
		}
		for _, k := range p.Keys {
			if _, taken := r.keys[k.ID]; !taken {
				r.keys[k.ID] = k
			}
			if k.exposes() {
				r.exposing[k.ID] = true
			}
		}
	}
	return r
}

// Key gives the key with this id in whatever state it is.
func (r *Ring) Key(id string) (Key, bool) { k, ok := r.keys[id]; return k, ok }

// Policy gives what a keyring opens.
func (r *Ring) Policy(keyring string) (Policy, bool) { p, ok := r.policies[keyring]; return p, ok }

// Current gives the recipient set of a keyring, to whom to seal now; ok is false where there is none, as in the middle of a rotation or of a start.
func (r *Ring) Current(keyring string) (set statement.Recipients, ok bool) {
	set, ok = r.sets[keyring]
	return set, ok
}

// Unavailable lists the keyrings whose source could not be read: a key that is not in the ring may be in one of them.
func (r *Ring) Unavailable() []string { return slices.Clone(r.missing) }

// Unreadable gives the keyring whose source has the key with this id, but not in a form that can be used.
func (r *Ring) Unreadable(id string) (keyring string, ok bool) {
	if _, usable := r.keys[id]; usable {
		return "", false
	}
	keyring, ok = r.unreadable[display(id)]
	return keyring, ok
}

// Identity implements seal.Keys for the keys whose state lets them open.
func (r *Ring) Identity(id string) (age.Identity, bool) {
	k, ok := r.keys[id]
	if !ok || !k.State.Opens() || k.identity == nil {
		return nil, false
	}
	return k.identity, true
}

// equal says whether a reader can tell r from o.
func (r *Ring) equal(o *Ring) bool {
	if r == nil || o == nil || len(r.keys) != len(o.keys) || len(r.policies) != len(o.policies) || !slices.Equal(r.missing, o.missing) || !maps.Equal(r.unreadable, o.unreadable) || !maps.Equal(r.exposing, o.exposing) {
		return r == o
	}
	for id, k := range r.keys {
		if other, ok := o.keys[id]; !ok || !k.same(other) {
			return false
		}
	}
	for name, p := range r.policies {
		if other, ok := o.policies[name]; !ok || !p.equal(other) || r.sets[name].Text() != o.sets[name].Text() {
			return false
		}
	}
	return true
}

// Live holds the present Ring. The zero value holds none.
type Live struct{ p atomic.Pointer[Ring] }

// Load gives the present ring; nil until a Manager knows of the first keyring. A keyring that was not loaded yet is among the ring's Unavailable.
func (l *Live) Load() *Ring { return l.p.Load() }

// Store replaces the ring.
func (l *Live) Store(r *Ring) { l.p.Store(r) }
