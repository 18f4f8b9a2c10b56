package secretsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// Custody has the private halves of keys; a Source keeps everything else of them. What a Custody keeps in a Secret is opaque to the Source. Errors never quote a key; a
// *keyring.Problem is for a person to mend, any other is tried again. Implementations are safe for concurrent use.
type Custody interface {
	Form() Form
	// NewKey makes a sealing key. After an error it may exist all the same, and nothing refers to it.
	NewKey(ctx context.Context, keyring string, class seal.Class) (recipient string, kept []byte, err error)
	// Identities gives the private keys of all that is held, in its order, with as few requests as it can. An error is about all of them.
	Identities(ctx context.Context, keyring string, held []Held) ([]Found, error)
	// NewSigner makes a statement key and gives its verifier key, and Signer its private half. Signer makes no request; what it gives may.
	NewSigner(ctx context.Context, keyring string) (verifierKey string, kept []byte, err error)
	Signer(ctx context.Context, keyring, verifierKey string, kept []byte) (note.Signer, error)
}

// Held is a key as a Secret has it. Nothing of it is proved.
type Held struct {
	ID, Recipient string
	Kept          []byte
}

// Found is a private key, or why it cannot be used: a part of a sentence that begins with the Secret's name.
type Found struct {
	Identity seal.Identity
	Err      error
}

// clearKeys is a Custody that has private keys in the Secrets as they are.
type clearKeys struct{ rand io.Reader }

func (clearKeys) Form() Form { return ClearForm() }

// NewKey implements Custody.
func (clearKeys) NewKey(_ context.Context, _ string, class seal.Class) (recipient string, kept []byte, err error) {
	id, text, err := Generate(class)
	if err != nil {
		return "", nil, err
	}
	return id.Recipient(), IdentityFile(id, text), nil
}

// IdentityFile is an age identity file, as age-keygen writes it, for the private key text of id.
func IdentityFile(id seal.Identity, text string) []byte {
	return []byte("# public key: " + id.Recipient() + "\n" + text + "\n")
}

// Generate gives a new private key, and its text.
func Generate(class seal.Class) (id seal.Identity, text string, err error) {
	if text, err = generate(class); err != nil {
		return seal.Identity{}, "", fmt.Errorf("making a key: %w", err)
	}
	if id, err = seal.ParseIdentity(text); err != nil {
		return seal.Identity{}, "", errors.New("making a key: what was made cannot be read")
	}
	return id, text, nil
}

func generate(class seal.Class) (string, error) {
	if class == seal.Classical {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return "", err
		}
		return id.String(), nil
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", err
	}
	return id.String(), nil
}

// Identities implements Custody.
func (c clearKeys) Identities(_ context.Context, _ string, held []Held) ([]Found, error) {
	found := make([]Found, len(held))
	for i, h := range held {
		found[i].Identity, found[i].Err = ReadIdentityFile(h.Kept, DataIdentity)
	}
	return found, nil
}

// ReadIdentityFile reads an age identity file with exactly one identity, from the place what of a Secret.
func ReadIdentityFile(file []byte, what string) (seal.Identity, error) {
	var found []string
	for line := range strings.Lines(string(file)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			found = append(found, line)
		}
	}
	if len(found) != 1 {
		return seal.Identity{}, fmt.Errorf("has %d identities in %s, not one", len(found), what)
	}
	id, err := seal.ParseIdentity(found[0])
	if err != nil {
		return seal.Identity{}, fmt.Errorf("has a malformed identity in %s", what)
	}
	return id, nil
}

// NewSigner implements Custody.
func (c clearKeys) NewSigner(_ context.Context, keyring string) (verifierKey string, kept []byte, err error) {
	signer, verifier, err := statement.GenerateKey(c.rand, keyring)
	if err != nil {
		return "", nil, fmt.Errorf("making a statement key: %w", err)
	}
	return verifier, []byte(signer + "\n"), nil
}

// Signer implements Custody.
func (clearKeys) Signer(_ context.Context, _, _ string, kept []byte) (note.Signer, error) {
	signer, err := statement.NewSigner(strings.TrimSpace(string(kept)))
	if err != nil {
		return nil, errors.New("not a statement key")
	}
	return signer, nil
}
