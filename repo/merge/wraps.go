package merge

import (
	"errors"
	"maps"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

var (
	errCommit  = errors.New("an envelope has one id and two keys")
	errNoWraps = errors.New("the sides remove all holders of an envelope between them")
)

// mergeWraps merges what the holders of one envelope have, each for itself. base may be nil.
func mergeWraps(id string, base, ours, theirs map[string]seal.Wrap) (map[string]any, []clash, error) {
	merged := map[string]any{}
	var clashes []clash
	stay := false // at least one wrap, whatever is chosen
	all := maps.Clone(ours)
	maps.Copy(all, theirs)
	for _, holder := range slices.Sorted(maps.Keys(all)) {
		b, o, t := wrapOf(base, holder), wrapOf(ours, holder), wrapOf(theirs, holder)
		w, ok := mergeWrap(b, o, t)
		if !ok {
			clashes = append(clashes, clash{path: []string{"spec", "envelopes", id, "wraps", holder}, ours: wrapTree(o), theirs: wrapTree(t)})
			stay = stay || o != nil && t != nil
			w = o
		}
		if w != nil {
			merged[holder] = wrapTree(w)
			stay = stay || ok
		}
	}
	if !stay {
		return nil, nil, errNoWraps
	}
	return merged, clashes, nil
}

func wrapOf(wraps map[string]seal.Wrap, holder string) *seal.Wrap {
	if w, ok := wraps[holder]; ok {
		return &w
	}
	return nil
}

func sameWrap(a, b *seal.Wrap) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Age == b.Age && slices.Equal(a.Keys, b.Keys) && slices.Equal(a.WrappedBefore, b.WrappedBefore)
}

// mergeWrap merges one holder's wrap; nil is none. ok is false where neither side is known to be later.
func mergeWrap(base, ours, theirs *seal.Wrap) (w *seal.Wrap, ok bool) {
	switch {
	case sameWrap(ours, theirs), sameWrap(theirs, base):
		return ours, true
	case sameWrap(ours, base):
		return theirs, true
	case ours == nil || theirs == nil:
		return nil, false
	}
	o, t := history(ours), history(theirs)
	switch {
	case slices.Equal(sorted(ours.Keys), sorted(theirs.Keys)):
		return sameKeys(ours, theirs)
	case subset(o, t) && !subset(t, o):
		return theirs, true
	case subset(t, o) && !subset(o, t):
		return ours, true
	}
	return nil, false
}

// sameKeys takes one of two wraps for the same keys, whichever side it is on, and joins what they were wrapped for before.
func sameKeys(a, b *seal.Wrap) (*seal.Wrap, bool) {
	if b.Age < a.Age {
		a, b = b, a
	}
	w := *a
	w.WrappedBefore = slices.Compact(sorted(slices.Concat(a.WrappedBefore, b.WrappedBefore)))
	w.WrappedBefore = slices.DeleteFunc(w.WrappedBefore, func(id string) bool { return slices.Contains(w.Keys, id) })
	return &w, len(w.WrappedBefore) <= seal.MaxWrappedBefore
}

func history(w *seal.Wrap) []string { return sorted(slices.Concat(w.Keys, w.WrappedBefore)) }

func sorted(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(id string) bool { return !slices.Contains(b, id) })
}

func wrapTree(w *seal.Wrap) any {
	if w == nil {
		return nil
	}
	t := tree{"keys": texts(w.Keys), "age": w.Age}
	if len(w.WrappedBefore) > 0 {
		t["wrappedBefore"] = texts(w.WrappedBefore)
	}
	return t
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, text := range list {
		out[i] = text
	}
	return out
}
