package seal_test

import (
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

func TestKeyIDIsTheHashOfTheWholeRecipient(t *testing.T) {
	// The first 32 hex digits of SHA-256 of age's own example recipient, from sha256sum.
	const recipient, id = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj", "6a804773982840fa7eae3847079a53b0"
	if got := seal.KeyID(recipient); got != id {
		t.Errorf("got %s, want %s", got, id)
	}
	for _, p := range []forge.Party{forge.Classical(), forge.Hybrid()} {
		r, err := seal.ParseRecipient(p.Recipient)
		if err != nil {
			t.Fatal(err)
		}
		i, err := seal.ParseIdentity(p.Identity)
		if err != nil {
			t.Fatal(err)
		}
		if r.KeyID() != p.KeyID() || i.KeyID() != p.KeyID() || i.Recipient() != p.Recipient || r.String() != p.Recipient {
			t.Errorf("recipient and identity differ: %s, %s, want %s", r.KeyID(), i.KeyID(), p.KeyID())
		}
	}
}

func TestParseRecipient(t *testing.T) {
	classical, hybrid := forge.Classical(), forge.Hybrid()
	for name, c := range map[string]struct {
		text  string
		class seal.Class
		err   string
	}{
		"a classical recipient":                    {classical.Recipient, seal.Classical, ""},
		"a post-quantum recipient":                 {hybrid.Recipient, seal.PostQuantum, ""},
		"a private key":                            {classical.Identity, "", "private key"},
		"a post-quantum private key":               {hybrid.Identity, "", "private key"},
		"an empty string":                          {"", "", "malformed recipient"},
		"a recipient that is cut":                  {classical.Recipient[:60], "", "malformed recipient"},
		"a recipient with a wrong digit":           {classical.Recipient[:10] + swapLetter(classical.Recipient[10]) + classical.Recipient[11:], "", "malformed recipient"},
		"a post-quantum recipient that is cut":     {hybrid.Recipient[:100], "", "age1pq1…"},
		"a recipient with a space":                 {classical.Recipient + " ", "", "malformed recipient"},
		"an SSH key, which needs its own parser":   {"ssh-ed25519 AAAA", "", "malformed recipient"},
		"a recipient of a plugin, which needs one": {"age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "", "malformed recipient"},
	} {
		r, err := seal.ParseRecipient(c.text)
		switch {
		case c.err == "" && (err != nil || r.Class() != c.class):
			t.Errorf("%s: %v, %v", name, r.Class(), err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: %v, want an error with %q", name, err, c.err)
		case err != nil && len(c.text) > 40 && strings.Contains(err.Error(), c.text[:40]):
			t.Errorf("%s: the error quotes its input: %v", name, err)
		}
	}
}

func swapLetter(b byte) string {
	if b == 'q' {
		return "p"
	}
	return "q"
}

func TestParseIdentityNeverQuotesItsInput(t *testing.T) {
	for _, p := range []forge.Party{forge.Classical(), forge.Hybrid()} {
		for _, text := range []string{p.Identity[:len(p.Identity)-1], p.Identity + "X", strings.ToLower(p.Identity), p.Identity[:30] + swapUpper(p.Identity[30]) + p.Identity[31:], "x" + p.Identity} {
			_, err := seal.ParseIdentity(text)
			if err == nil {
				if text == strings.ToLower(p.Identity) {
					continue // Bech32 allows it.
				}
				t.Errorf("%d letters parse", len(text))
				continue
			}
			if strings.Contains(strings.ToUpper(err.Error()), p.Identity[20:40]) {
				t.Error("the error quotes the private key")
			}
		}
	}
}

func swapUpper(b byte) string { return strings.ToUpper(swapLetter(b + 'a' - 'A')) }

func TestIdentities(t *testing.T) {
	a, b := classical(t), hybrid(t)
	keys := seal.NewIdentities(a.Identity, b.Identity)
	for _, p := range []party{a, b} {
		if id, ok := keys.Identity(p.Identity.KeyID()); !ok || id == nil {
			t.Errorf("%s is not there", p.Identity.KeyID())
		}
		if _, ok := keys.Identity(p.Identity.KeyID()[:seal.KeyIDDisplay]); ok {
			t.Error("the id as it is displayed finds a key")
		}
	}
	if _, ok := keys.Identity(""); ok {
		t.Error("an empty id finds a key")
	}
}
