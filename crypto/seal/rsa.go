package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"filippo.io/age"
)

// RSA recipients (section 4.1) are for keys whose private half stays in a place that knows RSA and not age, such as Vault's Transit engine.
const (
	rsaPrefix = "waxrsa1"
	// rsaStanza is the type of the stanza; its one argument is the key id.
	rsaStanza   = "waxwing.io/rsa4096"
	rsaBytes    = 512
	rsaExponent = 65537
	rsaCheck    = 4
	fileKeySize = 16 // of age
)

// rsaRecipient implements age.Recipient by RSA-OAEP with SHA-256 for both hashes and an empty label (RFC 8017, section 7.1).
type rsaRecipient struct {
	key rsa.PublicKey
	id  string
}

// NewRSARecipient is the recipient of a public key of 4096 bits with the exponent 65537.
func NewRSARecipient(key *rsa.PublicKey) (Recipient, error) {
	if key.N.BitLen() != 8*rsaBytes || key.E != rsaExponent || key.N.Bit(0) == 0 {
		return Recipient{}, errors.New("not an RSA key of 4096 bits with the exponent 65537")
	}
	modulus := key.N.FillBytes(make([]byte, rsaBytes))
	text := rsaPrefix + base64.RawURLEncoding.EncodeToString(append(modulus, rsaChecksum(modulus)...))
	return Recipient{text: text, age: &rsaRecipient{*key, KeyID(text)}, class: Classical}, nil
}

// RSA gives the public key of a recipient waxrsa1….
func (r Recipient) RSA() (key *rsa.PublicKey, ok bool) {
	a, ok := r.age.(*rsaRecipient)
	if !ok {
		return nil, false
	}
	public := a.key
	return &public, true
}

func parseRSARecipient(text string) (Recipient, error) {
	malformed := errors.New("malformed recipient: not an RSA-4096 recipient (waxrsa1…)")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(text, rsaPrefix))
	if err != nil || len(raw) != rsaBytes+rsaCheck {
		return Recipient{}, malformed
	}
	r, err := NewRSARecipient(&rsa.PublicKey{N: new(big.Int).SetBytes(raw[:rsaBytes]), E: rsaExponent})
	if err != nil || r.text != text { // the checksum, or line breaks that the decoder passes over
		return Recipient{}, malformed
	}
	return r, nil
}

// rsaChecksum finds mistakes of people; nothing relies on it against anybody.
func rsaChecksum(modulus []byte) []byte {
	sum := sha256.Sum256(append([]byte(domain+"rsa4096"), modulus...))
	return sum[:rsaCheck]
}

// Wrap implements age.Recipient.
func (r *rsaRecipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	body, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &r.key, fileKey, nil)
	if err != nil {
		return nil, fmt.Errorf("encrypting with RSA: %w", err)
	}
	return []*age.Stanza{{Type: rsaStanza, Args: []string{r.id}, Body: body}}, nil
}

// rsaIdentity implements age.Identity.
type rsaIdentity struct {
	id      string
	decrypt func(ciphertext []byte) ([]byte, error)
}

// NewRSAIdentity is the identity of a recipient waxrsa1… whose private half is behind decrypt: RSA-OAEP with SHA-256 and an empty label. decrypt is given 512 bytes. It
// returns an *Unusable where it could not ask, and any other error where the ciphertext is none for this key.
func NewRSAIdentity(recipient string, decrypt func(ciphertext []byte) ([]byte, error)) Identity {
	return NewIdentity(recipient, &rsaIdentity{KeyID(recipient), decrypt})
}

// Unwrap implements age.Identity.
func (i *rsaIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if !i.meant(s) {
			continue
		}
		fileKey, err := i.decrypt(s.Body)
		if err != nil {
			return nil, err
		}
		if len(fileKey) != fileKeySize {
			return nil, errors.New("an RSA stanza does not hold a file key")
		}
		return fileKey, nil
	}
	return nil, age.ErrIncorrectIdentity
}

func (i *rsaIdentity) meant(s *age.Stanza) bool {
	return s.Type == rsaStanza && len(s.Args) == 1 && s.Args[0] == i.id && len(s.Body) == rsaBytes
}

// RSACiphertexts are what Open will have decrypted by the identity of a recipient waxrsa1…, by key id: for each envelope that an item names, of the wrap that is used with
// keys, in byte order of the envelopes; nil for one whose wrap has no such stanza. Whoever decrypts many at a time asks for them first.
func (c *Checked) RSACiphertexts(keys Keys) map[string][][]byte {
	found := map[string][][]byte{}
	for _, id := range c.spec.Referenced() {
		holder, keyID, ok := c.chosen(id, keys)
		if !ok {
			continue
		}
		found[keyID] = append(found[keyID], rsaBody(c.envelopes[id].wraps[holder].raw, keyID))
	}
	maps.DeleteFunc(found, func(_ string, bodies [][]byte) bool {
		return !slices.ContainsFunc(bodies, func(body []byte) bool { return body != nil })
	})
	return found
}

// rsaBody is the ciphertext of the stanza for a key in the age file raw; nil if there is none. age's own parser finds it, and an identity that opens nothing sees it.
func rsaBody(raw []byte, keyID string) []byte {
	var body []byte
	look := &rsaIdentity{keyID, func(ciphertext []byte) ([]byte, error) {
		body = ciphertext
		return nil, age.ErrIncorrectIdentity
	}}
	_, _ = age.Decrypt(bytes.NewReader(raw), look)
	return body
}
