package keyring_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

func TestAProbeProvesAKeyThatOpensWhatIsSealedToIt(t *testing.T) {
	for _, class := range []seal.Class{seal.PostQuantum, seal.Classical} {
		id, _ := identity(t, class)
		if err := keyring.Probe(keyring.NewKey("default", id, keyring.PreActive, noon, time.Time{}), time.Now, rand.Reader); err != nil {
			t.Errorf("%s: %v", class, err)
		}
	}
}

func TestAProbeFindsAKeyThatDoesNotOpen(t *testing.T) {
	good := newKey(t, "default", keyring.PreActive)
	other, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]keyring.Key{
		"the private half of another key":    keyring.NewKey("default", seal.NewIdentity(good.Recipient, other), keyring.PreActive, noon, time.Time{}),
		"a recipient that is none":           keyring.NewKey("default", seal.NewIdentity("age1nonsense", other), keyring.PreActive, noon, time.Time{}),
		"no private half":                    {Keyring: "default", ID: good.ID, Recipient: good.Recipient},
		"the id of another key":              {Keyring: "default", ID: strings.Repeat("0", 32), Recipient: good.Recipient},
		"a keyring that cannot be sealed to": func() keyring.Key { k := good; k.Keyring = "Not A Holder"; return k }(),
	} {
		t.Run(name, func(t *testing.T) {
			if err := keyring.Probe(k, time.Now, rand.Reader); err == nil {
				t.Error("was proved")
			}
		})
	}
	if err := keyring.Probe(good, time.Now, iotest.ErrReader(errors.New("no randomness"))); err == nil || !strings.Contains(err.Error(), "no randomness") {
		t.Errorf("without randomness: %v", err)
	}
}
