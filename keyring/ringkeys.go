package keyring

import (
	"maps"
	"slices"
	"strings"
)

// Compromised lists the keys that others know, by id.
func (r *Ring) Compromised() []Key {
	var all []Key
	for k := range maps.Values(r.keys) {
		if k.State == Compromised {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b Key) int { return strings.Compare(a.ID, b.ID) })
	return all
}
