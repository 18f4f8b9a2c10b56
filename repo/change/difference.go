package change

import (
	"maps"
	"slices"
)

// Kind is what happened to something.
type Kind string

// The kinds of changes.
const (
	Added   Kind = "added"
	Changed Kind = "changed"
	Removed Kind = "removed"
)

// Difference is what differs in one object.
type Difference struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Change    Kind   `json:"change"`
	// For is the place that the items are bound to, in the new version, or in the old one of an object that was removed.
	For string `json:"for"`
	// Problem is why the format refuses the new version; empty where it does not.
	Problem string `json:"problem,omitempty"`

	Items     []Item     `json:"items,omitempty"`     // in byte order of their names
	Unchanged []string   `json:"unchanged,omitempty"` // items with the same ciphertext, in byte order
	Wraps     []Wrap     `json:"wraps,omitempty"`
	Fields    []Field    `json:"fields,omitempty"` // of objects in both versions, in byte order of their paths
	Signature *Signature `json:"signature,omitempty"`

	// Before and After are the versions themselves; nil where there is none.
	Before *Object `json:"-"`
	After  *Object `json:"-"`
}

// Item is a change of one item: another ciphertext, which may hold the same value.
type Item struct {
	Name   string   `json:"name"`
	Change Kind     `json:"change"`
	Old    *Sealing `json:"old,omitempty"`
	New    *Sealing `json:"new,omitempty"`
}

// Signature is a change of the signature. Old and New are the signers, empty where there is no signature; one that signed again is in both.
type Signature struct {
	Change Kind   `json:"change"`
	Old    string `json:"old,omitempty"`
	New    string `json:"new,omitempty"`
}

// Empty says whether nothing differs.
func (d Difference) Empty() bool {
	return d.Change == Changed && len(d.Items) == 0 && len(d.Wraps) == 0 && len(d.Fields) == 0 && d.Signature == nil
}

// Between lists the objects that differ between two versions of a file.
func Between(before, after []Object) []Difference {
	var out []Difference
	for _, pair := range match(before, after) {
		if d := difference(pair[0], pair[1]); !d.Empty() {
			d.Before, d.After = pair[0], pair[1]
			out = append(out, d)
		}
	}
	return out
}

// difference compares two versions of an object, one of which may be absent.
func difference(before, after *Object) Difference {
	switch {
	case before == nil:
		d := compare(Object{}, *after)
		d.Change, d.Fields = Added, nil
		return d
	case after == nil:
		d := compare(*before, Object{})
		d.Namespace, d.Name, d.For = before.Namespace, before.Name, before.Spec.For.String()
		d.Change, d.Fields = Removed, nil
		return d
	}
	return compare(*before, *after)
}

func compare(before, after Object) Difference {
	d := Difference{Namespace: after.Namespace, Name: after.Name, Change: Changed, For: after.Spec.For.String()}
	if after.Problem != nil {
		d.Problem = after.Problem.Error()
	}
	d.Items, d.Unchanged = items(before, after)
	d.Wraps = wraps(before, after)
	d.Fields = fields(before, after)
	d.Signature = signature(before, after)
	return d
}

func items(before, after Object) (changed []Item, same []string) {
	names := maps.Clone(before.Spec.Items)
	if names == nil {
		names = after.Spec.Items
	} else {
		maps.Copy(names, after.Spec.Items)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, had := before.Spec.Items[name]
		is, has := after.Spec.Items[name]
		switch {
		case had && has && was == is:
			same = append(same, name)
		case had && has:
			changed = append(changed, Item{Name: name, Change: Changed, Old: before.Sealing(name), New: after.Sealing(name)})
		case has:
			changed = append(changed, Item{Name: name, Change: Added, New: after.Sealing(name)})
		default:
			changed = append(changed, Item{Name: name, Change: Removed, Old: before.Sealing(name)})
		}
	}
	return changed, same
}

func signature(before, after Object) *Signature {
	was, is := before.Spec.Signature, after.Spec.Signature
	s := &Signature{Change: Changed, Old: before.signer(), New: after.signer()}
	switch {
	case was == nil && is == nil:
		return nil
	case was == nil:
		s.Change = Added
	case is == nil:
		s.Change = Removed
	case *was == *is:
		return nil
	}
	return s
}
