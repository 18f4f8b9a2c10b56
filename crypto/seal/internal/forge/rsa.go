package forge

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"hash"

	"filippo.io/age"
)

// RSA4096 is a new RSA key pair (section 4.1), with what section 14 has for an identity of it.
func RSA4096() Party {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	must(err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	modulus := key.N.FillBytes(make([]byte, 512))
	sum := sha256.Sum256(append([]byte("waxwing.io/seal/v1/rsa4096"), modulus...))
	recipient := "waxrsa1" + base64.RawURLEncoding.EncodeToString(append(modulus, sum[:4]...))
	return Party{Identity: "rsa:" + base64.StdEncoding.EncodeToString(der), Recipient: recipient, Age: RSAWrap{Key: &key.PublicKey, ID: KeyID(recipient), Hash: sha256.New}}
}

// RSAWrap makes the stanza of section 4.1, or one that differs from it by hash or label.
type RSAWrap struct {
	Key   *rsa.PublicKey
	ID    string
	Hash  func() hash.Hash
	Label []byte
	// Plain, if set, is encrypted instead of the file key.
	Plain []byte
}

// Wrap implements age.Recipient.
func (r RSAWrap) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	if r.Plain != nil {
		fileKey = r.Plain
	}
	body, err := rsa.EncryptOAEP(r.Hash(), rand.Reader, r.Key, fileKey, r.Label)
	if err != nil {
		return nil, fmt.Errorf("forging an RSA stanza: %w", err)
	}
	return []*age.Stanza{{Type: "waxwing.io/rsa4096", Args: []string{r.ID}, Body: body}}, nil
}
