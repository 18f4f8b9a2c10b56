package vaulttransit

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

const statementPrefix = "statement-"

// NewSigner implements secretsource.Custody.
func (c *Custody) NewSigner(ctx context.Context, holder string) (verifierKey string, kept []byte, err error) {
	name, err := c.make(ctx, statementPrefix, typeEd25519)
	if err != nil {
		return "", nil, err
	}
	d, err := c.describe(ctx, name, typeEd25519)
	if err == nil {
		verifierKey, err = d.verifierKey(holder)
	}
	if problem := (*fault)(nil); errors.As(err, &problem) {
		return "", nil, &keyring.Problem{Where: c.where(name), Msg: problem.msg}
	}
	if err == nil {
		c.made(statementPrefix)
	}
	return verifierKey, []byte(name + "\n"), err
}

// verifierKey is the public half in C2SP form.
func (d *described) verifierKey(holder string) (string, error) {
	text, err := d.publicKey()
	if err != nil {
		return "", err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return "", &fault{msg: "has a public half that is no Ed25519 key"}
	}
	return note.NewEd25519VerifierKey(holder, key)
}

// Signer implements secretsource.Custody. It signs as long as ctx lasts.
func (c *Custody) Signer(ctx context.Context, holder, verifierKey string, kept []byte) (note.Signer, error) {
	name, err := c.named(kept)
	if err != nil {
		return nil, errors.New("names no Transit key of this keyring")
	}
	verifier, err := statement.NewVerifier(verifierKey)
	if err != nil {
		return nil, errors.New("not a statement key")
	}
	return &signer{Verifier: verifier, ctx: ctx, custody: c, name: name}, nil
}

// signer implements note.Signer. Its interface has no room for a context.
type signer struct {
	note.Verifier
	ctx     context.Context
	custody *Custody
	name    string
}

// Sign has Vault sign, and holds the signature against the public half that everybody else holds it against.
func (s *signer) Sign(msg []byte) ([]byte, error) {
	c := s.custody
	if _, err := c.describe(s.ctx, s.name, typeEd25519); err != nil {
		return nil, s.explain(err)
	}
	answer, err := c.cfg.Vault.Write(s.ctx, c.path("sign", s.name), map[string]any{"input": base64.StdEncoding.EncodeToString(msg), "key_version": 1})
	if err := c.note(s.ctx, answer, err); err != nil {
		return nil, c.problem(err)
	}
	var signed struct {
		Signature string `json:"signature"`
	}
	if json.Unmarshal(answer.Data, &signed) != nil {
		return nil, errors.New("signing with Vault: the answer is none of Transit's")
	}
	text, ok := strings.CutPrefix(signed.Signature, version1)
	signature, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !ok || !s.Verify(msg, signature) {
		return nil, &keyring.Problem{Where: c.where(s.name), Msg: "does not sign as the statement key that the keyring has published: " + snapshot}
	}
	return signature, nil
}

func (s *signer) explain(err error) error {
	if problem := (*fault)(nil); errors.As(err, &problem) {
		return &keyring.Problem{Where: s.custody.where(s.name), Msg: "the statement key: " + problem.msg}
	}
	return fmt.Errorf("asking for the statement key: %w", s.custody.problem(err))
}
