package unseal_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

func sshKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, o *v1alpha1.GitSecret, by ssh.Signer) {
	t.Helper()
	checked, err := seal.Check(&o.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := checked.Sign(o.Annotations, by, rand.Reader); err != nil {
		t.Fatal(err)
	}
}

// spec of a keyring's rules: "required", "deny", and names of signers.
func spec(signers map[string]ssh.Signer, words ...string) *v1alpha1.KeyringSpec {
	s := &v1alpha1.KeyringSpec{Namespaces: []string{"*"}, Scopes: []string{"strict"}}
	for _, w := range words {
		switch w {
		case "required":
			s.Signatures = v1alpha1.SignaturesRequired
		case "deny":
			s.Rollback = v1alpha1.RollbackDeny
		case "elsewhere":
			s.Namespaces = []string{"other-*"}
		case "unusable":
			s.Signers = append(s.Signers, v1alpha1.Signer{Name: w, Key: "ssh-ed25519 AAAA"})
		default:
			s.Signers = append(s.Signers, v1alpha1.Signer{Name: w, Key: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signers[w].PublicKey())))})
		}
	}
	return s
}

// governed is a ring in which mine opens under the first rules, and further keyrings, whose sources were never read, have the others.
func governed(t testing.TB, mine key, rules ...*v1alpha1.KeyringSpec) *keyring.Ring {
	t.Helper()
	var parts []keyring.Part
	var away []string
	for i, s := range rules {
		policy, err := keyring.PolicyOf(s)
		if err != nil && !strings.Contains(err.Error(), "unusable") {
			t.Fatal(err)
		}
		p := mine.part(keyring.Active)
		if i > 0 {
			p.Keyring, p.Keys = "other-"+string(rune('a'+i)), nil
			away = append(away, p.Keyring)
		}
		p.Policy = policy
		parts = append(parts, p)
	}
	return keyring.NewRing(parts, away)
}

// known are marks that could be read.
func known(m unseal.Mark) unseal.Marks {
	return unseal.Marks{Loaded: true, Where: "key prod_db of ConfigMap waxwing-system/waxwing-marks-07", Mark: m}
}

// all has every item of o at an envelope.
func all(o *v1alpha1.GitSecret, envelope string) map[string]unseal.Seen {
	items := map[string]unseal.Seen{}
	for name := range o.Spec.Items {
		items[name] = unseal.Seen{Newest: envelope}
	}
	return items
}

// only is the one envelope of o.
func only(o *v1alpha1.GitSecret) string { return o.Spec.Items["password"].Envelope }

const (
	// ages lie before and after every envelope that is sealed now.
	ancient, older, later, latest = "01000000000000000000000000", "01100000000000000000000000", "0v000000000000000000000000", "0w000000000000000000000000"
)
