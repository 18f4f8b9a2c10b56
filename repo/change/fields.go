package change

import (
	"maps"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Field is a change outside of the items, by name. Contents of metadata and templates are not told: people write what they should not there.
type Field struct {
	Path   string `json:"path"`
	Change Kind   `json:"change"`
	Old    string `json:"old,omitempty"` // of fields with a content that is public for certain, such as spec.for
	New    string `json:"new,omitempty"`
}

// fields compares everything but items, wraps and signatures.
func fields(before, after Object) []Field {
	var out []Field
	if was, is := before.Spec.For, after.Spec.For; was != is {
		out = append(out, Field{Path: "spec.for", Change: Changed, Old: was.String(), New: is.String()})
	}
	out = append(out, byPath(before.fields, after.fields, shownContent(before.Spec), shownContent(after.Spec))...)
	out = append(out, byPath(oddities(before, after), oddities(after, before), nil, nil)...)
	slices.SortFunc(out, func(a, b Field) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return out
}

func byPath(before, after, oldContent, newContent map[string]string) []Field {
	paths := maps.Clone(before)
	if paths == nil {
		paths = map[string]string{}
	}
	maps.Copy(paths, after)
	var out []Field
	for path := range paths {
		was, had := before[path]
		is, has := after[path]
		f := Field{Path: path, Change: Changed, Old: oldContent[path], New: newContent[path]}
		switch {
		case had && has && was == is:
			continue
		case !had:
			f.Change = Added
		case !has:
			f.Change = Removed
		}
		out = append(out, f)
	}
	return out
}

// shownContent gives the fields whose content may be told.
func shownContent(s seal.Spec) map[string]string {
	yes := func(b bool) string {
		if b {
			return "true"
		}
		return "false"
	}
	out := map[string]string{"spec.type": s.Type, "spec.deletionPolicy": s.DeletionPolicy, "spec.onImmutable": s.OnImmutable, "spec.suspend": yes(s.Suspend)}
	if s.Immutable != nil {
		out["spec.immutable"] = yes(*s.Immutable)
	}
	return out
}

// oddities are parts of o's envelopes that no tool changes, as far as they can differ from those of other: what an envelope says of itself beside its
// wraps, the list of earlier keys where nothing was rewrapped, and envelopes that no item names.
func oddities(o, other Object) map[string]string {
	out := map[string]string{}
	named := o.itemsByEnvelope()
	for id, e := range o.Spec.Envelopes {
		path := "spec.envelopes." + id
		than, both := other.Spec.Envelopes[id]
		if !both {
			if named[id] == nil {
				out[path] = "no item names it"
			}
			continue
		}
		out[path+".commit"], out[path+".sealedAt"] = e.Commit, e.SealedAt
		for holder, w := range e.Wraps {
			if was, ok := than.Wraps[holder]; ok && was.Age == w.Age && slices.Equal(was.Keys, w.Keys) {
				for _, key := range w.WrappedBefore {
					out[path+".wraps."+holder+".wrappedBefore."+key] = key
				}
			}
		}
	}
	return out
}
