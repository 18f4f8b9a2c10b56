package statement

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// GenerateKey makes a statement key for a keyring: the secret signer key and the public verifier key, both in C2SP text form.
func GenerateKey(rand io.Reader, holder string) (signerKey, verifierKey string, err error) {
	if !holderRE.MatchString(holder) {
		return "", "", fmt.Errorf("%q is not a holder's name", holder)
	}
	return note.GenerateKey(rand, holder)
}

// NewSigner reads a signer key; its error never quotes the key.
func NewSigner(signerKey string) (note.Signer, error) {
	s, err := note.NewSigner(signerKey)
	if err != nil {
		return nil, errors.New("malformed statement signer key")
	}
	return s, nil
}

// NewVerifier reads a verifier key; its error never quotes a private key that was given by mistake.
func NewVerifier(verifierKey string) (note.Verifier, error) {
	if strings.HasPrefix(verifierKey, "PRIVATE+KEY+") {
		return nil, errors.New("this is the private half of a statement key (PRIVATE+KEY+…): give the public one, NAME+HASH+KEY")
	}
	v, err := note.NewVerifier(verifierKey)
	if err != nil {
		return nil, fmt.Errorf("malformed statement key %q: expected NAME+HASH+KEY", verifierKey)
	}
	return v, nil
}

// verified gives the text of a note that verifies under verifierKey, and the holder that the key is named after.
func verified(signed []byte, verifierKey string) (text, holder string, err error) {
	verifier, err := NewVerifier(verifierKey)
	if err != nil {
		return "", "", err
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return "", "", refusal(signed, verifierKey, err)
	}
	return n.Text, verifier.Name(), nil
}
