package sealed

import (
	"context"
	"errors"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

var _ secretsource.Carrier = (*Custody)(nil)

// Keep implements secretsource.Carrier.
func (c *Custody) Keep(ctx context.Context, name, recipient string, private keyring.Private) ([]byte, error) {
	id, err := seal.ParseIdentity(private.Text())
	if err != nil || id.Recipient() != recipient {
		return nil, errors.New("a private key that is to be kept does not belong to its recipient")
	}
	return c.Seal(ctx, name, id, private.Text())
}

// KeepSigner implements secretsource.Carrier.
func (c *Custody) KeepSigner(ctx context.Context, name, verifierKey string, private keyring.Private) ([]byte, error) {
	return c.SealSigner(ctx, name, verifierKey, private.Text())
}

// SignerKey implements secretsource.Carrier.
func (c *Custody) SignerKey(ctx context.Context, name, verifierKey string, kept []byte) (keyring.Private, error) {
	verifier, err := statement.NewVerifier(verifierKey)
	if err != nil {
		return keyring.Private{}, err
	}
	text, _, err := c.signerKey(ctx, name, verifier, sealedText{string(kept), binding(purposeStatement, c.cluster, name, verifierKey)})
	if err != nil {
		return keyring.Private{}, err
	}
	return keyring.NewPrivate(text), nil
}
