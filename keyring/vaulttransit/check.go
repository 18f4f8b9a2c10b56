package vaulttransit

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// Types of Transit keys.
const (
	typeRSA     = "rsa-4096"
	typeEd25519 = "ed25519"
)

// Ways out that several faults have.
const (
	snapshot = "restore a snapshot of Vault that has it"
	anew     = "that cannot be taken back: open what was sealed to it with break glass, and seal it again for another key"
)

// fault is why a Transit key cannot be used: a part of a sentence that begins with its name.
type fault struct {
	msg  string
	gone bool // Vault does not have it
}

func (f *fault) Error() string { return f.msg }

// Is has a key that Vault does not have be secretsource.ErrGone.
func (f *fault) Is(target error) bool { return f.gone && target == secretsource.ErrGone }

// described is what Vault says of a Transit key.
type described struct {
	Type                 string `json:"type"`
	Exportable           bool   `json:"exportable"`
	AllowPlaintextBackup bool   `json:"allow_plaintext_backup"`
	Imported             bool   `json:"imported_key"`
	Derived              bool   `json:"derived"`
	MinDecryptionVersion int    `json:"min_decryption_version"`
	Keys                 map[string]json.RawMessage
}

// describe asks for a key and refuses one whose private half may be elsewhere than in Vault, or which is of another type.
func (c *Custody) describe(ctx context.Context, name, kind string) (*described, error) {
	answer, err := c.cfg.Vault.Read(ctx, c.path("keys", name))
	if err := c.note(ctx, answer, err); err != nil {
		if v := (*vault.Error)(nil); errors.As(err, &v) && v.Kind == vault.Missing && !noMount(v) {
			return nil, &fault{msg: "Vault does not have: " + snapshot + ", or open what was sealed to it with break glass and seal it again", gone: true}
		}
		return nil, err
	}
	d := &described{}
	if json.Unmarshal(answer.Data, d) != nil {
		return nil, &fault{msg: "Vault describes in a way that is not Transit's"}
	}
	return d, d.check(name, kind, c.cfg.Mount)
}

func (d *described) check(name, kind, mount string) error {
	switch {
	case d.Type != kind:
		return &fault{msg: fmt.Sprintf("is of type %s, not %s: it was not made by Waxwing", d.Type, kind)}
	case d.Exportable:
		return &fault{msg: "is exportable, so its private half may be elsewhere than in Vault; " + anew}
	case d.AllowPlaintextBackup:
		return &fault{msg: "allows backups in the clear (allow_plaintext_backup), so its private half may be elsewhere than in Vault; " + anew}
	case d.Imported:
		return &fault{msg: "was imported, so its private half is elsewhere than in Vault too; " + anew}
	case d.Derived:
		return &fault{msg: "is derived: it was not made by Waxwing"}
	case d.MinDecryptionVersion > 1:
		return &fault{msg: fmt.Sprintf("has its first version, the one that was sealed to, disabled (min_decryption_version is %d): vault write %s/keys/%s/config min_decryption_version=1", d.MinDecryptionVersion, mount, name)}
	case d.Keys["1"] == nil:
		return &fault{msg: "has lost its first version, the one that was sealed to: " + snapshot}
	}
	return nil
}

// publicKey is the public half of version 1, the only one that is used: a key that somebody rotates in Vault goes on opening.
func (d *described) publicKey() (string, error) {
	var version struct {
		PublicKey string `json:"public_key"`
	}
	if json.Unmarshal(d.Keys["1"], &version) != nil || version.PublicKey == "" {
		return "", &fault{msg: "Vault describes without its public half"}
	}
	return version.PublicKey, nil
}

// read gives the recipient of a sealing key that is as it must be. What is wrong with the key is a *fault.
func (c *Custody) read(ctx context.Context, name string) (recipient string, err error) {
	d, err := c.describe(ctx, name, typeRSA)
	if err != nil {
		return "", err
	}
	text, err := d.publicKey()
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "", &fault{msg: "has a public half that is not PEM"}
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok {
		return "", &fault{msg: "has a public half that is no RSA key"}
	}
	r, err := seal.NewRSARecipient(key)
	if err != nil {
		return "", &fault{msg: "has a public half that is " + err.Error()}
	}
	return r.String(), nil
}
