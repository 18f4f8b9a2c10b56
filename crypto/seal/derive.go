package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

const (
	domain        = "waxwing.io/seal/v1/"
	purposeCommit = "commit"
	purposeValue  = "value"

	keySize    = 32
	nonceSize  = 12
	commitSize = sha256.Size
)

// lp appends LP(x) of section 1.
func lp(dst []byte, x string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(x)))
	return append(dst, x...)
}

// place is where an envelope stands; info binds every derivation to it (section 5).
type place struct {
	f            For
	id, sealedAt string
}

func (p place) info(purpose, item string) []byte {
	b := make([]byte, 0, 192+len(item))
	for _, x := range []string{domain + purpose, strconv.Itoa(Format), p.f.Scope, p.f.Namespace, p.f.Name, p.id, p.sealedAt, item} {
		b = lp(b, x)
	}
	return b
}

// derive is HKDF-SHA256 (RFC 5869) with an empty salt.
func derive(envelopeKey, info []byte) []byte {
	key, err := hkdf.Key(sha256.New, envelopeKey, nil, string(info), keySize)
	if err != nil {
		// Only a key length over 255 hashes is an error, and ours is constant.
		panic(err)
	}
	return key
}

// commitment is the envelope's commit (section 5).
func (p place) commitment(envelopeKey []byte) []byte {
	info := p.info(purposeCommit, "")
	m := hmac.New(sha256.New, derive(envelopeKey, info))
	m.Write(info)
	return m.Sum(nil)
}

// valueAEAD is the cipher of one item with the info that is its associated data (section 7).
func (p place) valueAEAD(envelopeKey []byte, item string) (cipher.AEAD, []byte, error) {
	info := p.info(purposeValue, item)
	block, err := aes.NewCipher(derive(envelopeKey, info))
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, info, err
}
