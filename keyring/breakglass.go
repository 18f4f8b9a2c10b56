package keyring

import (
	"errors"
	"fmt"
	"strings"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// ReasonBreakGlassInvalid is the reason of a keyring where a recipient of spec.breakGlass cannot be used, so that nobody can count on it; the keys open all the same.
const ReasonBreakGlassInvalid = "BreakGlassInvalid"

// BreakGlassOf reads a Keyring's break-glass recipients. What can be used is there also beside an error, which is for a person to mend.
func BreakGlassOf(spec *v1alpha1.KeyringSpec) ([]seal.Recipient, error) {
	if spec.BreakGlass == nil {
		return nil, nil
	}
	var all []seal.Recipient
	var errs []error
	for i, text := range spec.BreakGlass.Recipients {
		r, err := seal.ParseRecipient(text)
		switch {
		case err != nil || !strings.HasPrefix(text, "age1"):
			errs = append(errs, fmt.Errorf("break-glass recipient %d is malformed: expected age1pq1… or age1…, as `seal keys generate` prints it", i+1))
		case r.Class() != classOf(spec):
			errs = append(errs, fmt.Errorf("break-glass recipient %d (key %s) is of class %s, and the keyring of class %s: one object never mixes them", i+1, display(r.KeyID()), r.Class(), classOf(spec)))
		default:
			all = append(all, r)
		}
	}
	return all, errors.Join(errs...)
}

func classOf(spec *v1alpha1.KeyringSpec) seal.Class {
	if spec.Class == string(seal.Classical) {
		return seal.Classical
	}
	return seal.PostQuantum
}
