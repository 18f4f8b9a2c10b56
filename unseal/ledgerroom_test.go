package unseal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestManyEnvelopes holds the bounds of what is remembered, and that no key goes unneeded because of them.
func TestManyEnvelopes(t *testing.T) {
	older, newer, dr := newKey(t, "prod-eu"), newKey(t, "prod-eu"), newKey(t, "dr")
	c := newCluster(t, older, newer, dr)
	spec := c.sealed("db", map[string]string{"a-0": "v"}, older)
	for i := range 99 {
		c.now = c.now.Add(time.Second)
		spec = c.put(spec, map[string]string{fmt.Sprintf("a-%d", i+1): "v"}, older)
	}
	if out := c.apply("db", spec); out.Reason != unseal.Unsealed {
		t.Fatal(out)
	}
	size := len(c.marks["db"])
	if n := len(c.mark("db").Envelopes); n != 32 || c.need("db", older) != "present" {
		t.Errorf("%d envelopes are remembered, the key is %q", n, c.need("db", older))
	}
	c.objects["db"].Status.Keys = nil // which would tell
	if out := c.apply("db", c.garbled(spec, newer)); out.Reason != unseal.Tampered || c.need("db", older) != "present" {
		t.Errorf("garbled: %v, the key is %q", out, c.need("db", older))
	}
	whole := c.rewrapped(spec, newer)
	if out := c.apply("db", whole); out.Reason != unseal.Unsealed || c.need("db", older) != "" || c.need("db", newer) != "present" {
		t.Errorf("rewrapped: %v, the old key is %q: %s", out, c.need("db", older), c.marks["db"])
	}
	// One of the many goes: which it was is not known, so the key counts.
	c.apply("db", spec)
	fewer := whole.DeepCopy()
	delete(fewer.Items, "a-3")
	if out := c.apply("db", fewer); out.Reason != unseal.Unsealed || !strings.Contains(c.need("db", older), "gone") {
		t.Errorf("one less: %v, the key is %q", out, c.need("db", older))
	}
	for range 40 { // each of them leaves one behind
		c.now = c.now.Add(time.Second)
		c.apply("db", c.sealed("db", map[string]string{"a-0": "v"}, dr))
	}
	m := c.mark("db")
	if len(m.Envelopes) != 17 || c.need("db", older) != "gone" || c.need("db", dr) != "present gone" || len(c.marks["db"]) > 4*size {
		t.Errorf("%d envelopes; %q, %q; %d bytes", len(m.Envelopes), c.need("db", older), c.need("db", dr), len(c.marks["db"]))
	}
}

// TestClaimsOfManyKeys holds that keys of no keyring are remembered up to a bound, and drive out none that is.
func TestClaimsOfManyKeys(t *testing.T) {
	mine, gone := newKey(t, "prod-eu"), newKey(t, "elsewhere")
	c := newCluster(t, mine)
	c.apply("db", c.sealed("db", map[string]string{"user": "u"}, mine, gone))
	spec := c.sealed("db", map[string]string{"user": "u"}, mine)
	e := spec.Envelopes[spec.Referenced()[0]]
	for h := range 31 {
		w := seal.Wrap{Age: e.Wraps["prod-eu"].Age}
		for i := range 8 {
			w.Keys = append(w.Keys, fmt.Sprintf("%032x", h*8+i+1))
		}
		e.Wraps[fmt.Sprintf("h%d", h)] = w
	}
	c.apply("db", spec)
	keys := map[string]bool{}
	for id := range c.mark("db").Needed() {
		keys[id] = true
	}
	if len(keys) != 33 || !keys[mine.KeyID()] || !keys[gone.KeyID()] || len(c.marks["db"]) > 2048 {
		t.Errorf("%d keys, %v, %v, %d bytes", len(keys), keys[mine.KeyID()], keys[gone.KeyID()], len(c.marks["db"]))
	}
}

// TestKeysThatAreNotReadYetAreNotDrivenOut holds that a look while a keyring is not read, by which each of its keys is one of no keyring, forgets none for invented ones.
func TestKeysThatAreNotReadYetAreNotDrivenOut(t *testing.T) {
	old := newKey(t, "prod-eu")
	c := newCluster(t, old)
	spec := c.sealed("db", map[string]string{"user": "u"}, old)
	e := spec.Envelopes[spec.Referenced()[0]]
	w := e.Wraps["prod-eu"]
	for i := range 32 {
		w.WrappedBefore = append(w.WrappedBefore, fmt.Sprintf("%032x", i+1))
	}
	e.Wraps["prod-eu"] = w
	c.apply("db", spec)
	for what, ring := range map[string]*keyring.Ring{"no ring": nil, "not read": keyring.NewRing(nil, []string{"prod-eu"}), "no keyring": keyring.NewRing(nil, nil)} {
		in := c.input("db")
		in.Ring, in.Starting = ring, true
		if d := unseal.Decide(in); d.Claims != nil {
			t.Errorf("%s: a look that says nothing new leaves %q: %s", what, d.Claims.Text(), c.marks["db"])
		}
	}
}

// TestAKeyThatHasNoRoomIsSaid holds that a key which an object is sealed to, and which is cut from its mark because its keyring is not read, is told of, so that it is counted; and
// that the mark has it once the keyring is read.
func TestAKeyThatHasNoRoomIsSaid(t *testing.T) {
	mine := newKey(t, "prod-eu")
	c := newCluster(t, mine)
	spec := c.sealed("db", map[string]string{"user": "u"}, mine)
	e := spec.Envelopes[spec.Referenced()[0]]
	for h := range 5 {
		w := seal.Wrap{Age: e.Wraps["prod-eu"].Age}
		for i := range 8 {
			w.Keys = append(w.Keys, fmt.Sprintf("%032x", h*8+i+1))
			w.WrappedBefore = append(w.WrappedBefore, fmt.Sprintf("%032x", 1000+h*8+i))
		}
		e.Wraps[fmt.Sprintf("h%d", h)] = w
	}
	c.away = true
	c.apply("db", spec)
	if m := c.mark("db"); len(m.Needed()) != 32 || m.Mentions(fmt.Sprintf("%032x", 1000)) || len(c.cut["db"]) != 9 || !slices.Contains(c.cut["db"], mine.KeyID()) {
		t.Errorf("%d keys in the mark, besides %v", len(m.Needed()), c.cut["db"])
	}
	c.away = false
	if c.look("db"); c.need("db", mine) != "present" || len(c.cut["db"]) != 8 {
		t.Errorf("with the keyring it is %q, besides %v", c.need("db", mine), c.cut["db"])
	}
}

// TestAKeyOfAShortenedMarkBecomesFree holds that a key which a mark only has as one that something needs, since it was shortened, is needed for that long only until the object is
// opened with another one, and that this costs one opening.
func TestAKeyOfAShortenedMarkBecomesFree(t *testing.T) {
	older, newer, dr := newKey(t, "prod-eu"), newKey(t, "prod-eu"), newKey(t, "dr")
	c := newCluster(t, older, newer, dr)
	spec := c.sealed("db", map[string]string{"user": "u", "password": "p"}, older, dr)
	shorten := func() { c.marks["db"] = c.mark("db").Compact().Text() }
	c.apply("db", spec)
	shorten()
	c.apply("db", c.garbled(spec, newer))
	if got := c.need("db", older); got != "present" {
		t.Errorf("garbled: %q: %s", got, c.marks["db"])
	}
	shorten()
	c.now = c.now.Add(time.Minute)
	c.apply("db", c.rewrapped(spec, newer))
	shorten()
	for range 3 {
		c.now = c.now.Add(time.Minute)
		c.look("db")
	}
	if old, is, other := c.need("db", older), c.need("db", newer), c.need("db", dr); old != "gone" || is != "present" || other != "present" {
		t.Errorf("rewrapped: %q, %q, %q: %s", old, is, other, c.marks["db"])
	}
	shorten()
	without := c.rewrapped(spec, newer)
	delete(without.Envelopes[without.Referenced()[0]].Wraps, "dr")
	c.apply("db", without)
	opens := c.opens
	for range 3 {
		c.look("db")
	}
	if other := c.need("db", dr); other != "gone" || c.opens != opens {
		t.Errorf("without it: %q, and %d openings: %s", other, c.opens-opens, c.marks["db"])
	}
}

// ofMany is a cluster that has seen prod/db with 40 envelopes for a key, and that object with wraps for another key, and with another envelope in the place of the last one.
func ofMany(t *testing.T, older, newer key) (c *cluster, forged *seal.Spec) {
	t.Helper()
	c = newCluster(t, older, newer)
	spec := c.sealed("db", map[string]string{"a-0": "v"}, older)
	for i := range 39 {
		c.now = c.now.Add(time.Second)
		spec = c.put(spec, map[string]string{fmt.Sprintf("a-%d", i+1): "v"}, older)
	}
	c.apply("db", spec)
	forged = c.rewrapped(spec, newer)
	id := spec.Items["a-39"].Envelope
	other := c.forged(id, map[string]string{"a-39": "x"}, newer)
	forged.Items["a-39"], forged.Envelopes[id] = other.Items["a-39"], other.Envelopes[id]
	return c, forged
}

// TestWhatWentIsNotForgottenWithWhatIsThere holds that a key which is needed by one of many envelopes, and by one that went, keeps the second use when the first ends; and that the
// first ends only by an opening.
func TestWhatWentIsNotForgottenWithWhatIsThere(t *testing.T) {
	older, newer := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	c, forged := ofMany(t, older, newer)
	garbled := c.garbled(forged, newer)
	delete(garbled.Items, "a-3") // one of those without room
	c.now = c.now.Add(time.Minute)
	if out := c.apply("db", garbled); out.Reason != unseal.Tampered || c.need("db", older) != "present gone" {
		t.Errorf("garbled: %v, the key is %q: %s", out, c.need("db", older), c.marks["db"])
	}
	if out := c.apply("db", forged); out.Reason != unseal.Unsealed || c.need("db", older) != "gone" || c.need("db", newer) != "present gone" {
		t.Errorf("forged: %v, the keys are %q, %q: %s", out, c.need("db", older), c.need("db", newer), c.marks["db"])
	}
	if n := c.mark("db").Needed()[older.KeyID()]; !n.LastGone.Equal(c.now) {
		t.Errorf("it went at %v, %v", n.LastGone, c.now)
	}
}

// TestOfManyEnvelopesOneThatIsForged is as the last test, and nothing is said by envelopes that changed.
func TestOfManyEnvelopesOneThatIsForged(t *testing.T) {
	older, newer := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	c, forged := ofMany(t, older, newer)
	if out := c.apply("db", forged); out.Reason != unseal.Unsealed || c.need("db", older) != "gone" || c.need("db", newer) != "present" {
		t.Errorf("%v, the keys are %q, %q: %s", out, c.need("db", older), c.need("db", newer), c.marks["db"])
	}
}
