package unseal

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

// Bounds of a Ledger. What does not fit is remembered by key alone, which never makes a use less.
const (
	maxPresent = 32
	maxGone    = 16
	// maxStrangers bounds the keys that no keyring has, such as those of break glass, and whatever somebody claims.
	maxStrangers = 32
)

// Ledger is what a mark remembers of keys. Key ids have all 32 digits, sets of them are sorted and never changed in place, times are seconds of Unix.
//
// A use is an envelope's of one object. What wraps claim only ever adds uses; one ends when the controller has opened the envelope, from the object as synced, with
// another key of the same keyring, and no wrap claims it any more.
type Ledger struct {
	// Envelopes are those that items of the object name, and the last ones that did.
	Envelopes map[string]Wrapped
	// Former are the keys needed by what Envelopes has no room for, each with when the last of that went; 0: it is there.
	Former map[string]int64
	// Rest is the digest of the names of the envelopes that are there and have no room.
	Rest string
	// Values are what was opened, by markName; each is among Mark.Items.
	Values map[string]Valued
	// MACKey names the key of the MACs.
	MACKey string
	// Lost are keys that could have opened values that were forgotten, and LostExposed says that such a value was exposed. Of an item without a value that may be any.
	Lost        []string
	LostExposed bool
}

// Wrapped is what is known of the keys of an envelope.
type Wrapped struct {
	// Needs are the keys that it is, or was, opened with.
	Needs []string
	// Ever are those that could ever have opened it, as far as its wraps say; Needs are among them.
	Ever []string
	// Gone is when the object was first seen without it; 0: it is there.
	Gone int64
}

// Valued is what is known of an item's value that was opened last.
type Valued struct {
	// MAC of the value; empty where it is not known.
	MAC string
	// Keys could have opened the value in envelopes that it was in before.
	Keys []string
	// Exposed says that one that could have was compromised.
	Exposed bool
}

// sight is what a look at an object says of keys.
type sight struct {
	claims map[string]claim // by envelope that an item names
	// shown and exposed are what the status has of keys and exposed items: it is believed where that only adds.
	shown   []v1alpha1.KeyUse
	exposed []string
	ring    *keyring.Ring
	now     int64
}

// claim is what the wraps of an envelope say: named are the keys they are for, ever all that they mention.
type claim struct{ named, ever []string }

// sightOf takes every object, also one that is of no valid form: one line may be all that is wrong with it. The status adds what a crash may have lost.
func sightOf(in *Input) sight {
	o, now := in.Object, in.Now
	if in.Marks.Date.After(now) {
		now = in.Marks.Date
	}
	return sight{claims: claimsOf(&o.Spec), shown: o.Status.Keys, exposed: o.Status.Exposed, ring: in.Ring, now: now.Unix()}
}

func claimsOf(spec *seal.Spec) map[string]claim {
	claims := map[string]claim{}
	for _, id := range spec.Referenced() {
		e, ok := spec.Envelopes[id]
		if !ok || !isEnvelope(id) {
			continue
		}
		var c claim
		for _, w := range e.Wraps {
			c.named = append(c.named, w.Keys...)
			c.ever = append(append(c.ever, w.Keys...), w.WrappedBefore...)
		}
		claims[id] = claim{keySet(c.named), keySet(c.ever)}
	}
	return claims
}

// keyring of a key; empty where no keyring has it.
func (s sight) keyring(id string) string {
	if s.ring == nil {
		return ""
	}
	if k, ok := s.ring.Key(id); ok {
		return k.Keyring
	}
	name, _ := s.ring.Unreadable(id)
	return name
}

// added is l with what a look at the object says, before there is made room for it.
func (l Ledger) added(s sight) Ledger {
	next := l.clone()
	for id, c := range s.claims {
		w := next.Envelopes[id]
		next.Envelopes[id] = Wrapped{Needs: union(w.Needs, c.named), Ever: union(w.Ever, c.ever)}
	}
	for _, u := range s.shown {
		if !isKeyID(u.ID) || !isEnvelope(u.Envelope) {
			continue
		}
		key, w := []string{u.ID}, next.Envelopes[u.Envelope]
		next.Envelopes[u.Envelope] = Wrapped{Needs: union(w.Needs, key), Ever: union(w.Ever, key), Gone: w.Gone}
	}
	for id, w := range next.Envelopes {
		if _, there := s.claims[id]; !there && w.Gone == 0 {
			w.Gone = s.now
			next.Envelopes[id] = w
		}
	}
	return next
}

// opened is l, after a look, once the object was opened as a whole, with one key for each envelope.
func (l Ledger) opened(s sight, uses []v1alpha1.KeyUse) Ledger {
	next := l.clone()
	rest := map[string]bool{} // keyrings that have opened the envelopes that have no room
	for _, u := range uses {
		w, room := next.Envelopes[u.Envelope]
		if !room {
			rest[s.keyring(u.ID)] = true
			continue
		}
		w.Needs = next.end(w.Needs, s, s.claims[u.Envelope].named, s.keyring(u.ID))
		next.Envelopes[u.Envelope] = w
	}
	if len(rest) == 1 { // all of them
		named := s.rest(next)
		maps.DeleteFunc(next.Former, func(id string, at int64) bool { return at == 0 && rest[s.keyring(id)] && !contains(named, id) })
	}
	return next
}

// end gives what is left of needs when an envelope, whose wraps name keys, was opened with one of a keyring. The keys of another keyring stay while a wrap is for that one; after
// that it is an earlier version of the object that needs them.
func (l *Ledger) end(needs []string, s sight, named []string, ring string) (left []string) {
	for _, id := range needs {
		switch other := s.keyring(id); {
		case contains(named, id):
			left = append(left, id)
		case other == ring:
		case other != "" && slices.ContainsFunc(named, func(n string) bool { return s.keyring(n) == other }):
			left = append(left, id)
		default:
			l.former(id, s.now)
		}
	}
	return left
}

// former notes that a key is needed by something that went at a time, or is there (0).
func (l *Ledger) former(id string, at int64) {
	if was, ok := l.Former[id]; !ok || at == 0 || (was != 0 && was < at) {
		l.Former[id] = at
	}
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

// left is l once the object is gone.
func (l Ledger) left(now int64) Ledger {
	next := l.clone()
	for id, w := range next.Envelopes {
		if w.Gone == 0 {
			w.Gone = now
			next.Envelopes[id] = w
		}
	}
	for id, at := range next.Former {
		if at == 0 {
			next.Former[id] = now
		}
	}
	next.Rest = ""
	return next
}

// Need is that of one object for one key.
type Need struct {
	// Present says that something which is there needs it; Gone that something which went, LastGone when the last of that did.
	Present, Gone bool
	LastGone      time.Time
}

// Needed lists the keys that are needed, by id.
func (l Ledger) Needed() map[string]Need {
	all := map[string]Need{}
	add := func(id string, gone int64) {
		n := all[id]
		if at := time.Unix(gone, 0); gone == 0 {
			n.Present = true
		} else if n.Gone = true; at.After(n.LastGone) {
			n.LastGone = at
		}
		all[id] = n
	}
	for _, w := range l.Envelopes {
		for _, id := range w.Needs {
			add(id, w.Gone)
		}
	}
	for id, at := range l.Former {
		add(id, at)
	}
	return all
}

// keys are all that l mentions.
func (l Ledger) keys() []string {
	all := slices.Clone(l.Lost)
	for _, w := range l.Envelopes {
		all = union(all, union(w.Needs, w.Ever))
	}
	for _, v := range l.Values {
		all = union(all, v.Keys)
	}
	return slices.Clone(union(all, slices.Sorted(maps.Keys(l.Former))))
}

func (l Ledger) clone() Ledger {
	l.Envelopes, l.Former, l.Values = cloned(l.Envelopes), cloned(l.Former), cloned(l.Values)
	return l
}

func cloned[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

func (l Ledger) equal(o Ledger) bool {
	return l.Rest == o.Rest && l.MACKey == o.MACKey && l.LostExposed == o.LostExposed && slices.Equal(l.Lost, o.Lost) && maps.Equal(l.Former, o.Former) &&
		maps.EqualFunc(l.Envelopes, o.Envelopes, func(a, b Wrapped) bool {
			return a.Gone == b.Gone && slices.Equal(a.Needs, b.Needs) && slices.Equal(a.Ever, b.Ever)
		}) &&
		maps.EqualFunc(l.Values, o.Values, func(a, b Valued) bool {
			return a.MAC == b.MAC && a.Exposed == b.Exposed && slices.Equal(a.Keys, b.Keys)
		})
}

// ends says whether opening the object with these keys would end a use.
func (l Ledger) ends(s sight, uses []v1alpha1.KeyUse) bool {
	next := l.opened(s, uses)
	for id, at := range l.Former {
		if _, there := next.Former[id]; at == 0 && !there {
			return true
		}
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
