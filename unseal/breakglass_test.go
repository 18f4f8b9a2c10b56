package unseal_test

import (
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

func TestWhatOnlyTheKeyringOpensIsTold(t *testing.T) {
	mine, one, two := newKey(t, "default"), newKey(t, "glass"), newKey(t, "glass")
	other := two
	other.holder = "other"
	for name, c := range map[string]struct {
		glass  []string
		sealed []key
		told   bool
	}{
		"none is named":                 {nil, []key{mine}, false},
		"sealed to it":                  {[]string{one.KeyID(), two.KeyID()}, []key{mine, one, two}, false},
		"sealed to none of it":          {[]string{one.KeyID()}, []key{mine}, true},
		"sealed to a part of it":        {[]string{one.KeyID(), two.KeyID()}, []key{mine, one}, true},
		"sealed to it in several wraps": {[]string{one.KeyID(), two.KeyID()}, []key{mine, one, other}, true},
	} {
		t.Run(name, func(t *testing.T) {
			part := mine.part(keyring.Active)
			part.Policy.BreakGlass = c.glass
			o := sealed(t, strict(), c.sealed...)
			d := unseal.Decide(unseal.Input{Object: o, Ring: ringOf(part), Now: now(), Marks: known(unseal.Mark{})})
			if d.Action != unseal.Open {
				t.Fatalf("%+v", d)
			}
			out := d.Plan.Written(&unseal.Contents{}, o, d.Plan.Secret)
			if out.Reason != unseal.Unsealed || (out.NoBreakGlass != "") != c.told || c.told && !strings.Contains(out.NoBreakGlass, "envelope "+only(o)+" is not sealed to the break glass of keyring default") {
				t.Errorf("%q", out.NoBreakGlass)
			}
		})
	}
}
