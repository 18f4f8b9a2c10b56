package seal_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// lockedIdentity is an identity whose passphrase nobody gives.
type lockedIdentity struct{ err error }

func (l lockedIdentity) Unwrap([]*age.Stanza) ([]byte, error) { return nil, l.err }

func TestAnIdentityThatCannotBeUsedSaysNothingAboutTheDocument(t *testing.T) {
	key, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(key.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	place := seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}
	spec, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(place, seal.Values{"a": seal.NewValue([]byte("x"))}, []seal.Holder{{Name: "me", Recipients: []seal.Recipient{r}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := seal.Check(spec)
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("wrong passphrase")
	for name, test := range map[string]struct {
		err     error
		outcome string
	}{
		"unusable":                        {&seal.Unusable{Err: cause}, ""},
		"a key that is not the wrap's":    {age.ErrIncorrectIdentity, "Tampered"},
		"any other failure while opening": {cause, "Tampered"},
	} {
		_, err := c.Open(seal.Target{Namespace: "prod", Name: "db"}, seal.NewIdentities(seal.NewIdentity(r.String(), lockedIdentity{test.err})))
		if err == nil || seal.Outcome(err) != test.outcome || errors.Is(err, cause) != (test.outcome == "") {
			t.Errorf("%s: %v (%s)", name, err, seal.Outcome(err))
		}
	}
}
