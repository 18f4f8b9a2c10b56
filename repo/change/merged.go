package change

import "slices"

// Merged lists what a merge did itself: what differs from every parent's version of the file. parents holds at least one.
func Merged(parents [][]Object, after []Object) []Difference {
	out := Between(parents[0], after)
	for _, parent := range parents[1:] {
		other := Between(parent, after)
		var kept []Difference
		for _, d := range out {
			i := slices.IndexFunc(other, func(o Difference) bool { return o.Namespace == d.Namespace && o.Name == d.Name })
			if i < 0 {
				continue
			}
			if d = common(d, other[i]); !d.Empty() {
				kept = append(kept, d)
			}
			// Of objects with the same name, each stands for one.
			other = slices.Delete(other, i, i+1)
		}
		out = kept
	}
	return out
}

// common is what is in both differences. Where one of them knows an older version and the other does not, it is told as a change.
func common(a, b Difference) Difference {
	out := a
	out.Change = kept(a.Change, b.Change)
	out.Items, out.Wraps, out.Fields = nil, nil, nil
	for _, item := range a.Items {
		i := slices.IndexFunc(b.Items, func(o Item) bool { return o.Name == item.Name })
		switch {
		case i < 0:
			out.Unchanged = append(out.Unchanged, item.Name)
		case item.Change == Added:
			out.Items = append(out.Items, b.Items[i])
		default:
			out.Items = append(out.Items, item)
		}
	}
	for _, w := range a.Wraps {
		if slices.ContainsFunc(b.Wraps, func(o Wrap) bool { return o.Holder == w.Holder && slices.Equal(o.New, w.New) }) {
			out.Wraps = append(out.Wraps, w)
		}
	}
	for _, f := range a.Fields {
		if slices.ContainsFunc(b.Fields, func(o Field) bool { return o.Path == f.Path }) {
			out.Fields = append(out.Fields, f)
		}
	}
	if b.Signature == nil {
		out.Signature = nil
	}
	slices.Sort(out.Unchanged)
	return out
}

func kept(a, b Kind) Kind {
	if a == b {
		return a
	}
	return Changed
}
