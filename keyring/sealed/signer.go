package sealed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/statement"
)

// lazySigner is a statement key that is decrypted when it first signs.
type lazySigner struct {
	note.Verifier
	open func() (note.Signer, error)
}

// Sign implements note.Signer.
func (s *lazySigner) Sign(msg []byte) ([]byte, error) {
	signer, err := s.open()
	if err != nil {
		return nil, err
	}
	return signer.Sign(msg)
}

// Signer implements secretsource.Custody. What it gives signs as long as ctx lasts.
func (c *Custody) Signer(ctx context.Context, keyring, verifierKey string, kept []byte) (note.Signer, error) {
	verifier, err := statement.NewVerifier(verifierKey)
	if err != nil {
		return nil, err
	}
	text := sealedText{string(kept), binding(purposeStatement, c.cluster, keyring, verifierKey)}
	if !text.wellFormed() {
		return nil, errors.New("not a ciphertext of Vault's Transit engine")
	}
	return &lazySigner{verifier, func() (note.Signer, error) { return c.openSigner(ctx, keyring, verifier, text) }}, nil
}

func (c *Custody) openSigner(ctx context.Context, keyring string, verifier note.Verifier, text sealedText) (note.Signer, error) {
	c.mu.Lock()
	known := c.signers[keyring]
	c.mu.Unlock()
	if known.from == text {
		return known.signer, nil
	}
	opened, err := c.transit.decrypt(ctx, []sealedText{text})
	if err != nil {
		return nil, err
	}
	if opened[0].err != nil {
		return nil, fmt.Errorf("Secret %s %w", c.Form().StatementSecretName(keyring), opened[0].err)
	}
	signer, err := statement.NewSigner(strings.TrimSpace(string(opened[0].plain)))
	clear(opened[0].plain)
	if err != nil {
		return nil, fmt.Errorf("Secret %s has a malformed statement key in %s", c.Form().StatementSecretName(keyring), c.Form().DataSigner)
	}
	if signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash() {
		return nil, fmt.Errorf("Secret %s has a %s of another statement key than its verifier", c.Form().StatementSecretName(keyring), c.Form().DataSigner)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signers[keyring] = openedSigner{text, signer}
	return signer, nil
}
