package statement

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const contentsHeader = "# waxwing.io/backup-contents/v1"

var stateRE = regexp.MustCompile(`^[A-Z][A-Za-z]{1,31}$`)

// ErrNotForKey says that none of the identities is one of a backup's break-glass recipients.
var ErrNotForKey = errors.New("the backup is for other keys")

// Contents are the private halves that a backup has inside. It prints as what it is.
type Contents struct {
	private func() (signer string, identities []string)
}

// NewContents joins the signer key in C2SP form, empty where it is elsewhere, with the age identities of the keys that are inside, in the order in which the backup names them.
func NewContents(signer string, identities []string) Contents {
	return Contents{func() (string, []string) { return signer, identities }}
}

// Signer is the private half of the statement key, in C2SP form; empty where it is not inside.
func (c Contents) Signer() string { signer, _ := c.both(); return signer }

// Identities are the age identities, in the order of the keys that are inside.
func (c Contents) Identities() []string { _, ids := c.both(); return ids }

func (c Contents) both() (string, []string) {
	if c.private == nil {
		return "", nil
	}
	return c.private()
}

// String says what c is.
func (Contents) String() string { return "private keys of a backup" }

// Format implements fmt.Formatter for every verb.
func (c Contents) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// MarshalText implements encoding.TextMarshaler, and with it JSON and YAML encoders.
func (c Contents) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Text is what is encrypted: an age identity file, with what else there is in comments (docs/statements.md).
func (c Contents) Text(b Backup) string {
	signer, identities := c.both()
	var t strings.Builder
	fmt.Fprintf(&t, "%s\n# holder: %s\n# at: %s\n", contentsHeader, b.Holder, stampOf(b.At))
	if signer != "" {
		fmt.Fprintf(&t, "# statement: %s\n", signer)
	}
	for i, k := range b.inside() {
		if i < len(identities) {
			fmt.Fprintf(&t, "# public key: %s\n%s\n", k.Recipient, identities[i])
		}
	}
	return t.String()
}

// inside are the keys whose private halves are inside, in their order.
func (b Backup) inside() (keys []BackupKey) {
	for _, k := range b.Keys {
		if k.Private == Inside {
			keys = append(keys, k)
		}
	}
	return keys
}

// Lock gives b with c inside. What does not belong together is refused.
func (b Backup) Lock(c Contents) (Backup, error) {
	if err := c.fits(b); err != nil {
		return Backup{}, err
	}
	if signer, identities := c.both(); signer == "" && len(identities) == 0 {
		return b, nil
	}
	var to []age.Recipient
	for _, r := range b.BreakGlass {
		recipient, err := ageOf(r)
		if err != nil {
			return Backup{}, err
		}
		to = append(to, recipient)
	}
	var file bytes.Buffer
	w, err := age.Encrypt(&file, to...)
	if err != nil {
		return Backup{}, fmt.Errorf("encrypting a backup of %s: %w", b.Holder, err)
	}
	if _, err := io.WriteString(w, c.Text(b)); err != nil {
		return Backup{}, fmt.Errorf("encrypting a backup of %s: %w", b.Holder, err)
	}
	if err := w.Close(); err != nil {
		return Backup{}, fmt.Errorf("encrypting a backup of %s: %w", b.Holder, err)
	}
	b.Age = file.Bytes()
	return b, nil
}

// Unlock opens what is inside with the identity of one of b.BreakGlass; ErrNotForKey if keys has none of them. Errors never quote what is inside.
func (b Backup) Unlock(keys seal.Keys) (Contents, error) {
	if len(b.Age) == 0 {
		return Contents{}, errors.New("the backup has no private key inside: they cannot leave the place where they are kept")
	}
	var ids []age.Identity
	for _, r := range b.BreakGlass {
		if id, ok := keys.Identity(r.KeyID()); ok {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return Contents{}, ErrNotForKey
	}
	r, err := age.Decrypt(bytes.NewReader(b.Age), ids...)
	if err != nil {
		return Contents{}, errors.New("the age file in the backup does not open with a key that it names")
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxBackup))
	if err != nil {
		return Contents{}, errors.New("the age file in the backup is damaged")
	}
	defer clear(text)
	return ParseContents(b, string(text))
}

// ParseContents reads what was encrypted, and holds it against b: every private half has to be that of the public half that b names. Errors never quote it.
func ParseContents(b Backup, text string) (Contents, error) {
	malformed := errors.New("what is inside of the backup is malformed")
	l := &lines{text}
	if rest, ok := strings.CutPrefix(text, contentsHeader+"\n"); ok {
		l.rest = rest
	} else {
		return Contents{}, malformed
	}
	_, holder := l.next("# holder")
	_, at := l.next("# at")
	signer, _ := l.next("# statement")
	if !holder || !at {
		return Contents{}, malformed
	}
	var identities []string
	for l.rest != "" {
		_, named := l.next("# public key")
		line, after, found := strings.Cut(l.rest, "\n")
		if !named || !found {
			return Contents{}, malformed
		}
		identities, l.rest = append(identities, line), after
	}
	c := NewContents(signer, identities)
	if err := c.fits(b); err != nil {
		return Contents{}, err
	}
	if c.Text(b) != text {
		return Contents{}, malformed
	}
	return c, nil
}

// fits holds each private half against the public one in b.
func (c Contents) fits(b Backup) error {
	signer, identities := c.both()
	keys := b.inside()
	if len(keys) != len(identities) || (signer != "") != (b.StatementPrivate == Inside) {
		return errors.New("a backup has other private keys inside than it names")
	}
	for i, text := range identities {
		id, err := seal.ParseIdentity(text)
		if err != nil || id.Recipient() != keys[i].Recipient.String() {
			return fmt.Errorf("a backup has a private key inside that is not that of key %s", keys[i].Recipient.KeyID()[:seal.KeyIDDisplay])
		}
	}
	if signer == "" {
		return nil
	}
	return SignerFits(signer, b.StatementKey)
}

// SignerFits says whether a signer key is the private half of a verifier key: by what it signs, because the hash in their names is short.
func SignerFits(signerKey, verifierKey string) error {
	signer, err := NewSigner(signerKey)
	if err != nil {
		return err
	}
	verifier, err := NewVerifier(verifierKey)
	if err != nil {
		return err
	}
	const text = "waxwing.io/statement-key-proof/v1\n" // no statement begins like this
	signature, err := signer.Sign([]byte(text))
	if err != nil || signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash() || !verifier.Verify([]byte(text), signature) {
		return errors.New("the private statement key is not that of the public one")
	}
	return nil
}

// ageRecipient reads a recipient that a backup can be encrypted to.
func ageRecipient(text string) (seal.Recipient, error) {
	r, err := seal.ParseRecipient(text)
	if err != nil {
		return r, err
	}
	_, err = ageOf(r)
	return r, err
}

func ageOf(r seal.Recipient) (age.Recipient, error) {
	if strings.HasPrefix(r.String(), "age1pq1") {
		return age.ParseHybridRecipient(r.String())
	}
	return age.ParseX25519Recipient(r.String())
}
