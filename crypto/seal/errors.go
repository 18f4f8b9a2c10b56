package seal

import (
	"errors"
	"fmt"
)

// The kinds of failure, one for each outcome word of section 9. Errors of this package wrap exactly one of them.
var (
	ErrFormat    = errors.New("InvalidFormat")
	ErrTooLarge  = errors.New("TooLarge")
	ErrScope     = errors.New("ScopeMismatch")
	ErrNoKey     = errors.New("NoMatchingKey")
	ErrTampered  = errors.New("Tampered")
	ErrSignature = errors.New("BadSignature")
)

// Error is a refusal with the place and the way out. It never carries plaintext, key material or a digest of either.
type Error struct {
	// Kind is one of the Err values of this package.
	Kind error
	// Field is the path below spec, such as "items.password.value"; empty for the whole object.
	Field string
	// Msg says what is wrong, without the field.
	Msg string
	// Hint says what the user can do about it; may be empty.
	Hint string
}

// Error joins field and message; the kind and the hint are for the caller to show.
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Msg
	}
	return "spec." + e.Field + ": " + e.Msg
}

// Unwrap gives the kind, for errors.Is.
func (e *Error) Unwrap() error { return e.Kind }

// Unusable is what an identity's Unwrap returns when the identity cannot be used at all: its passphrase is not known, or the program or device that has the key fails.
// Opening then ends with it, as it says nothing about the document: it is no outcome.
type Unusable struct{ Err error }

// Error is that of Err.
func (e *Unusable) Error() string { return e.Err.Error() }

// Unwrap gives Err.
func (e *Unusable) Unwrap() error { return e.Err }

// Outcome is the word of section 9 for an error of this package: "ok" for nil, the empty string for an error that is none of them.
func Outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for _, kind := range []error{ErrFormat, ErrTooLarge, ErrScope, ErrNoKey, ErrTampered, ErrSignature} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return ""
}

func formatErr(field, msg string, args ...any) error {
	return &Error{Kind: ErrFormat, Field: field, Msg: fmt.Sprintf(msg, args...)}
}

func tampered(field, msg string) error {
	return &Error{Kind: ErrTampered, Field: field, Msg: msg}
}
