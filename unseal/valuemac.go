package unseal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// MACKeySize is the length of the key of the MACs of values, in bytes.
const MACKeySize = 32

// valueMAC begins what is put into the MACs, so that the key is of use for nothing else.
const valueMAC = "waxwing.io/value-mac/v1"

// MACKey makes the MACs by which marks tell whether a value has changed. It prints as its name.
type MACKey struct {
	name string
	key  []byte
}

// NewMACKey takes a key of MACKeySize random bytes.
func NewMACKey(key []byte) (*MACKey, error) {
	if len(key) != MACKeySize {
		return nil, errors.New("the key of the MACs of values is not one")
	}
	k := &MACKey{key: key}
	k.name = base64.RawURLEncoding.EncodeToString(k.sum([]byte("name"))[:macKeyLength*6/8])
	return k, nil
}

// Format implements fmt.Formatter for every verb, so that none prints the key.
func (k *MACKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("MAC key " + k.name)) }

// of gives the MACs of the values that the items of an object have.
func (k *MACKey) of(target seal.Target, values seal.Values) MACs {
	macs := MACs{Key: k.name, Of: make(map[string]string, len(values))}
	for item, value := range values {
		sum := k.sum([]byte("value"), []byte(target.Namespace), []byte(target.Name), []byte(item), value.Bytes())
		macs.Of[item] = base64.RawURLEncoding.EncodeToString(sum[:macLength*6/8])
	}
	return macs
}

// sum is the HMAC-SHA256 of parts, each behind its length.
func (k *MACKey) sum(parts ...[]byte) []byte {
	h := hmac.New(sha256.New, k.key)
	var length [4]byte
	for _, part := range append([][]byte{[]byte(valueMAC)}, parts...) {
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		_, _ = h.Write(length[:]) // a hash takes all
		_, _ = h.Write(part)
	}
	return h.Sum(nil)
}
