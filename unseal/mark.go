package unseal

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const (
	// maxItemName is how long the name of an item stands in a mark as it is; a longer one stands there as a digest.
	maxItemName = 40
	// maxMarked bounds the items of a mark. Beyond it those are forgotten that the object does not have any more, the oldest first; see Mark.Floor.
	maxMarked = 4096
	// maxRemains bounds the keys that are remembered of forgotten marks.
	maxRemains = 1024
	// digestLength is that of 16 bytes in base64 without padding.
	digestLength = 22
)

// Marks is what the controller remembers of one object, as far as it can be read. The zero value: it cannot be read at present.
type Marks struct {
	// Loaded says that the stored marks were read; without it Mark is what was noted since the start.
	Loaded bool
	// Damaged says that there is a stored mark that is none. It is never written over: somebody has to look at it.
	Damaged bool
	// Where names the place of the mark, for people.
	Where string
	// Mark is the zero value where there is none.
	Mark Mark
	// Date is when that went which the object is found not to have any more, if it is later than the controller's clock.
	Date time.Time
	// Turn is the store's own: how often somebody else had changed the mark when it was read.
	Turn uint64
}

// Mark is what is remembered of one object, by namespace and name: it outlives the object. It holds nothing secret.
type Mark struct {
	// Items has what was opened of each item by markName, also of items that are gone.
	Items map[string]Seen
	// Floor is the newest envelope of items that were forgotten for want of room; empty: none was. An item that is not among Items counts as seen in it, so
	// that nobody makes room for an old version by sealing many items.
	Floor string
	// Spent is the envelope of the last override that was used; the same one is not taken twice.
	Spent string
	// Signed says that an allowed signer has signed the object once: from then on it is not accepted unsigned.
	Signed bool
	// Signature is the digest of the last signature of an allowed signer. An object that still has it is not judged again when the signers change.
	Signature string
	// Ledger is what is remembered of keys.
	Ledger
}

// Seen is what was opened of one item: ids of envelopes, which compare as text in the order in which they were made.
type Seen struct {
	// Newest is the newest one.
	Newest string
	// Accepted is an older one that the item has gone back to, and that was let through; empty: none.
	Accepted string
}

// present is the envelope that the item was opened in last.
func (s Seen) present() string {
	if s.Accepted != "" {
		return s.Accepted
	}
	return s.Newest
}

// seen is what was opened of an item, by markName.
func (m Mark) seen(name string) Seen {
	if s, ok := m.Items[name]; ok {
		return s
	}
	return Seen{Newest: m.Floor}
}

// Newest is the newest envelope of all items; empty if there is none.
func (m Mark) Newest() string {
	newest := m.Floor
	for _, s := range m.Items {
		newest = max(newest, s.Newest)
	}
	return newest
}

// Empty says whether nothing is remembered.
func (m Mark) Empty() bool { return m.equal(Mark{}) }

func (m Mark) equal(o Mark) bool { return m.SameOpened(o) && m.Ledger.equal(o.Ledger) }

// SameOpened says whether m and o remember the same of what was opened and signed, whatever they do of keys.
func (m Mark) SameOpened(o Mark) bool {
	return maps.Equal(m.Items, o.Items) && m.Floor == o.Floor && m.Spent == o.Spent && m.Signed == o.Signed && m.Signature == o.Signature
}

func (m Mark) clone() Mark {
	m.Items, m.Ledger = cloned(m.Items), m.Ledger.clone()
	return m
}

// Merge joins two marks of an object, of which m is the later one: the newest envelope of each item counts.
func (m Mark) Merge(earlier Mark) Mark {
	out := m.clone()
	for name, theirs := range earlier.Items {
		if ours, ok := out.Items[name]; !ok || ours.Newest < theirs.Newest {
			out.Items[name] = theirs
		}
	}
	out.Floor, out.Spent = max(m.Floor, earlier.Floor), max(m.Spent, earlier.Spent)
	out.Signed = m.Signed || earlier.Signed
	if out.Signature == "" {
		out.Signature = earlier.Signature
	}
	out.Ledger = out.Ledger.merge(earlier.Ledger)
	for name, theirs := range earlier.Values {
		if _, there := out.Items[name]; there {
			ours, both := m.Values[name]
			out.Values[name] = ours.merge(theirs, both, m.MACKey == earlier.MACKey, out.Items[name] == m.Items[name])
		}
	}
	return out
}

// Compact forgets the items, and which of them were let go back, and the envelopes; it leaves the floor, and the keys.
func (m Mark) Compact() Mark {
	floor := m.Newest()
	m = m.clone()
	for name := range m.Items {
		m.forget(name)
	}
	for id := range m.Envelopes {
		m.drop(id)
	}
	m.Floor, m.Items, m.Rest, m.MACKey = floor, nil, "", ""
	return m
}

// forget drops an item, and remembers which keys could have opened it.
func (m *Mark) forget(name string) {
	v, known := m.Values[name]
	if known || len(m.Envelopes) > 0 {
		m.Lost = union(m.Lost, union(v.Keys, m.Envelopes[m.Items[name].present()].Ever))
	}
	m.LostExposed = m.LostExposed || v.Exposed
	delete(m.Values, name)
	delete(m.Items, name)
}

// Left is what is remembered once the object is gone; news is false where that is known.
func (m Mark) Left(now time.Time) (left Mark, news bool) {
	left = m
	left.Ledger = m.Ledger.left(now.Unix())
	return left, !left.Ledger.equal(m.Ledger)
}

// Remains is m, which is of no object, with the keys that a mark speaks of which is being forgotten.
func (m Mark) Remains(of Mark, now time.Time) Mark {
	m.Ledger = m.Ledger.clone()
	for id, need := range of.Needed() {
		at := need.LastGone.Unix()
		if need.Present {
			at = now.Unix()
		}
		m.former(id, at)
	}
	ids := slices.SortedFunc(maps.Keys(m.Former), func(a, b string) int { return int(m.Former[b] - m.Former[a]) })
	for _, id := range ids[min(len(ids), maxRemains):] {
		delete(m.Former, id)
	}
	return m
}

// Brimful says of a mark that Remains has made that there is room for no more keys, and some may have been forgotten.
func (m Mark) Brimful() bool { return len(m.Former) >= maxRemains }

// bound forgets items that spec does not have until there are no more than maxMarked.
func (m Mark) bound(spec *seal.Spec) Mark {
	present := map[string]bool{}
	for name := range spec.Items {
		present[markName(name)] = true
	}
	gone := slices.DeleteFunc(slices.Collect(maps.Keys(m.Items)), func(name string) bool { return present[name] })
	slices.SortFunc(gone, func(a, b string) int { return strings.Compare(m.Items[a].Newest+a, m.Items[b].Newest+b) })
	for len(m.Items) > maxMarked && len(gone) > 0 {
		m.Floor = max(m.Floor, m.Items[gone[0]].Newest)
		m.forget(gone[0])
		gone = gone[1:]
	}
	return m
}

// markName is the name of an item as marks have it.
func markName(item string) string {
	if len(item) <= maxItemName {
		return item
	}
	return "~" + digest(item)
}

// digest stands for something public: 128 bits of its SHA-256, in base64.
func digest(public string) string {
	sum := sha256.Sum256([]byte(public))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// dateOf is when an envelope was sealed, for people.
func dateOf(envelope string) string {
	u, err := ulid.ParseStrict(strings.ToUpper(envelope))
	if err != nil {
		return "an unknown date"
	}
	return ulid.Time(u.Time()).UTC().Format(time.RFC3339)
}
