package seal

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const (
	wrapTag = domain + "wrap"
	// wrapPlainSize is the plaintext of a wrap: tag, envelope key, digest of keys (section 6).
	wrapPlainSize = len(wrapTag) + keySize + sha256.Size
	// wrapPayloadSize is age's payload for it: a 16-byte nonce and one chunk with a 16-byte tag.
	wrapPayloadSize = 16 + wrapPlainSize + 16
	maxArmor        = 32 << 10
)

// wrapPlain is the plaintext of a wrap.
func wrapPlain(envelopeKey []byte, keys []string) []byte {
	b := make([]byte, 0, wrapPlainSize)
	b = append(b, wrapTag...)
	b = append(b, envelopeKey...)
	sum := keysDigest(keys)
	return append(b, sum[:]...)
}

func keysDigest(keys []string) [sha256.Size]byte {
	var b []byte
	for _, k := range keys {
		b = lp(b, k)
	}
	return sha256.Sum256(b)
}

// newWrap encrypts the envelope key to all of h's recipients in one age.Encrypt call, so that age's own guard against mixed classes sees them together.
func newWrap(envelopeKey []byte, h Holder) (Wrap, error) {
	w := Wrap{Keys: make([]string, len(h.Recipients))}
	to := make([]age.Recipient, len(h.Recipients))
	for i, r := range h.Recipients {
		w.Keys[i], to[i] = r.KeyID(), r.age
	}
	var out strings.Builder
	armored := armor.NewWriter(&out)
	enc, err := age.Encrypt(armored, to...)
	if err != nil {
		return Wrap{}, fmt.Errorf("wrapping for %s: %w", h.Name, err)
	}
	plain := wrapPlain(envelopeKey, w.Keys)
	defer clear(plain)
	if _, err := enc.Write(plain); err != nil {
		return Wrap{}, fmt.Errorf("wrapping for %s: %w", h.Name, err)
	}
	if err := errors.Join(enc.Close(), armored.Close()); err != nil {
		return Wrap{}, fmt.Errorf("wrapping for %s: %w", h.Name, err)
	}
	w.Age = out.String()
	return w, nil
}

// ageFile is a wrap's age file after the checks that need no key.
type ageFile struct {
	raw   []byte
	class Class
}

// parseAge checks armor, stanzas and length of a wrap's age file (section 6).
func parseAge(field, armored string, stanzas int) (ageFile, error) {
	if len(armored) > maxArmor {
		return ageFile{}, formatErr(field, "is longer than 32 KiB")
	}
	raw, ok := dearmor(armored)
	if !ok {
		return ageFile{}, formatErr(field, "is not an age file in canonical armor")
	}
	header, err := age.ExtractHeader(bytes.NewReader(raw))
	if err != nil {
		return ageFile{}, formatErr(field, "is not an age file")
	}
	if len(raw)-len(header) != wrapPayloadSize {
		return ageFile{}, formatErr(field, "holds a payload of another length than an envelope key has")
	}
	n, class, err := stanzaClass(field, header)
	if err != nil {
		return ageFile{}, err
	}
	if n != stanzas {
		return ageFile{}, formatErr(field, "has %d stanzas for %d keys", n, stanzas)
	}
	return ageFile{raw: raw, class: class}, nil
}

// dearmor gives the file that armor.NewWriter makes armored of: lines of 64 characters between header and footer. It takes nothing else, unlike age, which passes over white space.
func dearmor(armored string) ([]byte, bool) {
	const columns = 64
	rest, begins := strings.CutPrefix(armored, armor.Header+"\n")
	rest, ends := strings.CutSuffix(rest, armor.Footer+"\n")
	if !begins || !ends {
		return nil, false
	}
	text := make([]byte, 0, len(rest))
	for rest != "" {
		line, after, ok := strings.Cut(rest, "\n")
		if !ok || line == "" || len(line) > columns || (len(line) < columns && after != "") || strings.Contains(line, "\r") {
			return nil, false
		}
		text, rest = append(text, line...), after
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(raw, text)
	return raw[:n], err == nil
}

// stanzaClass counts the stanzas of an age header and finds their class by type (section 4).
func stanzaClass(field string, header []byte) (n int, class Class, err error) {
	for line := range strings.Lines(string(header)) {
		args, ok := strings.CutPrefix(line, "-> ")
		if !ok {
			continue
		}
		kind, _, _ := strings.Cut(strings.TrimSuffix(args, "\n"), " ")
		c := Classical
		switch kind {
		case "mlkem768x25519", "mlkem768p256tag":
			c = PostQuantum
		case "scrypt":
			return 0, "", formatErr(field, "is encrypted to a passphrase")
		}
		if n > 0 && c != class {
			return 0, "", formatErr(field, "mixes post-quantum and classical recipients")
		}
		n, class = n+1, c
	}
	return n, class, nil
}

// unwrap opens a wrap with one identity and gives the envelope key; any failure is ErrTampered (section 9, step 4), but for an identity that cannot be used.
func unwrap(field string, file ageFile, keys []string, id age.Identity) ([]byte, error) {
	// Not age.Decrypt, whose buffers of 128 KiB are made for long files.
	r, size, err := age.DecryptReaderAt(bytes.NewReader(file.raw), int64(len(file.raw)), id)
	var unusable *Unusable
	if errors.As(err, &unusable) {
		return nil, unusable
	}
	if err != nil {
		return nil, tampered(field, "does not open with the key that it names")
	}
	plain := make([]byte, wrapPlainSize)
	defer clear(plain)
	if n, err := r.ReadAt(plain, 0); size != int64(wrapPlainSize) || n != wrapPlainSize || (err != nil && !errors.Is(err, io.EOF)) {
		return nil, tampered(field, "does not hold an envelope key")
	}
	key := bytes.Clone(plain[len(wrapTag) : len(wrapTag)+keySize])
	want := wrapPlain(key, keys)
	defer clear(want)
	if subtle.ConstantTimeCompare(want, plain) != 1 {
		return nil, tampered(field, "was made for other keys than it names")
	}
	return key, nil
}
