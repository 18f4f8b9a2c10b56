package unseal

import (
	"fmt"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// EventNoBreakGlass is the reason of the event about an object that only its keyring opens, although the keyring names who else should.
const EventNoBreakGlass = "NoBreakGlass"

// checkBreakGlass notes the envelopes that the break glass of the keyring that opens them does not open. They are opened all the same: it is told before it is needed.
func checkBreakGlass(in *Input, p *Plan) {
	lack := 0
	for _, use := range p.Keys {
		policy, _ := in.Ring.Policy(use.Keyring)
		if e, ok := in.Object.Spec.Envelopes[use.Envelope]; ok && len(policy.BreakGlass) > 0 && !held(e, policy.BreakGlass) {
			if lack++; p.noBreakGlass == "" {
				p.noBreakGlass = fmt.Sprintf("envelope %s is not sealed to the break glass of keyring %s: if the keyring is lost, so is what is in it. "+
					"Add the break-glass recipients to .seal.yaml, run seal rewrap, and commit", use.Envelope, use.Keyring)
			}
		}
	}
	if more := lack - 1; more > 0 {
		p.noBreakGlass += fmt.Sprintf(" (the same of %d more)", more)
	}
}

// held says whether one wrap of an envelope is for all of the keys. What a wrap says of itself is the sealer's claim.
func held(e seal.Envelope, keys []string) bool {
	for _, wrap := range e.Wraps {
		if !slices.ContainsFunc(keys, func(id string) bool { return !slices.Contains(wrap.Keys, id) }) {
			return true
		}
	}
	return false
}
