package unseal

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

func TestAKeyThatCannotBeAskedSaysNothingOfTheObject(t *testing.T) {
	why := errors.New("it is locked; unlock it: vault operator unseal")
	r := fromSeal(fmt.Errorf("opening: %w", &seal.Unusable{Err: why}))
	if r.Reason != KeySourceUnavailable || !strings.Contains(r.Error(), why.Error()) {
		t.Errorf("%s: %s", r.Reason, r.Error())
	}
	out := Unasked(v1alpha1.KeyUse{Keyring: "prod-eu", ID: strings.Repeat("3f2a", 8), Envelope: "01kb"}, why)
	if want := "spec.envelopes.01kb: the source of keyring prod-eu cannot open with the key 3f2a3f2a3f2a3f2a: " + why.Error(); out.Reason != KeySourceUnavailable || out.Message != want {
		t.Errorf("%s: %s", out.Reason, out.Message)
	}
}
