package forge

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const (
	domain    = "waxwing.io/seal/v1/"
	idSymbols = "0123456789abcdefghjkmnpqrstvwxyz"
)

// Envelope is a sealing operation with every part in the open. Change a part, and what is made afterwards is bound to the changed one.
type Envelope struct {
	For          seal.For
	ID, SealedAt string
	Key          []byte
}

// New is an envelope with a random key whose id has the given time.
func New(f seal.For, at time.Time) Envelope {
	return Envelope{For: f, ID: ID(at.UnixMilli()), SealedAt: at.UTC().Format("2006-01-02T15:04:05Z"), Key: Random(32)}
}

// Random is n random bytes.
func Random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// ID is a random ULID in lower case for a time in milliseconds since 1970.
func ID(ms int64) string {
	id := make([]byte, 26)
	for i := 9; i >= 0; i-- {
		id[i] = idSymbols[ms&31]
		ms >>= 5
	}
	for i, b := range Random(16) {
		id[10+i] = idSymbols[b&31]
	}
	return string(id)
}

// LP is LP(x) of section 1 for each x, one after the other.
func LP(xs ...string) []byte {
	var b []byte
	for _, x := range xs {
		b = binary.BigEndian.AppendUint32(b, uint32(len(x)))
		b = append(b, x...)
	}
	return b
}

// Info is section 5's info string.
func (e Envelope) Info(purpose, item string) []byte {
	return LP(domain+purpose, "1", e.For.Scope, e.For.Namespace, e.For.Name, e.ID, e.SealedAt, item)
}

// Derive is section 5's and 7's derivation.
func (e Envelope) Derive(info []byte) []byte {
	key, err := hkdf.Key(sha256.New, e.Key, nil, string(info), 32)
	must(err)
	return key
}

// Commit is section 5's commit in base64.
func (e Envelope) Commit() string {
	info := e.Info("commit", "")
	m := hmac.New(sha256.New, e.Derive(info))
	m.Write(info)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// Value seals bytes that are padded already, however they are.
func (e Envelope) Value(item string, padded []byte) string {
	return e.Seal(e.Info("value", item), padded)
}

// Seal is Value with any info.
func (e Envelope) Seal(info, padded []byte) string {
	block, err := aes.NewCipher(e.Derive(info))
	must(err)
	aead, err := cipher.NewGCM(block)
	must(err)
	nonce := Random(12)
	return base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, padded, info))
}

// Item is an item as a Sealer would make it.
func (e Envelope) Item(name string, value []byte) seal.Item {
	return seal.Item{Envelope: e.ID, Value: e.Value(name, Pad(value))}
}

// Envelope is the part for spec.envelopes, with the given wraps.
func (e Envelope) Envelope(wraps map[string]seal.Wrap) seal.Envelope {
	return seal.Envelope{SealedAt: e.SealedAt, Commit: e.Commit(), Wraps: wraps}
}

// PaddedLength is P(n) of section 8, the slow way: by the words of the page.
func PaddedLength(n int) int {
	step := 64
	if n > 1024 {
		e := 0
		for n>>(e+1) > 0 {
			e++
		}
		s := 1
		for e>>s > 0 {
			s++
		}
		step = 1 << (e - s)
	}
	return (n + step - 1) / step * step
}

// Pad is section 8's padding.
func Pad(value []byte) []byte { return PadTo(value, PaddedLength(4+len(value))) }

// PadTo is the same with another length in all.
func PadTo(value []byte, n int) []byte {
	b := make([]byte, n)
	binary.BigEndian.PutUint32(b, uint32(len(value)))
	copy(b[4:], value)
	return b
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// TimeOf is the sealedAt that belongs to an id.
func TimeOf(id string) string {
	var ms int64
	for _, symbol := range id[:10] {
		ms = ms<<5 | int64(strings.IndexRune(idSymbols, symbol))
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05Z")
}
