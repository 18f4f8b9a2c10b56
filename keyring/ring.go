package keyring

import (
	"sync/atomic"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// State of a key, after NIST SP 800-57 part 1 section 7.
type State string

// The states; a key is sealed to only while Active.
const (
	PreActive   State = "PreActive"
	Active      State = "Active"
	Suspended   State = "Suspended"
	Deactivated State = "Deactivated"
	Compromised State = "Compromised"
	Destroyed   State = "Destroyed"
)

// Opens says whether a key in this state may open what was sealed to it.
func (s State) Opens() bool {
	return s == Active || s == Deactivated || s == Compromised
}

// Key is one sealing key. Its private half stays inside the package and prints never.
type Key struct {
	Keyring   string
	ID        string // 32 hex digits
	Recipient string
	State     State
	Created   time.Time
	Activated time.Time // zero while PreActive
	identity  age.Identity
}

// Policy is what a keyring opens.
type Policy struct {
	Namespaces []string // names, or patterns with *
	Scopes     []string // strict, namespace, cluster, match
}

// Allows says whether the keyring opens objects with f in namespace.
func (p Policy) Allows(namespace string, f seal.For) (namespaceOK, scopeOK bool) {
	panic("written by the keyring package")
}

// Ring is an immutable snapshot of all keyrings in memory. It is safe for concurrent use.
type Ring struct {
	keys     map[string]Key
	policies map[string]Policy
	missing  []string
}

// Key gives the key with this id in whatever state it is.
func (r *Ring) Key(id string) (Key, bool) { k, ok := r.keys[id]; return k, ok }

// Policy gives what a keyring opens.
func (r *Ring) Policy(keyring string) (Policy, bool) { p, ok := r.policies[keyring]; return p, ok }

// Unavailable lists the keyrings whose source could not be read: a key that is not in the ring may be in one of them.
func (r *Ring) Unavailable() []string { return r.missing }

// Identity implements seal.Keys for the keys whose state lets them open.
func (r *Ring) Identity(id string) (age.Identity, bool) {
	k, ok := r.keys[id]
	return k.identity, ok && k.State.Opens() && k.identity != nil
}

// Live holds the present Ring. The zero value holds none.
type Live struct{ p atomic.Pointer[Ring] }

// Load gives the present ring; nil until the first keyring was loaded.
func (l *Live) Load() *Ring { return l.p.Load() }

// Store replaces the ring.
func (l *Live) Store(r *Ring) { l.p.Store(r) }
