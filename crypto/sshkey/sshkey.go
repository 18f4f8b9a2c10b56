// Package sshkey makes recipients and identities of SSH keys (docs/format.md section 4): ssh-ed25519 and ssh-rsa, class classical, as age's agessh does the work.
//
// It guarantees that one key has one recipient text, whatever comment stands beside it, and that no error quotes its input. It reads no files and asks for no
// passphrase; other types of SSH keys can sign but not decrypt, and are refused.
package sshkey

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Errors of a private key. ErrPassphrase means a wrong passphrase.
var (
	ErrType       = errors.New("is an SSH key of a type that cannot decrypt")
	ErrMalformed  = errors.New("is not an SSH private key")
	ErrPassphrase = errors.New("wrong passphrase")
)

// Is says whether text has the form of an SSH public key. It says nothing about whether it is one.
func Is(text string) bool {
	kind, _, ok := strings.Cut(text, " ")
	return ok && (strings.HasPrefix(kind, "ssh-") || strings.HasPrefix(kind, "ecdsa-") || strings.HasPrefix(kind, "sk-"))
}

// ParseRecipient reads a public key in the form of a line of authorized_keys. Its comment is dropped; options before the key are refused.
func ParseRecipient(text string) (seal.Recipient, error) {
	if !Is(text) || strings.ContainsAny(text, "\r\n") {
		return seal.Recipient{}, errors.New("malformed recipient: expected ssh-ed25519 BASE64 or ssh-rsa BASE64")
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return seal.Recipient{}, errors.New("malformed recipient: not an SSH public key")
	}
	return recipient(key)
}

func recipient(key ssh.PublicKey) (seal.Recipient, error) {
	var r age.Recipient
	var err error
	switch key.Type() {
	case ssh.KeyAlgoED25519:
		r, err = agessh.NewEd25519Recipient(key)
	case ssh.KeyAlgoRSA:
		r, err = agessh.NewRSARecipient(key)
	default:
		return seal.Recipient{}, errors.New("SSH keys of this type can sign but not decrypt: use ssh-ed25519 or ssh-rsa")
	}
	if err != nil {
		return seal.Recipient{}, errors.New("malformed recipient: an SSH public key that cannot be sealed to (an RSA key needs 2048 bits)")
	}
	return seal.NewRecipient(text(key), r, seal.Classical), nil
}

// text is the recipient string, without comment.
func text(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// Private is an SSH private key, which may be under a passphrase.
type Private struct {
	pem       []byte
	recipient string // empty for an old PEM file under a passphrase, which does not tell
	locked    bool
}

// ParsePrivate reads an SSH private key in any form that ssh.ParseRawPrivateKey takes. The result keeps b.
func ParsePrivate(b []byte) (*Private, error) {
	k, err := ssh.ParseRawPrivateKey(b)
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing) && missing.PublicKey == nil:
		return &Private{pem: b, locked: true}, nil
	case errors.As(err, &missing):
		r, err := recipient(missing.PublicKey)
		if err != nil {
			return nil, ErrType
		}
		return &Private{pem: b, recipient: r.String(), locked: true}, nil
	case err != nil && bytes.Contains(b, []byte("-----BEGIN OPENSSH PRIVATE KEY-----")) && strings.Contains(err.Error(), "unhandled key type"):
		return nil, ErrType
	case err != nil:
		return nil, ErrMalformed
	}
	id, err := identity(k)
	if err != nil {
		return nil, err
	}
	return &Private{pem: b, recipient: id.Recipient()}, nil
}

// Locked says whether the key is under a passphrase.
func (p *Private) Locked() bool { return p.locked }

// Recipient is the text of the recipient that belongs to the key; empty where it is known only once the key is unlocked.
func (p *Private) Recipient() string { return p.recipient }

// Identity is the key to open with; passphrase is read only where the key is Locked.
func (p *Private) Identity(passphrase []byte) (seal.Identity, error) {
	parse := func() (any, error) { return ssh.ParseRawPrivateKey(p.pem) }
	if p.locked {
		parse = func() (any, error) { return ssh.ParseRawPrivateKeyWithPassphrase(p.pem, passphrase) }
	}
	k, err := parse()
	if errors.Is(err, x509.IncorrectPasswordError) {
		return seal.Identity{}, ErrPassphrase
	}
	if err != nil {
		return seal.Identity{}, ErrMalformed
	}
	id, err := identity(k)
	// What an OpenSSH file says about its public key is not encrypted.
	if err == nil && p.recipient != "" && id.Recipient() != p.recipient {
		return seal.Identity{}, errors.New("holds another private key than its public half says")
	}
	return id, err
}

func identity(k any) (seal.Identity, error) {
	var id age.Identity
	var err error
	switch k := k.(type) {
	case *ed25519.PrivateKey:
		return identity(*k)
	case ed25519.PrivateKey:
		id, err = agessh.NewEd25519Identity(k)
	case *rsa.PrivateKey:
		id, err = agessh.NewRSAIdentity(k)
	default:
		return seal.Identity{}, ErrType
	}
	if err != nil {
		return seal.Identity{}, ErrMalformed
	}
	signer, err := ssh.NewSignerFromKey(k)
	if err != nil {
		return seal.Identity{}, ErrMalformed
	}
	if _, err := recipient(signer.PublicKey()); err != nil {
		return seal.Identity{}, ErrType
	}
	return seal.NewIdentity(text(signer.PublicKey()), id), nil
}
