package manifest

import (
	"errors"
	"slices"
	"sort"
)

// errNotMapping is the reason why a path cannot be followed.
var errNotMapping = errors.New("not a mapping")

// change is an edit of a document: the value at a path is set, or its entry
// deleted. An empty path sets the whole document.
type change struct {
	path   []step
	val    *value
	delete bool
}

// apply returns the value that the change makes of v.
func (c change) apply(v *value) (*value, error) { return c.applyAt(v, 0) }

func (c change) applyAt(v *value, depth int) (*value, error) {
	if depth == len(c.path) {
		return c.val, nil
	}
	s := c.path[depth]
	if s.isIndex {
		return c.applyIndex(v, s.index, depth)
	}
	switch {
	case v.kind == kindNull && c.delete:
		return nil, ErrNotFound
	case v.kind == kindNull:
		v = &value{kind: kindObject}
	case v.kind != kindObject:
		return nil, errNotMapping
	}
	out := &value{kind: kindObject, members: slices.Clone(v.members)}
	i := v.index(s.key)
	last := depth == len(c.path)-1
	switch {
	case i < 0 && c.delete:
		return nil, ErrNotFound
	case i < 0:
		at := insertPosition(memberNames(v), s.key)
		out.members = slices.Insert(out.members, at, member{key: s.key, val: c.nested(depth + 1)})
		return out, nil
	case last && c.delete:
		out.members = slices.Delete(out.members, i, i+1)
		return out, nil
	}
	child, err := c.applyAt(v.members[i].val, depth+1)
	if err != nil {
		return nil, err
	}
	out.members[i].val = child
	return out, nil
}

func (c change) applyIndex(v *value, i, depth int) (*value, error) {
	if v.kind != kindArray || i >= len(v.items) {
		return nil, ErrNotFound
	}
	child, err := c.applyAt(v.items[i], depth+1)
	if err != nil {
		return nil, err
	}
	out := &value{kind: kindArray, items: slices.Clone(v.items)}
	out.items[i] = child
	return out, nil
}

// nested wraps the change's value in the mappings that the path from depth on
// needs.
func (c change) nested(depth int) *value {
	v := c.val
	for i := len(c.path) - 1; i >= depth; i-- {
		v = &value{kind: kindObject, members: []member{{key: c.path[i].key, val: v}}}
	}
	return v
}

func memberNames(v *value) []string {
	out := make([]string, len(v.members))
	for i, m := range v.members {
		out[i] = m.key
	}
	return out
}

// insertPosition returns where a new key goes among names: in its sorted
// position when they are sorted, otherwise last.
func insertPosition(names []string, key string) int {
	if !sort.StringsAreSorted(names) {
		return len(names)
	}
	return sort.SearchStrings(names, key)
}
