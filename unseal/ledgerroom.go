package unseal

import (
	"maps"
	"slices"
	"strings"
)

// fold makes room: of the envelopes that are there the newest stay, of those that are gone the ones that went last.
func (l Ledger) fold(s sight) Ledger {
	l = l.clone()
	before := l.Rest
	var still []string // keys of what was there without room at the last look
	for id, at := range l.Former {
		if at <= 0 {
			still = append(still, id)
		}
	}
	var there, gone []string
	for _, id := range slices.Sorted(maps.Keys(l.Envelopes)) {
		if l.Envelopes[id].Gone == 0 {
			there = append(there, id)
		} else {
			gone = append(gone, id)
		}
	}
	over := there[:max(0, len(there)-maxPresent)]
	l.Rest = ""
	if len(over) > 0 {
		l.Rest = l.restOf(over)
	}
	slices.SortStableFunc(gone, func(a, b string) int { return int(l.Envelopes[a].Gone - l.Envelopes[b].Gone) })
	for _, id := range append(slices.Clone(over), gone[:max(0, len(gone)-maxGone)]...) {
		l.drop(id)
	}
	if l.Rest != before { // any of that may have gone, and any may be there: an opening tells
		l.formerAll(still, s.now)
	}
	return l
}

// restOf is the digest of the names and commits of envelopes.
func (l Ledger) restOf(ids []string) string {
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		names = append(names, id+commitMark+l.Envelopes[id].Commit)
	}
	return digest(strings.Join(names, ","))
}

// drop forgets an envelope, and not the keys that it needs. Those that could ever have opened it are kept where a value is in it, by Mark.seen.
func (l *Ledger) drop(id string) {
	w := l.Envelopes[id]
	l.formerAll(w.Needs, w.Gone)
	delete(l.Envelopes, id)
}

// withoutStrangers forgets new keys that no keyring has when there are too many, those first that no wrap is for now; cut are those that one is for, or that the status has. What before has stays, however
// many that are: while a keyring is not read its keys are strangers too, and none is to be driven out by what somebody claims.
func (l Ledger) withoutStrangers(before Ledger, s sight) (next Ledger, cut []string) {
	known, named := before.keys(), s.named()
	for _, u := range s.shown {
		named = union(named, keySet([]string{u.ID}))
	}
	var stay int
	var more, ever []string
	for _, id := range l.keys() {
		switch {
		case s.keyring(id) != "":
		case contains(known, id):
			stay++
		case contains(named, id):
			more = append(more, id)
		default:
			ever = append(ever, id)
		}
	}
	room := max(0, maxStrangers-stay)
	cut = more[min(len(more), room):]
	ever = ever[min(len(ever), max(0, room-len(more))):]
	if len(cut)+len(ever) == 0 {
		return l, nil
	}
	return l.without(union(cut, ever)), cut
}

// named are the keys that the envelopes are for, as their wraps say.
func (s sight) named() (all []string) {
	for _, c := range s.claims {
		all = union(all, c.named)
	}
	return all
}

// without forgets keys. l is changed.
func (l Ledger) without(ids []string) Ledger {
	for id, w := range l.Envelopes {
		w.Needs, w.Ever = minus(w.Needs, ids), minus(w.Ever, ids)
		l.Envelopes[id] = w
	}
	for name, v := range l.Values {
		v.Keys = minus(v.Keys, ids)
		l.Values[name] = v
	}
	for _, id := range ids {
		delete(l.Former, id)
	}
	l.Lost = minus(l.Lost, ids)
	return l
}
