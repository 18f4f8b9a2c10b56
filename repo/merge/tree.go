package merge

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// tree is a JSON object without members that are null. Trees are shared, and never changed once they are made; functions that change one copy it.
type tree = map[string]any

// decodeTree reads JSON that is known to be sound.
func decodeTree(doc []byte) any {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	return withoutNull(v)
}

func withoutNull(v any) any {
	switch v := v.(type) {
	case tree:
		for name, member := range v {
			if member == nil {
				delete(v, name)
			} else {
				v[name] = withoutNull(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutNull(v[i])
		}
	}
	return v
}

func sameTree(a, b any) bool { return reflect.DeepEqual(a, b) }

// at is the value at path; nil where there is none.
func at(v any, path ...string) any {
	for _, name := range path {
		t, ok := v.(tree)
		if !ok {
			return nil
		}
		v = t[name]
	}
	return v
}

// with is a copy of t that has v at path; nil removes it. Objects on the way are made where they are missing, and stay where they become empty.
func with(t tree, v any, path ...string) tree {
	t = maps.Clone(t)
	if t == nil {
		t = tree{}
	}
	switch {
	case len(path) > 1:
		below, ok := t[path[0]].(tree)
		if !ok && v == nil {
			return t
		}
		t[path[0]] = with(below, v, path[1:]...)
	case v == nil:
		delete(t, path[0])
	default:
		t[path[0]] = v
	}
	return t
}

// withAll is a copy of t that has v at each path; nil removes it.
func withAll(t tree, paths [][]string, v func(i int) any) tree {
	t = copyOf(t).(tree)
	for i, path := range paths {
		holder := t
		for _, name := range path[:len(path)-1] {
			below, ok := holder[name].(tree)
			if !ok {
				below = tree{}
				holder[name] = below
			}
			holder = below
		}
		if value := v(i); value != nil {
			holder[path[len(path)-1]] = value
		} else {
			delete(holder, path[len(path)-1])
		}
	}
	return t
}

// copyOf copies the objects in v; all else is shared.
func copyOf(v any) any {
	t, ok := v.(tree)
	if !ok {
		return v
	}
	out := make(tree, len(t))
	for name, member := range t {
		out[name] = copyOf(member)
	}
	return out
}

// withTheirs is t with theirs in each clash.
func withTheirs(t tree, clashes []clash) tree {
	paths := make([][]string, len(clashes))
	for i, c := range clashes {
		paths[i] = c.path
	}
	return withAll(t, paths, func(i int) any { return clashes[i].theirs })
}

// clash is a place that both sides changed differently. Values that are nil are removals.
type clash struct {
	path         []string
	ours, theirs any
}

// merge1 merges three values that have no parts. The result has ours where there is a clash.
func merge1(path []string, base, ours, theirs any) (any, []clash) {
	switch {
	case sameTree(ours, theirs), sameTree(theirs, base):
		return ours, nil
	case sameTree(ours, base):
		return theirs, nil
	}
	return ours, []clash{{path: path, ours: ours, theirs: theirs}}
}

// mergeMembers merges three objects whose members have no parts.
func mergeMembers(path []string, base, ours, theirs any) (any, []clash) {
	o, _ := objectOrNone(ours)
	t, _ := objectOrNone(theirs)
	b, _ := objectOrNone(base)
	return mergeEach(path, b, o, t, ours != nil && theirs != nil, merge1)
}

// merge3 merges three values, member by member where all are objects.
func merge3(path []string, base, ours, theirs any) (any, []clash) {
	v, clashes := merge1(path, base, ours, theirs)
	if len(clashes) == 0 {
		return v, nil
	}
	o, oursIs := objectOrNone(ours)
	t, theirsIs := objectOrNone(theirs)
	b, baseIs := objectOrNone(base)
	if !oursIs || !theirsIs || !baseIs {
		return v, clashes
	}
	return mergeEach(path, b, o, t, ours != nil && theirs != nil, merge3)
}

// mergeEach merges objects member by member. One that comes out empty is none, unless keep says otherwise.
func mergeEach(path []string, base, ours, theirs tree, keep bool, merge func(path []string, base, ours, theirs any) (any, []clash)) (any, []clash) {
	merged := tree{}
	var clashes []clash
	for _, name := range members(base, ours, theirs) {
		v, more := merge(append(slices.Clone(path), name), base[name], ours[name], theirs[name])
		if v != nil {
			merged[name] = v
		}
		clashes = append(clashes, more...)
	}
	if len(merged) == 0 && !keep && len(clashes) == 0 {
		return nil, nil
	}
	return merged, clashes
}

// objectOrNone takes what is absent for an object without members.
func objectOrNone(v any) (tree, bool) {
	if v == nil {
		return nil, true
	}
	t, ok := v.(tree)
	return t, ok
}

// members lists the names in any of the trees.
func members(trees ...tree) []string {
	all := tree{}
	for _, t := range trees {
		maps.Copy(all, t)
	}
	return slices.Sorted(maps.Keys(all))
}
