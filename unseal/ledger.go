package unseal

import (
	"maps"
	"slices"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

// Bounds of a Ledger. What does not fit is remembered by key alone, which never makes a use less.
const (
	maxPresent = 32
	maxGone    = 16
	// maxWas bounds the values of an item that were exposed before.
	maxWas = 8
	// maxStrangers bounds the keys that no keyring has, such as those of break glass, and whatever somebody claims. Keys that a keyring had when they were noted come on top.
	maxStrangers = 32
)

// Ledger is what a mark remembers of keys. Key ids have all 32 digits, sets of them are sorted and never changed in place, times are seconds of Unix.
//
// A use is an envelope's of one object: one with another commit is another envelope, also where it has the same id, which whoever seals may choose. What wraps claim only ever adds
// uses; one ends when the controller has opened the envelope, from the object as synced, with another key of the same keyring, and no wrap claims it any more.
type Ledger struct {
	// Envelopes are those that items of the object name, and the last ones that did.
	Envelopes map[string]Wrapped
	// Former are the keys needed by what Envelopes has no room for, or had in a mark that was shortened, each with when the last of that went; 0: it is there; a time
	// below 0: it is there, and something else went then.
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
	// Commit stands for the envelope's commit, see commitOf; empty where it is not known.
	Commit string
}

// Valued is what is known of an item's value that was opened last.
type Valued struct {
	// MAC of the value; empty where it is not known.
	MAC string
	// Keys could have opened the value in envelopes that it was in before.
	Keys []string
	// Exposed says that one that could have was compromised.
	Exposed bool
	// Was are the MACs of exposed values that the item had before, the last one last: one that comes back is exposed at once.
	Was []string
}

// changed is what is known of a value that has taken the place of v.
func (v Valued) changed() Valued {
	if v.Exposed {
		return Valued{Was: remembered(v.Was, v.MAC)}
	}
	return Valued{Was: v.Was}
}

// remembered is was, which does not change, with one more MAC.
func remembered(was []string, mac string) []string {
	if mac == "" {
		return was
	}
	was = append(slices.DeleteFunc(slices.Clone(was), func(m string) bool { return m == mac }), mac)
	return was[max(0, len(was)-maxWas):]
}

// sight is what a look at an object says of keys.
type sight struct {
	claims map[string]claim // by envelope that an item names
	// shown and exposed are what the status has of keys and exposed items: it is believed where that only adds.
	shown   []v1alpha1.KeyUse
	exposed []string
	ring    *keyring.Ring
	now     int64
	// same says whether the status is of these very envelopes, whatever their wraps are.
	same func() bool
}

// claim is what the wraps of an envelope say: named are the keys they are for, ever all that they mention.
type claim struct {
	named, ever []string
	commit      string
}

// sightOf takes every object, also one that is of no valid form: one line may be all that is wrong with it. The status adds what a crash may have lost.
func sightOf(in *Input) sight {
	o, now := in.Object, in.Now
	if in.Marks.Date.After(now) {
		now = in.Marks.Date
	}
	return sight{claims: claimsOf(&o.Spec), shown: o.Status.Keys, exposed: o.Status.Exposed, ring: in.Ring, now: now.Unix(), same: func() bool {
		return o.Status.Secret != nil && o.Status.Secret.Content == contentOf(o)
	}}
}

// commitOf stands for the commit of an envelope, of whatever form: 72 bits, so that no other envelope is found for it.
func commitOf(e seal.Envelope) string { return digest(e.Commit)[:commitLength] }

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
		claims[id] = claim{keySet(c.named), keySet(c.ever), commitOf(e)}
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
		w, known := next.Envelopes[id]
		// A mark of a controller that noted no commits is of this envelope where the status is: it may have been opened by none of its keys since.
		same := w.Commit == c.commit || (known && w.Commit == "" && s.same())
		if !same { // it is another one, and what is known under its id has gone
			next.formerAll(w.Needs, s.now)
			w = Wrapped{}
		}
		next.Envelopes[id] = Wrapped{Needs: union(w.Needs, c.named), Ever: union(w.Ever, c.ever), Commit: c.commit}
	}
	for _, u := range s.shown {
		if !isKeyID(u.ID) || !isEnvelope(u.Envelope) {
			continue
		}
		key, w := []string{u.ID}, next.Envelopes[u.Envelope]
		if contains(w.Needs, u.ID) {
			continue
		}
		if !s.same() { // it may be of another envelope of this id
			next.former(u.ID, s.now)
		}
		w.Needs, w.Ever = union(w.Needs, key), union(w.Ever, key)
		next.Envelopes[u.Envelope] = w
	}
	for id, w := range next.Envelopes {
		if _, there := s.claims[id]; !there && w.Gone == 0 {
			w.Gone = s.now
			next.Envelopes[id] = w
		}
	}
	return next
}

// former notes that a key is needed by something that went at a time, or is there (0).
func (l *Ledger) former(id string, at int64) {
	was, ok := l.Former[id]
	switch {
	case !ok:
		was = at
	case at == 0:
		was = min(was, -was)
	case was <= 0:
		was = min(was, -at)
	default:
		was = max(was, at)
	}
	l.Former[id] = was
}

// went notes that what is there, and needs a key of Former, went at a time; 0: it needs the key no more.
func (l *Ledger) went(id string, at int64) {
	if at = max(at, -l.Former[id]); at == 0 {
		delete(l.Former, id)
	} else {
		l.Former[id] = at
	}
}

func (l *Ledger) formerAll(ids []string, at int64) {
	for _, id := range ids {
		l.former(id, at)
	}
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
		if at <= 0 {
			next.went(id, now)
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
		n.Present = n.Present || gone <= 0
		n.Gone = n.Gone || gone != 0
		if at := time.Unix(max(gone, -gone), 0); gone != 0 && at.After(n.LastGone) {
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
			return a.Gone == b.Gone && a.Commit == b.Commit && slices.Equal(a.Needs, b.Needs) && slices.Equal(a.Ever, b.Ever)
		}) &&
		maps.EqualFunc(l.Values, o.Values, func(a, b Valued) bool {
			return a.MAC == b.MAC && a.Exposed == b.Exposed && slices.Equal(a.Keys, b.Keys) && slices.Equal(a.Was, b.Was)
		})
}
