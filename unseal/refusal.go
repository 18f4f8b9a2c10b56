package unseal

import (
	"errors"
	"fmt"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Refusal is an error with its reason, the field that it is about and a way out. It carries no value.
type Refusal struct {
	Reason Reason
	// Field is a path below spec; empty where the refusal is about the whole object or about the Secret.
	Field string
	Msg   string
	Hint  string
}

// Error is the message that status, events and the audit log show.
func (r *Refusal) Error() string {
	text := r.Msg
	if r.Field != "" {
		text = "spec." + r.Field + ": " + text
	}
	if r.Hint != "" {
		text += " (hint: " + r.Hint + ")"
	}
	return text
}

func refuse(reason Reason, field, msg string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Field: field, Msg: fmt.Sprintf(msg, args...)}
}

func (r *Refusal) hint(text string) *Refusal {
	r.Hint = text
	return r
}

// fromSeal turns an error of crypto/seal into a refusal. An error that is none of its kinds is told without its text.
func fromSeal(err error) *Refusal {
	reasons := map[string]Reason{
		seal.ErrFormat.Error():    InvalidFormat,
		seal.ErrTooLarge.Error():  TooLarge,
		seal.ErrScope.Error():     ScopeMismatch,
		seal.ErrNoKey.Error():     NoMatchingKey,
		seal.ErrTampered.Error():  Tampered,
		seal.ErrSignature.Error(): Tampered,
	}
	if unusable := (*seal.Unusable)(nil); errors.As(err, &unusable) {
		return refuse(KeySourceUnavailable, "", "the key cannot be used: %v", unusable)
	}
	var e *seal.Error
	reason, known := reasons[seal.Outcome(err)]
	if !known || !errors.As(err, &e) {
		return refuse(InvalidFormat, "", "opening failed in a way that the format does not name")
	}
	return &Refusal{Reason: reason, Field: e.Field, Msg: e.Msg, Hint: e.Hint}
}
