package sealed

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
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
func (c *Custody) Signer(ctx context.Context, name, verifierKey string, kept []byte) (note.Signer, error) {
	verifier, err := statement.NewVerifier(verifierKey)
	if err != nil {
		return nil, err
	}
	text := sealedText{string(kept), binding(purposeStatement, c.cluster, name, verifierKey)}
	if !text.wellFormed() {
		return nil, errors.New("not a ciphertext of Vault's Transit engine")
	}
	return &lazySigner{verifier, func() (note.Signer, error) { return c.openSigner(ctx, name, verifier, text) }}, nil
}

func (c *Custody) openSigner(ctx context.Context, name string, verifier note.Verifier, text sealedText) (note.Signer, error) {
	c.mu.Lock()
	known := c.signers[name]
	c.mu.Unlock()
	if known.from == text {
		return known.signer, nil
	}
	_, signer, err := c.signerKey(ctx, name, verifier, text)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signers[name] = openedSigner{text, signer}
	return signer, nil
}

// signerKey asks Vault for the private half, as text and ready to sign.
func (c *Custody) signerKey(ctx context.Context, name string, verifier note.Verifier, sealed sealedText) (text string, signer note.Signer, err error) {
	opened, err := c.transit.decrypt(ctx, []sealedText{sealed})
	if err != nil {
		return "", nil, err
	}
	problem := func(msg string) error {
		return &keyring.Problem{Where: "Secret " + c.Form().StatementSecretName(name), Msg: msg}
	}
	if opened[0].err != nil {
		return "", nil, problem(opened[0].err.Error())
	}
	text = strings.TrimSpace(string(opened[0].plain))
	signer, err = statement.NewSigner(text)
	clear(opened[0].plain)
	if err != nil {
		return "", nil, problem("has a malformed statement key in " + c.Form().DataSigner)
	}
	if signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash() {
		return "", nil, problem("has a " + c.Form().DataSigner + " of another statement key than its " + secretsource.DataVerifier)
	}
	return text, signer, nil
}
