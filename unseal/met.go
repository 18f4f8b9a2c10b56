package unseal

import (
	"maps"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Unmet lists the envelopes of spec that m does not know of, sorted. A mark keeps the newest envelope of each item and the one that it was let go back to, so an
// envelope that an item goes back to may have been met before all the same.
func (m Mark) Unmet(spec *seal.Spec) []string {
	known := make(map[string]bool, len(m.Items))
	for _, s := range m.Items {
		known[s.Newest], known[s.Accepted] = true, true
	}
	unmet := map[string]bool{}
	for name, item := range spec.Items {
		_, remembered := m.Items[markName(name)]
		if !known[item.Envelope] && (remembered || item.Envelope > m.Floor) {
			unmet[item.Envelope] = true
		}
	}
	return slices.Sorted(maps.Keys(unmet))
}

// wroteBefore says whether the status speaks of a Secret that was written from this generation with keys that still open it: it is repaired, then. This is a name for
// what is done, and nothing is decided by it.
func wroteBefore(in *Input, p *Plan) bool {
	ref := in.Object.Status.Secret
	return ref != nil && ref.Generation == in.Object.Generation && !p.Adopts && p.openedBy(in.Object.Status.Keys)
}
