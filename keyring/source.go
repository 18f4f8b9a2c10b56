package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// ErrConflict is the error of a source when somebody else was faster: the caller reads again and decides anew.
var ErrConflict = errors.New("somebody else has changed it in between")

// Problem is something in a source that a person has to put right. It names the place, such as a Secret, and never its content.
type Problem struct {
	Where, Msg string
	// KeyID is the id of the key that cannot be used, of 16 digits at least; empty where it is not known.
	KeyID string
}

// Error implements error.
func (p *Problem) Error() string { return p.Where + " " + p.Msg }

// Stored is a key as its source holds it.
type Stored struct {
	Key
	// Where names the place for people, such as "Secret waxwing-key-default-3f2a77aa3f2a77aa".
	Where string
	// Version is the source's own, for compare-and-set.
	Version string
	// Buried says that a destruction has begun and has not come to its end: the key is there, and once its private half is gone, however that may be, it counts as destroyed.
	Buried bool
}

// Statement is the record of a keyring that its source keeps beside the keys.
type Statement struct {
	Keyring     string
	VerifierKey string
	Signer      note.Signer
	// Note is the signed note of the present recipient set; empty before the first. It is signed once and kept, so that a number never stands for two sets.
	Note []byte
	// Claim is the id of the key that is about to become active. Only one controller can set it, so only one key is activated.
	Claim string
	// Where and Version are as in Stored.
	Where, Version string
}

// Set reads the note under the statement's own key; nil before the first set.
func (s *Statement) Set() (*statement.Recipients, error) {
	if len(s.Note) == 0 {
		return nil, nil
	}
	r, err := statement.OpenRecipients(s.Note, s.VerifierKey)
	if err != nil {
		return nil, &Problem{Where: s.Where, Msg: "holds a recipient set that cannot be used: " + err.Error()}
	}
	return &r, nil
}

// KeyStore keeps sealing keys. Implementations are safe for concurrent use, never overwrite a key, and never put one into an error.
type KeyStore interface {
	// Load reads all keys of a keyring. A key that cannot be used is in faults and hinders no other; err is about the source as a whole.
	Load(ctx context.Context, keyring string) (keys []Stored, faults []Problem, err error)
	// Create makes a new key, PreActive, and gives its id. After an error the key may exist all the same; Load tells.
	Create(ctx context.Context, keyring string, class seal.Class) (id string, err error)
	// SetState moves k to another state, and notes when, if k is still what Load gave; otherwise ErrConflict. To Destroyed, it deletes the private half for good; what
	// is left (id, recipient, dates) Load gives as a key without an identity. A crash in the middle leaves the key as it was, or gone altogether, or destroyed.
	SetState(ctx context.Context, k Stored, to State, at time.Time) error
	// Unbury takes back what a destruction of k has left that has not come to its end, if k is still what Load gave; otherwise ErrConflict. The key is missing then if it goes.
	Unbury(ctx context.Context, k Stored) error
}

// StatementStore keeps one Statement for each keyring, under the same rules as KeyStore.
type StatementStore interface {
	// LoadStatement gives nil without an error where there is none. A *Problem says that there is something else in its place, or that it cannot be read.
	LoadStatement(ctx context.Context, keyring string) (*Statement, error)
	// CreateStatement makes a statement key without a recipient set; ErrConflict if something is in its place.
	CreateStatement(ctx context.Context, keyring string) error
	// SaveStatement stores Note and Claim, if s is still what LoadStatement gave; otherwise ErrConflict.
	SaveStatement(ctx context.Context, s *Statement) error
}

// Source is where the keys of a keyring live.
type Source interface {
	KeyStore
	StatementStore
}

// SourceFunc opens a source that a Keyring names, spec.source or spec.moveFrom; for the same text it gives the same Source, with what that keeps in memory. It gives nil
// without an error where this controller has no such source, and a *Problem where a person has to act.
type SourceFunc func(ctx context.Context, keyring string, spec v1alpha1.KeySource) (Source, error)

// ClearSecrets is a SourceFunc that has private keys in the clear in Secrets and nothing else.
func ClearSecrets(src Source) SourceFunc {
	return func(_ context.Context, _ string, spec v1alpha1.KeySource) (Source, error) {
		if spec.Secret == nil || spec.Secret.EncryptedBy != nil {
			return nil, nil
		}
		return src, nil
	}
}

// usable parts the keys of a keyring of the given class from those that do not belong in it.
func usable(class seal.Class, stored []Stored, faults []Problem) ([]Stored, []Problem) {
	seen := map[string]string{}
	var keys []Stored
	for _, k := range stored {
		r, err := seal.ParseRecipient(k.Recipient)
		switch {
		case err != nil || r.KeyID() != k.ID:
			faults = append(faults, Problem{Where: k.Where, Msg: "has a recipient that is not its own", KeyID: k.ID})
		case r.Class() != class:
			faults = append(faults, Problem{Where: k.Where, Msg: fmt.Sprintf("is of class %s in a keyring of class %s", r.Class(), class), KeyID: k.ID})
		case seen[k.ID] != "":
			faults = append(faults, Problem{Where: k.Where, Msg: "holds the same key as " + seen[k.ID], KeyID: k.ID})
		default:
			seen[k.ID] = k.Where
			keys = append(keys, k)
		}
	}
	return keys, faults
}

// describe joins problems into one text, the first few by name.
func describe(problems []Problem) string {
	const most = 3
	texts := make([]string, 0, most)
	for _, p := range problems[:min(most, len(problems))] {
		texts = append(texts, p.Error())
	}
	text := strings.Join(texts, "; ")
	if more := len(problems) - most; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
