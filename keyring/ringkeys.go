package keyring

import (
	"maps"
	"slices"
	"strings"
)

// Compromised lists the keys that others know, by id; also those that are destroyed by now: what they could open is known all the same.
func (r *Ring) Compromised() []Key {
	var all []Key
	for k := range maps.Values(r.keys) {
		if k.exposes() {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b Key) int { return strings.Compare(a.ID, b.ID) })
	return all
}
