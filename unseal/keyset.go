package unseal

import (
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// keySet is a set of key ids from a document: sorted, each once, without what is none.
func keySet(ids []string) []string {
	set := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !isKeyID(id) })
	slices.Sort(set)
	return slices.Compact(set)
}

// union, minus and contains are of sorted sets, which they do not change.
func union(a, b []string) []string {
	switch {
	case len(b) == 0:
		return a
	case len(a) == 0:
		return b
	case !slices.ContainsFunc(b, func(id string) bool { return !contains(a, id) }):
		return a
	}
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

func minus(a, b []string) []string {
	if !slices.ContainsFunc(a, func(id string) bool { return contains(b, id) }) {
		return a
	}
	return slices.DeleteFunc(slices.Clone(a), func(id string) bool { return contains(b, id) })
}

func contains(set []string, id string) bool {
	_, found := slices.BinarySearch(set, id)
	return found
}

func isKeyID(s string) bool {
	return len(s) == seal.KeyIDSize && only(s, func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' })
}
