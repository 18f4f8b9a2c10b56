package keyring

import (
	"context"
	"errors"
	"fmt"

	"filippo.io/age"
)

// Mover is a Source whose private keys can go to another source and come from one. Like a Source it never overwrites anything and never puts a key into an error.
type Mover interface {
	Source
	// Import keeps a key of another source under its id, with its state, its dates and WasClear. What is in its place already is left as it is: Load tells what, unless a
	// *Problem does; ErrConflict says no more than that there is something. A key that is Destroyed comes without a private half.
	Import(ctx context.Context, k Key, private Private) error
	// MarkClear sets WasClear of a key, if it is still what Load gave; otherwise ErrConflict. A source that keeps private keys in the clear need not keep the mark.
	MarkClear(ctx context.Context, k Stored) error
	// Remove deletes a key for good, if it is still what Load gave; otherwise ErrConflict.
	Remove(ctx context.Context, k Stored) error
	// ExportStatement gives the private half of a statement key, if it is still what LoadStatement gave.
	ExportStatement(ctx context.Context, s *Statement) (Private, error)
	// ImportStatement keeps a statement key of another source, and its Note, as Import keeps a key. Something in its place is ErrConflict; LoadStatement tells what.
	ImportStatement(ctx context.Context, s *Statement, private Private) error
	// RemoveStatement is to the statement key what Remove is to a key.
	RemoveStatement(ctx context.Context, s *Statement) error
}

// Private is the private half of a key on its way from one source to another: the only way on which one leaves a source. It prints as what it is.
type Private struct{ text func() string }

// NewPrivate wraps an age identity, or a signer key in C2SP form.
func NewPrivate(text string) Private { return Private{func() string { return text }} }

// Text is the private key. It is for sources alone.
func (p Private) Text() string {
	if p.text == nil {
		return ""
	}
	return p.text()
}

// String says what p is.
func (Private) String() string { return "a private key" }

// Format implements fmt.Formatter for every verb.
func (p Private) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// MarshalText implements encoding.TextMarshaler, and with it JSON and YAML encoders.
func (p Private) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// export is the private half of a key that is in memory as age made it. One that is kept elsewhere cannot be had.
func (k Key) export() (Private, error) {
	switch id := k.identity.(type) {
	case *age.X25519Identity:
		return NewPrivate(id.String()), nil
	case *age.HybridIdentity:
		return NewPrivate(id.String()), nil
	}
	return Private{}, errors.New("its private half cannot leave the place where it is kept")
}
