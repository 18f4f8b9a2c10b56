package keyring_test

import (
	"testing"

	"github.com/waxwing-io/waxwing/keyring"
)

func TestOnlyTheStepsOfTheTableAreLegal(t *testing.T) {
	// A row is where a key comes from, a column where it goes: P(reActive) A(ctive) S(uspended) D(eactivated) C(ompromised) X (destroyed).
	table := map[keyring.State]string{
		//                    PASDCX
		keyring.PreActive:   ".A..CX",
		keyring.Active:      "..SDC.",
		keyring.Suspended:   ".A.DC.",
		keyring.Deactivated: "....CX",
		keyring.Compromised: ".....X",
		keyring.Destroyed:   "......",
	}
	if len(keyring.States()) != len(table) {
		t.Fatalf("%d states, %d rows", len(keyring.States()), len(table))
	}
	for from, row := range table {
		for i, to := range keyring.States() {
			if err := keyring.Step(from, to); (err == nil) != (row[i] != '.') {
				t.Errorf("from %s to %s: %v", from, to, err)
			}
		}
	}
}

func TestStepsFromOrToNowhereAreRefused(t *testing.T) {
	for _, s := range keyring.States() {
		for _, nowhere := range []keyring.State{"", "active", "Retired"} {
			if keyring.Step(s, nowhere) == nil || keyring.Step(nowhere, s) == nil {
				t.Errorf("a step between %q and %q was taken for legal", s, nowhere)
			}
		}
	}
}

func TestWhichStatesOpen(t *testing.T) {
	for s, want := range map[keyring.State]bool{
		keyring.PreActive: false, keyring.Active: true, keyring.Suspended: false,
		keyring.Deactivated: true, keyring.Compromised: true, keyring.Destroyed: false, "": false,
	} {
		if s.Opens() != want {
			t.Errorf("%q opens: %t", s, s.Opens())
		}
	}
}
