package keyring_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

// authorized is the line of authorized_keys of a new key.
func authorized(t *testing.T, key any, err error) (line, wire string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), string(public.Marshal())
}

func TestSignersOfAPolicy(t *testing.T) {
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	good, wire := authorized(t, ed, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	curve, curveWire := authorized(t, &ec.PublicKey, err)
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	enough, enoughWire := authorized(t, &long.PublicKey, err)
	weak, _ := authorized(t, &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}, nil)
	for name, c := range map[string]struct {
		key, wire, problem string
	}{
		"Ed25519":           {good, wire, ""},
		"with a comment":    {good + " alice@example.org", wire, ""},
		"ECDSA":             {curve, curveWire, ""},
		"RSA":               {enough, enoughWire, ""},
		"no key":            {"ssh-ed25519 AAAA", "", `the key of signer "alice" is no line of authorized_keys`},
		"nothing":           {"", "", "no line"},
		"with options":      {`namespaces="git" ` + good, "", "has options"},
		"two lines":         {good + "\n" + good, "", "no line"},
		"of another format": {"age1qqqq", "", "no line"},
		"RSA of 1,024 bits": {weak, "", "of a type or size that does not sign objects (ssh-rsa)"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := keyring.PolicyOf(&v1alpha1.KeyringSpec{Signers: []v1alpha1.Signer{{Name: "alice", Key: c.key}}})
			if !p.Limited {
				t.Error("the policy is limited to nobody")
			}
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) || len(p.Signers) != 0 {
					t.Errorf("%v, signers %q", err, p.Signers)
				}
				return
			}
			if diff := cmp.Diff([]keyring.Signer{{Name: "alice", Key: c.wire}}, p.Signers); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}

// TestRulesCountWithoutTheSource holds that what a Keyring says counts from the moment that it is known, whether its source was ever read or not, and that a
// change of it counts at once.
func TestRulesCountWithoutTheSource(t *testing.T) {
	b := newBench(t)
	kr := ring("default")
	kr.Spec.Rollback = v1alpha1.RollbackDeny
	other := ring("other")
	other.Spec.Namespaces = []string{"dev-*"}
	governing := func(namespace string) []string {
		return slices.Sorted(maps.Keys(b.live.Load().Governing(namespace)))
	}
	b.m.Expect(kr, other)
	if got := governing("prod"); !slices.Equal(got, []string{"default"}) {
		t.Errorf("govern prod: %s", got)
	}
	if got := governing("dev-1"); !slices.Equal(got, []string{"default", "other"}) {
		t.Errorf("govern dev-1: %s", got)
	}
	if p, _ := b.live.Load().Policy("default"); !p.DenyRollback {
		t.Error("an expected keyring has no rules")
	}
	b.src.before = func(string, int) error { return errors.New("away") }
	kr.Spec.Signatures = v1alpha1.SignaturesRequired
	if _, err := b.m.Ensure(t.Context(), kr); err == nil {
		t.Fatal("the source is not away")
	}
	if p, _ := b.live.Load().Policy("default"); !p.RequireSignatures || !slices.Contains(b.live.Load().Unavailable(), "default") {
		t.Errorf("after a change while the source is away: %+v", p)
	}
	// What the cache says of a keyring that is known is older.
	b.m.Expect(ring("default"))
	if p, _ := b.live.Load().Policy("default"); !p.RequireSignatures {
		t.Error("an older version of the keyring counts")
	}
}

// TestAnUnusableSignerIsSaid holds that a keyring whose signers cannot be used keeps its keys, and says so.
func TestAnUnusableSignerIsSaid(t *testing.T) {
	b := newBench(t)
	kr := ring("default")
	b.mustEnsure(kr)
	kr.Spec.Signers = []v1alpha1.Signer{{Name: "alice", Key: "ssh-ed25519 AAAA"}}
	res, err := b.m.Ensure(t.Context(), kr)
	if err != nil || res.Ready || !res.Stalled || res.Reason != keyring.ReasonSignerInvalid || !strings.Contains(res.Message, "alice") || res.Note == "" || len(res.Keys) != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	if p, _ := b.live.Load().Policy("default"); !p.Limited {
		t.Error("the list does not count")
	}
	if !b.opens(res.Keys[0].ID) {
		t.Error("its key does not open")
	}
}
