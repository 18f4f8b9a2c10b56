package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// Recipients of tests; nobody has their private halves.
const (
	alice = "age1kmqe6tlt798r5qkuf6sl939ulgapg5mv3tw04z3evz4nttkcsfes48azaf"
	bob   = "age1mzx9c3ee0f48njy0en6w66njve8q04nmahj4a2ec25r4s5zv035q4un8t0"
)

// ringFor has keyring default with this recipient in its set of this number.
func ringFor(t *testing.T, set uint64, recipient string) *keyring.Ring {
	t.Helper()
	r, err := seal.ParseRecipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	return keyring.NewRing([]keyring.Part{{Keyring: "default", Set: statement.Recipients{Holder: "default", Set: set, Recipients: []seal.Recipient{r}}}}, nil)
}

// sealedFor is an object that is as it should be, with a wrap for the recipient in each envelope, and with these offers.
func sealedFor(namespace, name, recipient string, envelopes []string, offers ...v1alpha1.RewrapOffer) *v1alpha1.GitSecret {
	o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + name), Generation: 1, ResourceVersion: "10"}}
	o.Spec.Items, o.Spec.Envelopes = map[string]seal.Item{}, map[string]seal.Envelope{}
	for _, id := range envelopes {
		o.Spec.Items["i"+id] = seal.Item{Envelope: id}
		o.Spec.Envelopes[id] = seal.Envelope{Commit: "c" + id, Wraps: map[string]seal.Wrap{
			"default": {Keys: []string{seal.KeyID(recipient)}}, "breakglass": {Keys: []string{seal.KeyID("another")}},
		}}
	}
	o.Status = unseal.Outcome{Reason: unseal.Unsealed}.Status(v1alpha1.GitSecretStatus{}, 1, time.Now())
	o.Status.Rewrap = offers
	return o
}

// offerFor is an offer of wraps for the envelopes, as far as its lines tell.
func offerFor(set int64, envelopes ...string) v1alpha1.RewrapOffer {
	var b strings.Builder
	b.WriteString("waxwing.io/rewrap/v1\n")
	for _, id := range envelopes {
		fmt.Fprintf(&b, "envelope: %s\ncommit: c%s\nkeys: k\nage: x\n", id, id)
	}
	return v1alpha1.RewrapOffer{Holder: "default", Set: set, Note: b.String()}
}

// offerBoard is an index and what a lane knows beside it.
type offerBoard struct {
	*offers
	ring  *keyring.Ring
	epoch uint64
	now   time.Time
}

func newOfferBoard(ring *keyring.Ring) *offerBoard {
	return &offerBoard{newOffers(), ring, 1, time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

func (b *offerBoard) show(o *v1alpha1.GitSecret) {
	b.shown(o)
	b.looked(o, b.ring)
}

// jobs are those of the next plan in words; they are begun.
func (b *offerBoard) jobs(atMost, batch int) []string {
	all, _ := b.plan(b.now, b.epoch, b.ring, atMost, batch)
	var words []string
	for _, j := range all {
		b.begin(j.key)
		word := j.key.String()
		if j.withdraw {
			word = "-" + word
		}
		words = append(words, word)
	}
	return words
}

// TestWhatIsToBeDoneForAnObject holds for which objects there is something to do.
func TestWhatIsToBeDoneForAnObject(t *testing.T) {
	two := []string{first, second}
	for name, c := range map[string]struct {
		object *v1alpha1.GitSecret
		want   bool
	}{
		"its wraps are for the present keys":                {sealedFor("a", "x", bob, two), false},
		"they are for earlier ones":                         {sealedFor("a", "x", alice, two), true},
		"that is offered":                                   {sealedFor("a", "x", alice, two, offerFor(2, second, first)), false},
		"less is offered":                                   {sealedFor("a", "x", alice, two, offerFor(2, first)), true},
		"more is offered":                                   {sealedFor("a", "x", alice, two, offerFor(2, first, second, third)), true},
		"it is offered for an earlier set":                  {sealedFor("a", "x", alice, two, offerFor(1, first, second)), true},
		"what was offered has come back":                    {sealedFor("a", "x", bob, two, offerFor(2, first, second)), true},
		"somebody has put something else there":             {sealedFor("a", "x", bob, two, v1alpha1.RewrapOffer{Holder: "zzz", Set: 1, Note: "x"}), true},
		"it is offered, and something of another keyring's": {sealedFor("a", "x", alice, two, offerFor(2, first, second), v1alpha1.RewrapOffer{Holder: "zzz"}), true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newOfferBoard(ringFor(t, 2, bob))
			b.show(c.object)
			if got := len(b.jobs(10, 10)) == 1; got != c.want {
				t.Errorf("there is something to do: %t", got)
			}
			// The cache keeps no notes, and tells the same.
			slim := c.object.DeepCopy()
			slim.Status.Rewrap = slimOffers(slim.Status.Rewrap)
			b = newOfferBoard(ringFor(t, 2, bob))
			b.show(slim)
			if got := len(b.jobs(10, 10)) == 1; got != c.want {
				t.Errorf("as the cache has it, there is something to do: %t", got)
			}
			if again := slimOffers(slim.Status.Rewrap); !slices.Equal(again, slim.Status.Rewrap) {
				t.Errorf("what is slim is made slimmer: %v", again)
			}
		})
	}
	b := newOfferBoard(ringFor(t, 2, bob))
	for i, reason := range []unseal.Reason{unseal.Suspended, unseal.Tampered, unseal.KeySourceUnavailable, unseal.Pending} {
		o := sealedFor("a", fmt.Sprint(i), alice, two, offerFor(2, two...))
		o.Status = unseal.Outcome{Reason: reason}.Status(o.Status, 1, time.Now())
		b.show(o)
	}
	if got := b.jobs(10, 10); !slices.Equal(got, []string{"a/0", "a/1"}) {
		t.Errorf("offers are taken back from %q", got)
	}
}

// TestWhatWasDealtWithRests holds until when an object is not dealt with again.
func TestWhatWasDealtWithRests(t *testing.T) {
	b := newOfferBoard(ringFor(t, 2, bob))
	o := sealedFor("a", "x", alice, []string{first})
	b.show(o)
	key := keyOf(o)
	if got := b.jobs(10, 10); len(got) != 1 {
		t.Fatalf("%q", got)
	}
	b.done(dealt{key: key, uid: o.UID, version: "11"}, 1, b.now) // nothing could be offered
	if got := b.jobs(10, 10); len(got) != 0 {
		t.Errorf("what cannot be offered is tried at once again: %q", got)
	}
	b.epoch = 2 // the ring has changed
	if got := b.jobs(10, 10); len(got) != 1 {
		t.Errorf("the keys have changed, and nothing is tried: %q", got)
	}
	b.done(dealt{key: key, uid: o.UID, version: "12", standing: marksOf([]v1alpha1.RewrapOffer{offerFor(2, first)}), made: true}, 2, b.now)
	if got := b.jobs(10, 10); len(got) != 0 || b.outstanding() != 1 {
		t.Errorf("offered, and there is more to do: %q", got)
	}
	b.shown(o) // the version before, from a cache that is behind
	if b.outstanding() != 1 {
		t.Error("an older version counts")
	}
	wait := time.Duration(0)
	for i := range 20 { // somebody takes it away as often as it is made
		o.ResourceVersion = fmt.Sprint(100 + 2*i)
		b.shown(o)
		if got := b.jobs(10, 10); len(got) != 0 {
			t.Fatalf("it is made at once again the time %d", i)
		}
		_, wait = b.plan(b.now, b.epoch, b.ring, 10, 10)
		b.now = b.now.Add(wait)
		if got := b.jobs(10, 10); len(got) != 1 {
			t.Fatalf("it is not made again after %s", wait)
		}
		b.done(dealt{key: key, uid: o.UID, version: fmt.Sprint(101 + 2*i), standing: marksOf([]v1alpha1.RewrapOffer{offerFor(2, first)}), made: true}, 2, b.now)
	}
	if wait != lastAgain {
		t.Errorf("who takes offers away has one made every %s", wait)
	}
	o.UID, o.ResourceVersion = "another", "200"
	b.show(o)
	if got := b.jobs(10, 10); len(got) != 1 {
		t.Errorf("an object made anew rests with the old one: %q", got)
	}
	b.forget(key)
	if got := b.jobs(10, 10); len(got) != 0 || b.outstanding() != 0 {
		t.Errorf("an object that is gone: %q", got)
	}
}

// TestWhatChangesMeanwhileIsLookedAtAgain has an object change between what was read of it and what is noted as the outcome, before and after its own write is seen.
func TestWhatChangesMeanwhileIsLookedAtAgain(t *testing.T) {
	offer := []v1alpha1.RewrapOffer{offerFor(2, first)}
	o := sealedFor("a", "x", alice, []string{first})
	made := dealt{key: keyOf(o), uid: o.UID, version: "11", standing: marksOf(offer), made: true}
	for name, c := range map[string]struct {
		dealt     dealt
		meanwhile func(b *offerBoard)
		want      int
	}{
		"nothing changes":    {made, func(*offerBoard) {}, 0},
		"nothing is offered": {dealt{key: keyOf(o), uid: o.UID, version: "11"}, func(*offerBoard) {}, 0},
		"what was offered wrongly is taken back, which is seen, and nothing is offered": {dealt{key: keyOf(o), uid: o.UID, version: "11"}, func(b *offerBoard) {
			b.show(sealedAt("11", o, alice))
		}, 1},
		"its own write is seen": {made, func(b *offerBoard) {
			b.show(sealedAt("11", o, alice, offer...))
		}, 0},
		"somebody takes it away": {made, func(b *offerBoard) {
			b.show(sealedAt("11", o, alice, offer...))
			b.show(sealedAt("12", o, alice))
		}, 1},
		"it comes back from Git": {made, func(b *offerBoard) {
			b.show(sealedAt("12", o, bob, offer...))
		}, 1},
		"nothing could be offered, and somebody puts something there": {dealt{key: keyOf(o), uid: o.UID, version: "10"}, func(b *offerBoard) {
			b.show(sealedAt("12", o, bob, v1alpha1.RewrapOffer{Holder: "zzz", Note: "forged"}))
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newOfferBoard(ringFor(t, 2, bob))
			b.show(sealedAt("10", o, alice, offerFor(1, first)))
			if got := b.jobs(10, 10); len(got) != 1 {
				t.Fatalf("%q", got)
			}
			c.meanwhile(b)
			b.done(c.dealt, 1, b.now)
			b.now = b.now.Add(firstAgain)
			if got := b.jobs(10, 10); len(got) != c.want {
				t.Errorf("to be dealt with: %q", got)
			}
			if c.want == 0 {
				return
			}
			c.dealt.version, c.dealt.standing = b.objects[keyOf(o)].version, b.objects[keyOf(o)].standing
			b.done(c.dealt, 1, b.now) // nothing comes of it
			b.now = b.now.Add(lastAgain)
			if got := b.jobs(10, 10); len(got) != 0 {
				t.Errorf("it does not come to rest: %q", got)
			}
		})
	}
}

// sealedAt is o at a later version, with a wrap for the recipient.
func sealedAt(version string, o *v1alpha1.GitSecret, recipient string, offers ...v1alpha1.RewrapOffer) *v1alpha1.GitSecret {
	later := sealedFor(o.Namespace, o.Name, recipient, []string{first}, offers...)
	later.ResourceVersion = version
	return later
}

// TestOffersAreBounded holds that there are never more than there may be, whatever the batches, and that those that go make room.
func TestOffersAreBounded(t *testing.T) {
	b := newOfferBoard(ringFor(t, 2, bob))
	var all []*v1alpha1.GitSecret
	for i := range 1100 {
		o := sealedFor(fmt.Sprintf("ns%d", i%3), fmt.Sprintf("o%04d", i), alice, []string{first})
		all = append(all, o)
		b.show(o)
	}
	byKey := map[string]*v1alpha1.GitSecret{}
	for _, o := range all {
		byKey[keyOf(o).String()] = o
	}
	rounds := 0
	for ; rounds < 1000; rounds++ {
		jobs := b.jobs(500, 64)
		for _, name := range jobs {
			o := byKey[name]
			b.done(dealt{key: keyOf(o), uid: o.UID, version: "11", standing: marksOf([]v1alpha1.RewrapOffer{offerFor(2, first)}), made: true}, 1, b.now)
		}
		if n := b.outstanding(); n > 500 {
			t.Fatalf("%d objects have offers", n)
		}
		if len(jobs) > 0 {
			continue
		}
		n := b.outstanding()
		if n == 0 {
			break
		}
		if n != 500 && len(all) >= 500 && rounds < 20 {
			t.Fatalf("only %d have offers", n)
		}
		for _, o := range all { // what is offered comes back
			key := keyOf(o)
			if e := b.objects[key]; len(e.standing) > 0 {
				back := sealedFor(key.Namespace, key.Name, bob, []string{first})
				back.ResourceVersion = "12"
				b.show(back)
			}
		}
	}
	if b.outstanding() != 0 || rounds == 1000 {
		t.Errorf("%d are left after %d rounds", b.outstanding(), rounds)
	}
}

// TestNobodyKeepsOthersFromOffers has a namespace with 10,000 objects whose offers nobody takes, beside two small ones.
func TestNobodyKeepsOthersFromOffers(t *testing.T) {
	b := newOfferBoard(ringFor(t, 2, bob))
	offer := func(jobs []string) {
		for _, name := range jobs {
			withdraw := strings.HasPrefix(name, "-")
			ns, n, _ := strings.Cut(strings.TrimPrefix(name, "-"), "/")
			d := dealt{key: types.NamespacedName{Namespace: ns, Name: n}, uid: types.UID(ns + n), version: fmt.Sprint(b.now.Unix()), open: withdraw, made: !withdraw}
			if !withdraw {
				d.standing = marksOf([]v1alpha1.RewrapOffer{offerFor(2, first)})
			}
			b.done(d, 1, b.now)
		}
	}
	for i := range 10000 {
		b.show(sealedFor("large", fmt.Sprintf("o%05d", i), alice, []string{first}))
	}
	for i := range 5 {
		b.show(sealedFor("small", fmt.Sprint(i), alice, []string{first}))
	}
	jobs := b.jobs(20, 10)
	if n := len(slices.DeleteFunc(slices.Clone(jobs), func(s string) bool { return strings.HasPrefix(s, "large/") })); len(jobs) != 10 || n != 5 {
		t.Errorf("the first are %q", jobs)
	}
	for range 10 {
		offer(b.jobs(20, 10))
	}
	for i := range 5 {
		b.show(sealedFor("late", fmt.Sprint(i), alice, []string{first}))
	}
	if jobs := b.jobs(20, 10); len(jobs) != 0 {
		t.Errorf("offers that are new give way: %q", jobs)
	}
	b.now = b.now.Add(offerPatience)
	jobs = b.jobs(20, 10)
	if len(jobs) != 5 || slices.ContainsFunc(jobs, func(s string) bool { return !strings.HasPrefix(s, "-large/") }) {
		t.Fatalf("to make room: %q", jobs)
	}
	offer(jobs)
	if jobs = b.jobs(20, 10); len(jobs) != 5 || slices.ContainsFunc(jobs, func(s string) bool { return !strings.HasPrefix(s, "late/") }) {
		t.Errorf("then: %q", jobs)
	}
	offer(jobs)
	for range 5 { // nobody takes anything: it comes to rest
		b.now = b.now.Add(offerPatience)
		offer(b.jobs(20, 10))
	}
	if jobs := b.jobs(20, 10); len(jobs) != 0 || b.outstanding() != 20 {
		t.Errorf("%d have offers, and they go on: %q", b.outstanding(), jobs)
	}
	// Somebody who has all his offers replaced again and again leaves others their part.
	b = newOfferBoard(ringFor(t, 2, bob))
	for i := range 100 {
		b.show(sealedFor("large", fmt.Sprint(i), alice, []string{first}, offerFor(9, second)))
	}
	b.show(sealedFor("small", "0", alice, []string{first}, offerFor(1, first)))
	b.show(sealedFor("small", "1", alice, []string{first}))
	if jobs := b.jobs(500, 10); len(jobs) > 10 || !slices.Contains(jobs, "small/0") || !slices.Contains(jobs, "small/1") {
		t.Errorf("%q", jobs)
	}
}

// TestOffersKeepLittle holds that the wraps of one object cannot fill the memory.
func TestOffersKeepLittle(t *testing.T) {
	o := sealedFor("a", "x", alice, nil)
	for i := range 4096 {
		id := fmt.Sprintf("%026d", i)
		o.Spec.Items[id] = seal.Item{Envelope: id}
		o.Spec.Envelopes[id] = seal.Envelope{Commit: id, Wraps: map[string]seal.Wrap{"default": {Keys: []string{seal.KeyID(id)}}, "stranger": {Keys: []string{id}}}}
	}
	b := newOfferBoard(ringFor(t, 2, bob))
	b.show(o)
	if n := len(b.objects[keyOf(o)].wraps); n != maxWrapGroups {
		t.Errorf("%d groups are kept", n)
	}
}
