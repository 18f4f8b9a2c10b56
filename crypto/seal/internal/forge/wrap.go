package forge

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Party is a key pair of age. Identity is empty for parties that never open.
type Party struct {
	Identity, Recipient string
	Age                 age.Recipient
}

// Classical is a new X25519 key pair.
func Classical() Party {
	id, err := age.GenerateX25519Identity()
	must(err)
	return Party{Identity: id.String(), Recipient: id.Recipient().String(), Age: id.Recipient()}
}

// Hybrid is a new post-quantum key pair.
func Hybrid() Party {
	id, err := age.GenerateHybridIdentity()
	must(err)
	return Party{Identity: id.String(), Recipient: id.Recipient().String(), Age: id.Recipient()}
}

// KeyID is section 4's key id.
func (p Party) KeyID() string { return KeyID(p.Recipient) }

// KeyID is section 4's key id of a recipient string.
func KeyID(recipient string) string {
	sum := sha256.Sum256([]byte(recipient))
	return hex.EncodeToString(sum[:16])
}

// KeyIDs are the ids of parties, in their order.
func KeyIDs(parties ...Party) []string {
	var ids []string
	for _, p := range parties {
		ids = append(ids, p.KeyID())
	}
	return ids
}

// WrapPlain is section 6's plaintext of a wrap.
func (e Envelope) WrapPlain(keys ...string) []byte {
	sum := sha256.Sum256(LP(keys...))
	return bytes.Join([][]byte{[]byte(domain + "wrap"), e.Key, sum[:]}, nil)
}

// Wrap is a sound wrap for parties.
func (e Envelope) Wrap(parties ...Party) seal.Wrap {
	ids := KeyIDs(parties...)
	return seal.Wrap{Keys: ids, Age: Age(e.WrapPlain(ids...), parties...)}
}

// Wraps is the usual map with one holder, prod.
func (e Envelope) Wraps(parties ...Party) map[string]seal.Wrap {
	return map[string]seal.Wrap{"prod": e.Wrap(parties...)}
}

// Age is an armored age file with any plaintext.
func Age(plain []byte, parties ...Party) string {
	to := make([]age.Recipient, len(parties))
	for i, p := range parties {
		to[i] = p.Age
	}
	var raw bytes.Buffer
	w, err := age.Encrypt(&raw, to...)
	must(err)
	_, err = w.Write(plain)
	must(err)
	must(w.Close())
	return Armor(raw.Bytes())
}

// Armor is age's armor.
func Armor(raw []byte) string {
	var out strings.Builder
	w := armor.NewWriter(&out)
	_, err := w.Write(raw)
	must(err)
	must(w.Close())
	return out.String()
}

// Unarmor is the age file inside sound armor.
func Unarmor(armored string) []byte {
	raw, err := io.ReadAll(armor.NewReader(strings.NewReader(armored)))
	must(err)
	return raw
}

// Stanza is a party that only leaves a stanza in the header. Labels are age's, which keep classes apart: {"postquantum"} stands beside hybrid keys.
func Stanza(kind string, args []string, body []byte, labels ...string) Party {
	return Party{Recipient: "stanza " + kind, Age: stanza{&age.Stanza{Type: kind, Args: args, Body: body}, labels}}
}

type stanza struct {
	*age.Stanza
	labels []string
}

func (s stanza) Wrap([]byte) ([]*age.Stanza, error) { return []*age.Stanza{s.Stanza}, nil }

func (s stanza) WrapWithLabels([]byte) ([]*age.Stanza, []string, error) {
	return []*age.Stanza{s.Stanza}, s.labels, nil
}

// Bent is p with a stanza that change has bent after p's key was wrapped; the header's MAC covers the bent one.
func (p Party) Bent(change func(*age.Stanza)) Party {
	p.Age = bent{p.Age, change}
	return p
}

type bent struct {
	age.Recipient
	change func(*age.Stanza)
}

func (b bent) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	stanzas, err := b.Recipient.Wrap(fileKey)
	if err != nil {
		return nil, fmt.Errorf("bending a stanza: %w", err)
	}
	for _, s := range stanzas {
		b.change(s)
	}
	return stanzas, nil
}
