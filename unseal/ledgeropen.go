package unseal

import (
	"maps"
	"slices"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// opened is l, after a look, once the object was opened as a whole, with one key for each envelope.
func (l Ledger) opened(s sight, uses []v1alpha1.KeyUse) Ledger {
	next := l.clone()
	all, rest := map[string]bool{}, map[string]bool{} // keyrings that have opened the envelopes, and those that have no room
	for _, u := range uses {
		ring := s.keyring(u.ID)
		all[ring] = true
		w, room := next.Envelopes[u.Envelope]
		if !room {
			rest[ring] = true
			continue
		}
		w.Needs = next.end(w.Needs, s, s.claims[u.Envelope].named, ring)
		next.Envelopes[u.Envelope] = w
	}
	switch {
	case len(rest) == 1: // they are what Former says is there
		next.endFormer(s, s.rest(next), rest, 0)
	case len(rest) == 0 && len(all) == 1: // the mark was shortened; which envelopes it had is not known
		next.endFormer(s, s.named(), all, s.now)
	}
	return next
}

// endFormer is end for the keys of what Former says is there, once all of that was opened with keys of one keyring, if it was not gone: at a time then, or 0.
func (l *Ledger) endFormer(s sight, named []string, ring map[string]bool, at int64) {
	for id, since := range l.Former {
		other := s.keyring(id)
		switch {
		case since > 0 || contains(named, id):
		case ring[other]:
			l.went(id, at)
		case !s.stays(other, named):
			l.went(id, s.now)
		}
	}
}

// stays says whether the keys of a keyring, which has not opened an envelope, may still be needed for it: a wrap is for one of them. That cannot be told of one that is not read.
func (s sight) stays(ring string, named []string) bool {
	if ring == "" {
		return s.ring == nil || len(s.ring.Unavailable()) > 0
	}
	return slices.ContainsFunc(named, func(id string) bool { return s.keyring(id) == ring })
}

// end gives what is left of needs when an envelope, whose wraps name keys, was opened with one of a keyring. The keys of another keyring stay while a wrap is for that one, and while
// it is not read; after that it is an earlier version of the object that needs them.
func (l *Ledger) end(needs []string, s sight, named []string, ring string) (left []string) {
	for _, id := range needs {
		switch other := s.keyring(id); {
		case contains(named, id):
			left = append(left, id)
		case other == ring:
		case s.stays(other, named):
			left = append(left, id)
		default:
			l.former(id, s.now)
		}
	}
	return left
}

// rest are the keys that are claimed by the envelopes which next has no room for.
func (s sight) rest(next Ledger) (named []string) {
	for id, c := range s.claims {
		if _, room := next.Envelopes[id]; !room {
			named = union(named, c.named)
		}
	}
	return named
}

// ends says whether opening the object with these keys would end a use.
func (l Ledger) ends(s sight, uses []v1alpha1.KeyUse) bool {
	next := l.opened(s, uses)
	if !maps.Equal(l.Former, next.Former) {
		return true
	}
	return !maps.EqualFunc(l.Envelopes, next.Envelopes, func(a, b Wrapped) bool { return slices.Equal(a.Needs, b.Needs) })
}

// unproved finds a keyring whose keys alone open the object, and end a use by that; ok is false where there is none. What was opened with one keyring says nothing of the keys of
// another, and a crash may have forgotten what was opened.
func (l Ledger) unproved(in *Input, p *Plan) (only permits, uses []v1alpha1.KeyUse, ok bool) {
	var rings []string
	for id, need := range l.Needed() {
		if ring := p.sight.keyring(id); need.Present && ring != "" {
			rings = append(rings, ring)
		}
	}
	slices.Sort(rings)
	for _, ring := range slices.Compact(rings) {
		only = p.permits
		only.only = ring
		if uses, r := only.all(in.Object); r == nil && l.ends(p.sight, uses) {
			return only, uses, true
		}
	}
	return permits{}, nil, false
}
