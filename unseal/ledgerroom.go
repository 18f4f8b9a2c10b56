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
		if at == 0 {
			still = append(still, id)
			delete(l.Former, id)
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
		l.Rest = digest(strings.Join(over, ","))
	}
	slices.SortStableFunc(gone, func(a, b string) int { return int(l.Envelopes[a].Gone - l.Envelopes[b].Gone) })
	for _, id := range append(slices.Clone(over), gone[:max(0, len(gone)-maxGone)]...) {
		l.drop(id)
	}
	for _, id := range still {
		if l.Rest == before {
			l.former(id, 0)
		} else {
			l.former(id, s.now)
		}
	}
	return l
}

// drop forgets an envelope, and not the keys that it needs. Those that could ever have opened it are kept where a value is in it, by Mark.seen.
func (l *Ledger) drop(id string) {
	w := l.Envelopes[id]
	for _, key := range w.Needs {
		l.former(key, w.Gone)
	}
	delete(l.Envelopes, id)
}

// withoutStrangers forgets keys that no keyring has when there are too many; those that before has stay, so that none is driven out by what somebody claims.
func (l Ledger) withoutStrangers(before Ledger, s sight) Ledger {
	strangers := slices.DeleteFunc(l.keys(), func(id string) bool { return s.keyring(id) != "" })
	if len(strangers) <= maxStrangers {
		return l
	}
	known := before.keys()
	slices.SortStableFunc(strangers, func(a, b string) int {
		switch was, is := contains(known, a), contains(known, b); {
		case was == is:
			return 0
		case was:
			return -1
		}
		return 1
	})
	return l.without(keySet(strangers[maxStrangers:]))
}

// without forgets keys. l is changed.
func (l Ledger) without(ids []string) Ledger {
	for id, w := range l.Envelopes {
		l.Envelopes[id] = Wrapped{Needs: minus(w.Needs, ids), Ever: minus(w.Ever, ids), Gone: w.Gone}
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
