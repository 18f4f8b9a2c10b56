package controller

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unique"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	// maxWrapGroups bounds what is kept of the wraps of one object. Beyond it no offer is made for the others.
	maxWrapGroups = 64
	// firstAgain and lastAgain are how long after an offer the same object is offered again at the soonest, where somebody takes what is offered out of its status.
	firstAgain, lastAgain = time.Second, 5 * time.Minute
	// offerPatience is how long an offer is left for somebody to take, before it gives way to one of a namespace with fewer.
	offerPatience = 10 * time.Minute
)

// offers keeps of each object what tells whether there is something to offer, or to take back: for which keys its wraps are, and what its status offers. Losing it costs a look
// at each object. Safe for concurrent use.
type offers struct {
	mu      sync.Mutex
	objects map[types.NamespacedName]*offered
	wake    chan struct{}
}

type offered struct {
	uid types.UID
	// wraps are those of the last look at the object, for keyrings; standing is what its status offers, as of version; since is when that was noticed.
	wraps    []wrapGroup
	standing []offerMark
	version  string
	since    time.Time
	// fit says that the object is as it should be, and closed that it is not, and stays so by itself.
	fit, closed bool
	// changes counts what changes above; begun is what it was before the object was read to be dealt with, and judged up to where that was done, in the epoch of the ring.
	changes, begun, judged, epoch uint64
	// next is when it may be dealt with again, made how often that was in a row.
	next time.Time
	made int
	// told is the offer for which it was said that it cannot be made.
	told uint64
}

// wrapGroup are the envelopes of an object whose wraps for one keyring are for the same keys.
type wrapGroup struct {
	of  unique.Handle[wrapKeys]
	sum uint64 // of envelopeSum
}

type wrapKeys struct{ keyring, keys string }

// offerMark is what matters of an offer: of which keyring, for which set, for which envelopes.
type offerMark struct {
	holder string
	set    int64
	sum    uint64
}

func newOffers() *offers {
	return &offers{objects: map[types.NamespacedName]*offered{}, wake: make(chan struct{}, 1)}
}

// envelopeSum stands for an envelope in a sum that stands for several. Whoever finds two sets of envelopes with the same sum keeps an offer from being made for his own object.
func envelopeSum(id, commit string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id + "\x00" + commit)) // never fails
	return h.Sum64()
}

// markPrefixOfOffer begins what the cache keeps of an offer in the place of its note.
const markPrefixOfOffer = "sum:"

// slimOffers leaves of each offer what tells it from others. The slice is a new one where something changes.
func slimOffers(all []v1alpha1.RewrapOffer) []v1alpha1.RewrapOffer {
	if !slices.ContainsFunc(all, func(o v1alpha1.RewrapOffer) bool { return !strings.HasPrefix(o.Note, markPrefixOfOffer) }) {
		return all
	}
	slim := slices.Clone(all)
	for i := range slim {
		slim[i].Note = fmt.Sprintf("%s%016x", markPrefixOfOffer, sumOfNote(slim[i].Note))
	}
	return slim
}

// sumOfNote adds up the envelopes of an offer, whoever has signed it.
func sumOfNote(text string) (sum uint64) {
	if digits, slim := strings.CutPrefix(text, markPrefixOfOffer); slim {
		sum, _ = strconv.ParseUint(digits, 16, 64)
		return sum
	}
	envelope := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if id, ok := strings.CutPrefix(line, "envelope: "); ok {
			envelope = id
		} else if commit, ok := strings.CutPrefix(line, "commit: "); ok {
			sum += envelopeSum(envelope, commit)
		}
	}
	return sum
}

func marksOf(all []v1alpha1.RewrapOffer) []offerMark {
	marks := make([]offerMark, 0, len(all))
	for _, o := range all {
		marks = append(marks, offerMark{holder: o.Holder, set: o.Set, sum: sumOfNote(o.Note)})
	}
	slices.SortFunc(marks, func(a, b offerMark) int { return strings.Compare(a.holder, b.holder) })
	return slices.Clip(marks)
}

// change does f with what is kept of an object, which f says whether it has changed.
func (x *offers) change(key types.NamespacedName, uid types.UID, f func(*offered) bool) {
	x.mu.Lock()
	e := x.objects[key]
	if e == nil || e.uid != uid {
		e = &offered{uid: uid, changes: 1} // judged is 0 before the first time
	}
	changed := f(e)
	if changed {
		e.changes++
		x.objects[key] = e
	}
	x.mu.Unlock()
	if changed {
		x.nudge()
	}
}

func (x *offers) nudge() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// shown notes what the status of a version offers that the cache is being given.
func (x *offers) shown(o *v1alpha1.GitSecret) {
	standing := marksOf(o.Status.Rewrap)
	x.change(keyOf(o), o.UID, func(e *offered) bool {
		if older(o.ResourceVersion, e.version) {
			return false
		}
		e.version = o.ResourceVersion
		return e.offers(standing)
	})
}

// offers replaces what is standing, and says whether that is another.
func (e *offered) offers(standing []offerMark) bool {
	if slices.Equal(e.standing, standing) {
		return false
	}
	e.standing, e.since = standing, time.Time{}
	return true
}

// looked notes for which keys the wraps of o are, of which all of the spec is there, and how it stands.
func (x *offers) looked(o *v1alpha1.GitSecret, ring *keyring.Ring) {
	if ring == nil {
		return
	}
	reason := unseal.ReasonOf(o.Status)
	row, _ := reason.Row()
	fit := reason == unseal.Unsealed && o.Status.ObservedGeneration == o.Generation
	closed := !fit && row.Then != unseal.Retrying
	wraps := wrapsOf(o, ring)
	x.change(keyOf(o), o.UID, func(e *offered) bool {
		if e.fit == fit && e.closed == closed && slices.Equal(e.wraps, wraps) {
			return false
		}
		if !slices.Equal(e.wraps, wraps) {
			e.next, e.made = time.Time{}, 0
		}
		e.fit, e.closed, e.wraps = fit, closed, wraps
		return true
	})
}

// wrapsOf groups the wraps of an object that are for keyrings of the ring.
func wrapsOf(o *v1alpha1.GitSecret, ring *keyring.Ring) []wrapGroup {
	sums := map[wrapKeys]uint64{}
	for _, id := range o.Spec.Referenced() {
		e := o.Spec.Envelopes[id]
		for holder, wrap := range e.Wraps {
			of := wrapKeys{holder, joined(wrap.Keys)}
			_, ours := ring.Policy(holder)
			if _, known := sums[of]; ours && (known || len(sums) < maxWrapGroups) {
				sums[of] += envelopeSum(id, e.Commit)
			}
		}
	}
	groups := make([]wrapGroup, 0, len(sums))
	for _, of := range slices.SortedFunc(maps.Keys(sums), wrapKeys.compare) {
		groups = append(groups, wrapGroup{unique.Make(of), sums[of]})
	}
	return groups
}

func (k wrapKeys) compare(o wrapKeys) int {
	if n := strings.Compare(k.keyring, o.keyring); n != 0 {
		return n
	}
	return strings.Compare(k.keys, o.keys)
}

// joined are key ids as a set.
func joined(keys []string) string {
	if len(keys) == 1 {
		return keys[0]
	}
	return strings.Join(slices.Sorted(slices.Values(keys)), " ")
}

// forget drops an object that is gone.
func (x *offers) forget(key types.NamespacedName) {
	x.mu.Lock()
	_, known := x.objects[key]
	delete(x.objects, key)
	x.mu.Unlock()
	if known {
		x.nudge()
	}
}

// outstanding counts the objects whose status offers something.
func (x *offers) outstanding() (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.objects {
		if len(e.standing) > 0 {
			n++
		}
	}
	return n
}
