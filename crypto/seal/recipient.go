package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"filippo.io/age"
)

// Class is the strength of a wrap against a quantum computer (section 4).
type Class string

// The two classes; one object never mixes them.
const (
	PostQuantum Class = "postquantum"
	Classical   Class = "classical"
)

// KeyIDSize is the length of a key id in hex digits; KeyIDDisplay is how many of them are shown to people.
const (
	KeyIDSize    = 32
	KeyIDDisplay = 16
)

// KeyID is the id of a recipient string (section 4). It names a key; it is too short to be trusted in an allow-list.
func KeyID(recipient string) string {
	sum := sha256.Sum256([]byte(recipient))
	return hex.EncodeToString(sum[:])[:KeyIDSize]
}

// Recipient is a public key to seal to, in age's text form with age's implementation.
type Recipient struct {
	text  string
	age   age.Recipient
	class Class
}

// NewRecipient joins a text form with an implementation of any age recipient type, SSH keys and plugins among them.
func NewRecipient(text string, r age.Recipient, class Class) Recipient {
	return Recipient{text: text, age: r, class: class}
}

// ParseRecipient reads age1pq1… (post-quantum), age1… and waxrsa1… (classical).
func ParseRecipient(text string) (Recipient, error) {
	switch {
	case strings.HasPrefix(text, "AGE-SECRET-KEY-"):
		return Recipient{}, errors.New("this is a private key (AGE-SECRET-KEY-…): keep it out of Git and give the recipient age1… that belongs to it")
	case strings.HasPrefix(text, "age1pq1"):
		r, err := age.ParseHybridRecipient(text)
		if err != nil {
			return Recipient{}, errors.New("malformed recipient: not a post-quantum age recipient (age1pq1…)")
		}
		return Recipient{text: r.String(), age: r, class: PostQuantum}, nil
	case strings.HasPrefix(text, rsaPrefix):
		return parseRSARecipient(text)
	default:
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return Recipient{}, errors.New("malformed recipient: expected age1pq1…, age1… or waxrsa1…")
		}
		return Recipient{text: r.String(), age: r, class: Classical}, nil
	}
}

// String is the recipient in age's text form.
func (r Recipient) String() string { return r.text }

// KeyID is KeyID(r.String()).
func (r Recipient) KeyID() string { return KeyID(r.text) }

// Class of the wraps that this recipient gives.
func (r Recipient) Class() Class { return r.class }

// Holder is who can open: a keyring or a break-glass group, with the recipients that it has now.
type Holder struct {
	Name       string
	Recipients []Recipient
}

// Identity is a private key to open with. It prints as the id of its key; age's own type would print as the private key. It lies in a function for
// the reason that Value gives.
type Identity struct {
	recipient string
	age       func() age.Identity
}

// NewIdentity joins any age identity with the text of the recipient that belongs to it.
func NewIdentity(recipient string, id age.Identity) Identity {
	return Identity{recipient: recipient, age: func() age.Identity { return id }}
}

// ParseIdentity reads AGE-SECRET-KEY-PQ-1… and AGE-SECRET-KEY-1…. Its errors never quote the input.
func ParseIdentity(text string) (Identity, error) {
	if strings.HasPrefix(text, "AGE-SECRET-KEY-PQ-1") {
		id, err := age.ParseHybridIdentity(text)
		if err != nil {
			return Identity{}, errors.New("malformed identity: not a post-quantum age identity (AGE-SECRET-KEY-PQ-1…)")
		}
		return NewIdentity(id.Recipient().String(), id), nil
	}
	id, err := age.ParseX25519Identity(text)
	if err != nil {
		return Identity{}, errors.New("malformed identity: expected AGE-SECRET-KEY-PQ-1… or AGE-SECRET-KEY-1…")
	}
	return NewIdentity(id.Recipient().String(), id), nil
}

// Recipient is the text of the recipient that belongs to i.
func (i Identity) Recipient() string { return i.recipient }

// KeyID is the id of i's recipient.
func (i Identity) KeyID() string { return KeyID(i.recipient) }

// String is the key id, never the private key.
func (i Identity) String() string { return "identity " + i.KeyID() }

// Format implements fmt.Formatter for every verb.
func (i Identity) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(i.String())) }

// Keys gives the identity for a key id. Open asks it for one key at a time; implementations must be safe for the caller's own concurrency.
type Keys interface {
	Identity(keyID string) (age.Identity, bool)
}

// Identities is a fixed set of identities by key id. It prints as its key ids, except in an unexported field of something else that is printed: fmt calls no method
// there, and age's types would show the private key.
type Identities map[string]age.Identity

// NewIdentities indexes ids by their key ids.
func NewIdentities(ids ...Identity) Identities {
	m := make(Identities, len(ids))
	for _, i := range ids {
		m[i.KeyID()] = i.age()
	}
	return m
}

// Format implements fmt.Formatter for every verb.
func (m Identities) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "identities %q", slices.Sorted(maps.Keys(m)))
}

// Identity implements Keys.
func (m Identities) Identity(keyID string) (age.Identity, bool) {
	id, ok := m[keyID]
	return id, ok
}
