package keyring

import (
	"fmt"
	"log/slog"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Key is one sealing key. Its private half stays inside the package; a Key prints as its keyring, its id and its state.
type Key struct {
	Keyring   string
	ID        string // 32 hex digits
	Recipient string
	State     State
	Created   time.Time
	Activated time.Time // zero while PreActive
	// Since is when the key came into its present state; zero where its source does not know, as of keys of before this was kept.
	Since time.Time
	// WasClear says that the private half has lain in a Secret in the clear before the key was moved, so that backups of etcd may hold it.
	WasClear bool
	// WasCompromised says of a destroyed key that it was Compromised before: what it could have opened stays exposed.
	WasCompromised bool
	identity       age.Identity
}

// NewKey joins an identity with what is known about its key.
func NewKey(keyring string, id seal.Identity, state State, created, activated time.Time) Key {
	private, _ := seal.NewIdentities(id).Identity(id.KeyID())
	return Key{
		Keyring: keyring, ID: id.KeyID(), Recipient: id.Recipient(), State: state,
		Created: created, Activated: activated, identity: private,
	}
}

// Destroyed is k as it is once its private half is gone.
func (k Key) Destroyed(at time.Time) Key {
	k.WasCompromised = k.exposes()
	k.State, k.Since, k.identity = Destroyed, at, nil
	return k
}

// exposes says that others know the key, or knew it before it was destroyed: what it could open is known to them.
func (k Key) exposes() bool { return k.State == Compromised || k.WasCompromised }

// learned says that others know k, and that this is not known of the same key as it is elsewhere, and can be noted there.
func (k Key) learned(elsewhere Key) bool {
	return k.exposes() && !elsewhere.exposes() && Step(elsewhere.State, Compromised) == nil
}

// Display is the id as it is shown to people.
func (k Key) Display() string { return display(k.ID) }

// String is KEYRING/ID and the state.
func (k Key) String() string { return fmt.Sprintf("%s/%s %s", k.Keyring, k.Display(), k.State) }

// Format implements fmt.Formatter for every verb, so that none prints the fields.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue implements slog.LogValuer.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText implements encoding.TextMarshaler, and with it JSON and YAML encoders.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// same says whether k and o are the same in everything that a reader of a Ring can see.
func (k Key) same(o Key) bool {
	return k.Keyring == o.Keyring && k.ID == o.ID && k.State == o.State && k.WasCompromised == o.WasCompromised &&
		k.Created.Equal(o.Created) && k.Activated.Equal(o.Activated) && k.Since.Equal(o.Since)
}

// Display is a key id as it is shown to people.
func Display(id string) string { return id[:min(len(id), seal.KeyIDDisplay)] }

func display(id string) string { return Display(id) }
