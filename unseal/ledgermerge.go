package unseal

import "slices"

// merge joins l with an earlier one, all but their values: a key that one of them has counts.
func (l Ledger) merge(earlier Ledger) Ledger {
	out := l.clone()
	if len(l.Envelopes) == 0 {
		out.Rest = earlier.Rest
	}
	for id, theirs := range earlier.Envelopes {
		ours, both := out.Envelopes[id]
		switch {
		case !both:
			ours = theirs
		case ours.Commit == theirs.Commit:
			ours.Needs, ours.Ever = union(ours.Needs, theirs.Needs), union(ours.Ever, theirs.Ever)
		default: // another envelope of this id, which has gone since; and whoever could open it could open a value that is in either
			out.formerAll(theirs.Needs, theirs.Gone)
			out.Rest = "" // so that what is there now is not taken for what was
			ours.Ever = union(ours.Ever, theirs.Ever)
		}
		out.Envelopes[id] = ours
	}
	for id, at := range earlier.Former {
		if _, both := out.Former[id]; !both {
			out.Former[id] = at
		} else if at != 0 {
			out.former(id, max(at, -at))
		}
	}
	if out.MACKey == "" {
		out.MACKey = earlier.MACKey
	}
	out.Lost, out.LostExposed = union(l.Lost, earlier.Lost), l.LostExposed || earlier.LostExposed
	return out
}

// merge joins what is known of a value with what was earlier: both says that v is known, comparable that the MACs are made with one key, later that v is of an envelope that is
// not older.
func (v Valued) merge(earlier Valued, both, comparable, later bool) Valued {
	if both && comparable {
		was := earlier.Was
		for _, mac := range v.Was {
			was = remembered(was, mac)
		}
		v.Was = was
	}
	switch {
	case both && comparable && later && v.MAC != "" && earlier.MAC != "" && v.MAC != earlier.MAC: // it has changed
		if earlier.Exposed {
			v.Was = remembered(v.Was, earlier.MAC)
		}
		v.Exposed = v.Exposed || slices.Contains(v.Was, v.MAC)
		return v
	case !both && comparable:
		return earlier
	}
	out := Valued{MAC: v.MAC, Keys: union(v.Keys, earlier.Keys), Exposed: v.Exposed || earlier.Exposed, Was: v.Was}
	if !later || v.MAC != earlier.MAC {
		out.MAC = ""
	}
	return out
}
