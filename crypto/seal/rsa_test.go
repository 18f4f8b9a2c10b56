package seal_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// rsaKeys are made once: they take seconds.
var rsaKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 4096)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// rsaParty is a key whose private half decrypts as Vault does. What it has decrypted is in asked.
func rsaParty(t testing.TB, key *rsa.PrivateKey, asked *[][]byte) party {
	t.Helper()
	r, err := seal.NewRSARecipient(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return party{Recipient: r, Identity: seal.NewRSAIdentity(r.String(), func(ciphertext []byte) ([]byte, error) {
		if asked != nil {
			*asked = append(*asked, ciphertext)
		}
		return rsa.DecryptOAEP(sha256.New(), nil, key, ciphertext, nil)
	})}
}

func TestWhatIsSealedToRSARecipientsOpens(t *testing.T) {
	keys := rsaKeys()
	var asked [][]byte
	one, two, age1 := rsaParty(t, keys[0], &asked), rsaParty(t, keys[1], &asked), classical(t)
	for name, c := range map[string]struct {
		holders []seal.Holder
		opener  party
		asks    int
	}{
		"alone":                            {[]seal.Holder{{Name: "prod", Recipients: []seal.Recipient{one.Recipient}}}, one, 1},
		"the second of two in one wrap":    {[]seal.Holder{{Name: "prod", Recipients: []seal.Recipient{one.Recipient, two.Recipient}}}, two, 1},
		"beside X25519 in one wrap":        {[]seal.Holder{{Name: "prod", Recipients: []seal.Recipient{age1.Recipient, one.Recipient}}}, one, 1},
		"X25519 beside it in one wrap":     {[]seal.Holder{{Name: "prod", Recipients: []seal.Recipient{one.Recipient, age1.Recipient}}}, age1, 0},
		"break glass, a holder of its own": {[]seal.Holder{{Name: "prod", Recipients: []seal.Recipient{one.Recipient}}, {Name: "breakglass", Recipients: []seal.Recipient{age1.Recipient}}}, age1, 0},
		"the keyring beside break glass":   {[]seal.Holder{{Name: "prod", Recipients: []seal.Recipient{one.Recipient}}, {Name: "breakglass", Recipients: []seal.Recipient{age1.Recipient}}}, one, 1},
	} {
		t.Run(name, func(t *testing.T) {
			asked = nil
			spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}, seal.Values{"a": seal.NewValue([]byte("x"))}, c.holders)
			if err != nil {
				t.Fatal(err)
			}
			checked, err := seal.Check(spec)
			if err != nil || checked.Class() != seal.Classical {
				t.Fatalf("%v", err)
			}
			ids := seal.NewIdentities(c.opener.Identity)
			before := checked.RSACiphertexts(ids)
			if len(asked) != 0 {
				t.Error("to name ciphertexts, one was decrypted")
			}
			opened, err := checked.Open(seal.Target{Namespace: "prod", Name: "db"}, ids)
			if err != nil || string(opened.Values["a"].Bytes()) != "x" {
				t.Fatalf("%v", err)
			}
			if len(asked) != c.asks || !slices.EqualFunc(before[c.opener.Identity.KeyID()], asked, bytes.Equal) {
				t.Errorf("%d were named and %d decrypted, of %d", len(before[c.opener.Identity.KeyID()]), len(asked), c.asks)
			}
		})
	}
}

func TestCiphertextsAreThoseOfTheEnvelopesThatItemsName(t *testing.T) {
	var asked [][]byte
	p := rsaParty(t, rsaKeys()[0], &asked)
	holders := []seal.Holder{{Name: "prod", Recipients: []seal.Recipient{p.Recipient}}}
	place := seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}
	spec, err := sealer().Seal(place, seal.Values{"a": seal.NewValue([]byte("x"))}, holders)
	if err != nil {
		t.Fatal(err)
	}
	for _, later := range []string{"2026-11-24T02:22:00Z", "2026-11-25T02:22:00Z"} {
		s := sealer()
		s.Now = at(later)
		more, err := s.Seal(place, seal.Values{"b": seal.NewValue([]byte("y"))}, holders)
		if err != nil {
			t.Fatal(err)
		}
		for id, e := range more.Envelopes {
			spec.Envelopes[id] = e
		}
		spec.Items["b"] = more.Items["b"] // the one before is named by no item then
	}
	checked, err := seal.Check(spec)
	if err != nil {
		t.Fatal(err)
	}
	ids := seal.NewIdentities(p.Identity)
	named := checked.RSACiphertexts(ids)[p.Identity.KeyID()]
	if _, err := checked.Open(seal.Target{Namespace: "prod", Name: "db"}, ids); err != nil {
		t.Fatal(err)
	}
	if len(spec.Envelopes) != 3 || len(asked) != 2 || !slices.EqualFunc(named, asked, bytes.Equal) {
		t.Errorf("of %d envelopes, %d ciphertexts were named and %d decrypted", len(spec.Envelopes), len(named), len(asked))
	}
	if other := checked.RSACiphertexts(seal.NewIdentities(classical(t).Identity)); len(other) != 0 {
		t.Errorf("for a key that nothing was sealed to there are %d", len(other))
	}
}

func TestRSAAndPostQuantumAreNotMixed(t *testing.T) {
	p, pq := rsaParty(t, rsaKeys()[0], nil), hybrid(t)
	for name, holders := range map[string][]seal.Holder{
		"in one wrap": {{Name: "prod", Recipients: []seal.Recipient{p.Recipient, pq.Recipient}}},
		"two holders": {{Name: "prod", Recipients: []seal.Recipient{p.Recipient}}, {Name: "breakglass", Recipients: []seal.Recipient{pq.Recipient}}},
	} {
		if _, err := sealer().Seal(seal.For{Scope: seal.ScopeCluster}, seal.Values{"a": seal.NewValue([]byte("x"))}, holders); err == nil {
			t.Errorf("%s: sealed", name)
		}
	}
}

func TestTheTextOfAnRSARecipientIsStrict(t *testing.T) {
	text := rsaParty(t, rsaKeys()[0], nil).Recipient.String()
	r, err := seal.ParseRecipient(text)
	if err != nil || r.String() != text || r.Class() != seal.Classical || r.KeyID() != seal.KeyID(text) {
		t.Fatalf("%v, %v", r, err)
	}
	if key, ok := r.RSA(); !ok || !key.Equal(&rsaKeys()[0].PublicKey) {
		t.Error("its public key is another")
	}
	if _, ok := classical(t).Recipient.RSA(); ok {
		t.Error("a recipient age1… has an RSA key")
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, "waxrsa1"))
	if err != nil {
		t.Fatal(err)
	}
	of := func(b []byte) string { return "waxrsa1" + base64.RawURLEncoding.EncodeToString(b) }
	changed := func(i int, b byte) []byte {
		c := slices.Clone(raw)
		c[i] ^= b
		return c
	}
	for name, bad := range map[string]string{
		"cut":                           text[:len(text)-1],
		"longer":                        text + "A",
		"padded":                        text + "=",
		"a line break in it":            text[:100] + "\n" + text[100:],
		"a line break after it":         text + "\n",
		"a space after it":              text + " ",
		"a wrong checksum":              of(changed(len(raw)-1, 1)),
		"another modulus":               of(changed(100, 1)),
		"only the prefix":               "waxrsa1",
		"another alphabet":              "waxrsa1" + base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 516)),
		"the prefix in upper case":      "WAXRSA1" + text[7:],
		"the next version of the kind":  "waxrsa2" + text[7:],
		"a modulus with a leading zero": of(slices.Concat([]byte{0}, raw[1:])),
	} {
		if _, err := seal.ParseRecipient(bad); err == nil || !strings.Contains(err.Error(), "malformed recipient") || strings.Contains(err.Error(), bad[:min(len(bad), 40)]) && len(bad) > 40 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyRSA4096With65537IsARecipient(t *testing.T) {
	n := rsaKeys()[0].N
	for name, key := range map[string]*rsa.PublicKey{
		"the exponent 3":           {N: n, E: 3},
		"an even modulus":          {N: new(big.Int).Add(n, big.NewInt(1)), E: 65537},
		"a modulus of 4095 bits":   {N: new(big.Int).Rsh(n, 1), E: 65537},
		"a modulus of 4097 bits":   {N: new(big.Int).Lsh(n, 1), E: 65537},
		"a modulus of 0, as it is": {N: new(big.Int), E: 65537},
	} {
		if _, err := seal.NewRSARecipient(key); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestAnRSAIdentityPassesOverWhatIsNotItsOwn(t *testing.T) {
	key := rsaKeys()[0]
	p := rsaParty(t, key, nil)
	id := p.Identity.KeyID()
	identity, _ := seal.NewIdentities(p.Identity).Identity(id)
	encrypt := func(plain, label []byte) []byte {
		body, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, plain, label)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	fileKey := []byte("0123456789abcdef")
	good := encrypt(fileKey, nil)
	if got, err := identity.Unwrap([]*age.Stanza{{Type: "X25519", Args: []string{"x"}, Body: good}, {Type: "waxwing.io/rsa4096", Args: []string{id}, Body: good}}); err != nil || !bytes.Equal(got, fileKey) {
		t.Fatalf("%v", err)
	}
	for name, s := range map[string]*age.Stanza{
		"another type":          {Type: "waxwing.io/rsa2048", Args: []string{id}, Body: good},
		"no argument":           {Type: "waxwing.io/rsa4096", Body: good},
		"two arguments":         {Type: "waxwing.io/rsa4096", Args: []string{id, "x"}, Body: good},
		"another key":           {Type: "waxwing.io/rsa4096", Args: []string{seal.KeyID("x")}, Body: good},
		"the id as it is shown": {Type: "waxwing.io/rsa4096", Args: []string{id[:16]}, Body: good},
		"a body that is cut":    {Type: "waxwing.io/rsa4096", Args: []string{id}, Body: good[:511]},
		"a body that is longer": {Type: "waxwing.io/rsa4096", Args: []string{id}, Body: append(slices.Clone(good), 0)},
	} {
		if _, err := identity.Unwrap([]*age.Stanza{s}); !errors.Is(err, age.ErrIncorrectIdentity) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, body := range map[string][]byte{
		"15 bytes": encrypt(fileKey[:15], nil), "17 bytes": encrypt(append(slices.Clone(fileKey), 0), nil), "nothing": encrypt(nil, nil), "a label": encrypt(fileKey, []byte("x")), "noise": bytes.Repeat([]byte{1}, 512),
	} {
		if got, err := identity.Unwrap([]*age.Stanza{{Type: "waxwing.io/rsa4096", Args: []string{id}, Body: body}}); err == nil || errors.Is(err, age.ErrIncorrectIdentity) || got != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRSARecipient(f *testing.F) {
	f.Add(rsaParty(f, rsaKeys()[0], nil).Recipient.String())
	f.Add("waxrsa1")
	f.Add("waxrsa1" + base64.RawURLEncoding.EncodeToString(make([]byte, 516)))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := seal.ParseRecipient(text)
		if err != nil {
			return
		}
		if key, ok := r.RSA(); ok {
			if again, err := seal.NewRSARecipient(key); err != nil || again.String() != text {
				t.Errorf("%q is read, and is not the text of its key: %v", text, err)
			}
		}
	})
}
