package change

import "slices"

// Merged lists what a merge did itself: what differs from every parent's version of the file. parents holds at least one.
func Merged(parents [][]Object, after []Object) []Difference {
	out := Between(parents[0], after)
	for _, parent := range parents[1:] {
		// Of objects with the same name, each stands for one.
		others := map[[2]string][]Difference{}
		for _, d := range Between(parent, after) {
			place := [2]string{d.Namespace, d.Name}
			others[place] = append(others[place], d)
		}
		var left []Difference
		for _, d := range out {
			place := [2]string{d.Namespace, d.Name}
			if len(others[place]) == 0 {
				continue
			}
			if d = common(d, others[place][0]); !d.Empty() {
				left = append(left, d)
			}
			others[place] = others[place][1:]
		}
		out = left
	}
	return out
}

// common is what is in both differences. Where one of them knows an older version and the other does not, it is told as a change.
func common(a, b Difference) Difference {
	out := a
	out.Change = kept(a.Change, b.Change)
	out.Items, out.Wraps, out.Fields = nil, nil, nil
	items := map[string]Item{}
	for _, item := range b.Items {
		items[item.Name] = item
	}
	for _, item := range a.Items {
		other, ok := items[item.Name]
		switch {
		case !ok:
			out.Unchanged = append(out.Unchanged, item.Name)
		case item.Change == Added:
			out.Items = append(out.Items, other)
		default:
			out.Items = append(out.Items, item)
		}
	}
	for _, w := range a.Wraps {
		if slices.ContainsFunc(b.Wraps, func(o Wrap) bool { return o.Holder == w.Holder && slices.Equal(o.New, w.New) }) {
			out.Wraps = append(out.Wraps, w)
		}
	}
	paths := map[string]bool{}
	for _, f := range b.Fields {
		paths[f.Path] = true
	}
	for _, f := range a.Fields {
		if paths[f.Path] {
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
