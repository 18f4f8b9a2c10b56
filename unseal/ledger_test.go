package unseal_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// wantNeeds holds what is known of who needs which key for prod/db.
func wantNeeds(t *testing.T, c *cluster, what string, want map[string]string, keys map[string]key) {
	t.Helper()
	for name, k := range keys {
		if got := c.need("db", k); got != want[name] {
			t.Errorf("%s: the key %s is needed by what is %q, want %q: %s", what, name, got, want[name], c.marks["db"])
		}
	}
}

// TestWhoNeedsWhichKey plays what becomes of the uses of keys, with each trick that somebody who writes to Git has.
func TestWhoNeedsWhichKey(t *testing.T) {
	type step struct {
		what   string
		do     func(c *cluster)
		reason unseal.Reason
		want   map[string]string
	}
	type needs = map[string]string
	k := map[string]key{"old": newKey(t, "prod-eu"), "new": newKey(t, "prod-eu"), "dr": newKey(t, "dr")}
	glass := newKey(t, "breakglass")
	var first, second *seal.Spec
	apply := func(spec func(c *cluster) *seal.Spec) func(*cluster) {
		return func(c *cluster) { c.apply("db", spec(c)) }
	}
	was := func(spec **seal.Spec) func(*cluster) { return apply(func(*cluster) *seal.Spec { return *spec }) }
	begin := step{"sealed", apply(func(c *cluster) *seal.Spec {
		first = c.sealed("db", map[string]string{"user": "u", "password": "p"}, k["old"], glass)
		return first
	}), unseal.Unsealed, needs{"old": "present"}}
	for name, steps := range map[string][]step{
		"a rewrap ends the use of the old key": {begin, {
			"rewrapped", apply(func(c *cluster) *seal.Spec { return c.rewrapped(first, k["new"]) }), unseal.Unsealed, needs{"new": "present"},
		}},
		"a claim over a garbled wrap ends nothing": {begin, {
			"garbled", apply(func(c *cluster) *seal.Spec { return c.garbled(first, k["new"]) }), unseal.Tampered, needs{"old": "present", "new": "present"},
		}, {
			"and again, after a crash that has lost the mark", func(c *cluster) { delete(c.marks, "db"); c.look("db") }, unseal.Tampered, needs{"old": "present", "new": "present"},
		}, {
			"mended", apply(func(c *cluster) *seal.Spec { return c.rewrapped(first, k["new"]) }), unseal.Unsealed, needs{"new": "present"},
		}},
		"a claim beside a good wrap counts": {begin, {
			"for both", apply(func(c *cluster) *seal.Spec { return c.rewrapped(first, k["new"], k["old"]) }), unseal.Unsealed, needs{"old": "present", "new": "present"},
		}},
		"a suspended object is not opened": {begin, {
			"suspended", apply(func(c *cluster) *seal.Spec {
				spec := c.rewrapped(first, k["new"])
				spec.Suspend = true
				return spec
			}), unseal.Suspended, needs{"old": "present", "new": "present"},
		}, {
			"and is", apply(func(c *cluster) *seal.Spec { return c.rewrapped(first, k["new"]) }), unseal.Unsealed, needs{"new": "present"},
		}},
		"an object that is deleted needs its key when it comes back": {begin, {
			"deleted", func(c *cluster) { c.remove("db") }, "", needs{"old": "gone"},
		}, {
			"back", was(&first), unseal.Unsealed, needs{"old": "present"},
		}},
		"deleted, and back with garbled wraps": {begin, {
			"deleted", func(c *cluster) { c.remove("db") }, "", needs{"old": "gone"},
		}, {
			"back", apply(func(c *cluster) *seal.Spec { return c.garbled(first, k["new"]) }), unseal.Tampered, needs{"old": "present", "new": "present"},
		}},
		"an older version that is put back": {begin, {
			"rewrapped", apply(func(c *cluster) *seal.Spec { return c.rewrapped(first, k["new"]) }), unseal.Unsealed, needs{"new": "present"},
		}, {
			"put back", was(&first), unseal.Unsealed, needs{"old": "present"},
		}},
		"a new envelope leaves the one before": {begin, {
			"resealed", apply(func(c *cluster) *seal.Spec {
				second = c.sealed("db", map[string]string{"user": "u", "password": "p"}, k["new"])
				return second
			}), unseal.Unsealed, needs{"old": "gone", "new": "present"},
		}, {
			"garbled, of the first", apply(func(c *cluster) *seal.Spec { return c.garbled(first, k["new"]) }), unseal.Tampered, needs{"old": "present", "new": "present gone"},
		}},
		"one item is sealed anew": {begin, {
			"put", apply(func(c *cluster) *seal.Spec { return c.put(first, map[string]string{"password": "q"}, k["new"]) }), unseal.Unsealed, needs{"old": "present", "new": "present"},
		}},
		"another keyring's wrap goes": {{"sealed for two", apply(func(c *cluster) *seal.Spec {
			first = c.sealed("db", map[string]string{"user": "u"}, k["old"], k["dr"])
			return first
		}), unseal.Unsealed, needs{"old": "present", "dr": "present"}}, {
			"rewrapped", apply(func(c *cluster) *seal.Spec { return c.rewrapped(first, k["new"]) }), unseal.Unsealed, needs{"new": "present", "old": "present", "dr": "present"},
		}, {
			"opened with the other, too", func(c *cluster) { c.look("db") }, unseal.Unsealed, needs{"new": "present", "dr": "present"},
		}, {
			"without it", apply(func(c *cluster) *seal.Spec {
				spec := c.rewrapped(first, k["new"])
				delete(spec.Envelopes[spec.Referenced()[0]].Wraps, "dr")
				return spec
			}), unseal.Unsealed, needs{"new": "present", "dr": "gone"},
		}},
		"another place's object": {{"copied", apply(func(c *cluster) *seal.Spec { return c.sealed("other", map[string]string{"user": "u"}, k["old"]) }), unseal.ScopeMismatch, needs{"old": "present"}}},
		"an object of no valid form": {{"broken", apply(func(c *cluster) *seal.Spec {
			spec := c.sealed("db", map[string]string{"user": "u", "password": "p"}, k["old"])
			spec.Items["user"] = seal.Item{Envelope: spec.Items["user"].Envelope, Value: "%"}
			return spec
		}), unseal.InvalidFormat, needs{"old": "present"}}},
		"what no item names": {{"left over", apply(func(c *cluster) *seal.Spec {
			spec := c.sealed("db", map[string]string{"user": "u"}, k["old"])
			more := c.put(spec, map[string]string{"password": "p"}, k["new"])
			delete(more.Items, "password")
			return more
		}), unseal.Unsealed, needs{"old": "present"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, k["old"], k["new"], k["dr"])
			for _, s := range steps {
				c.now = c.now.Add(time.Minute)
				s.do(c)
				if o := c.objects["db"]; o != nil && unseal.ReasonOf(o.Status) != s.reason {
					t.Fatalf("%s: %v", s.what, o.Status.Conditions)
				}
				wantNeeds(t, c, s.what, s.want, k)
			}
		})
	}
}

// TestAnEndThatWasLostIsFoundAgain holds that an object is opened once more when a crash has forgotten that its old key is not needed, once, and without writing.
func TestAnEndThatWasLostIsFoundAgain(t *testing.T) {
	older, newer := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	c := newCluster(t, older, newer)
	first := c.sealed("db", map[string]string{"user": "u", "password": "p"}, older)
	c.apply("db", first)
	saved := c.marks["db"]
	c.apply("db", c.rewrapped(first, newer))
	c.marks["db"] = saved
	d := unseal.Decide(c.input("db"))
	if d.Action != unseal.Open || d.Plan.Proves == nil || d.Plan.Repairs {
		t.Fatalf("%+v", d)
	}
	c.opens = 0
	for range 3 {
		if out := c.look("db"); out.Reason != unseal.Unsealed || c.need("db", older) != "" || c.need("db", newer) != "present" {
			t.Errorf("%+v: %s", out, c.marks["db"])
		}
	}
	if c.opens != 1 {
		t.Errorf("it was opened %d times", c.opens)
	}
}

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

// TestNoKeyThatIsNeededIsWithoutAUse plays random histories of objects in Git, with a controller that crashes. A key that an object was ever sealed to, while no other key of its keyring
// opens the object as it is, has a use; one that the object names now is needed by something that is there.
func TestNoKeyThatIsNeededIsWithoutAUse(t *testing.T) {
	keys := []key{newKey(t, "prod-eu"), newKey(t, "prod-eu"), newKey(t, "prod-eu"), newKey(t, "dr"), newKey(t, "dr")}
	for seed := range uint64(40) {
		h := newHistory(t, seed, keys)
		for range 40 {
			h.step()
			if t.Failed() {
				t.Fatalf("seed %d:\n%s", seed, strings.Join(h.log, "\n"))
			}
		}
	}
}

// history is that of one random test.
type history struct {
	*cluster
	t        *testing.T
	r        *rand.Rand
	log      []string
	versions []*seal.Spec
	named    map[string]bool // ENVELOPE KEY that the object was seen with
	saved    string
	savedIDs map[string]bool
}

func newHistory(t *testing.T, seed uint64, keys []key) *history {
	return &history{cluster: newCluster(t, keys...), t: t, r: rand.New(rand.NewPCG(seed, 1)), named: map[string]bool{}, savedIDs: map[string]bool{}}
}

func (h *history) key() key { return h.keys[h.r.IntN(len(h.keys))] }

func (h *history) version() *seal.Spec {
	if len(h.versions) == 0 {
		return h.cluster.sealed("db", map[string]string{"user": "u", "password": "p"}, h.key())
	}
	return h.versions[h.r.IntN(len(h.versions))].DeepCopy()
}

func (h *history) step() {
	h.t.Helper()
	h.now = h.now.Add(time.Second)
	spec, crashed := h.version(), false
	k := h.key()
	ops := []struct {
		what string
		do   func()
	}{
		{"seal", func() { spec = h.cluster.sealed("db", map[string]string{"user": "u", "password": "p"}, k) }},
		{"seal for two", func() {
			if other := h.key(); other.KeyID() != k.KeyID() {
				spec = h.cluster.sealed("db", map[string]string{"user": "u", "password": "p"}, k, other)
			}
		}},
		{"put", func() { spec = h.put(spec, map[string]string{"user": "v"}, k) }},
		{"rewrap", func() { spec = h.mend(spec, k) }},
		{"rewrap", func() { spec = h.mend(spec, k) }},
		{"garble", func() { spec = h.garbled(spec, k) }},
		{"suspend", func() { spec.Suspend = !spec.Suspend }},
		{"put back", func() {}},
		{"delete", func() { spec = nil }},
		{"save", func() { h.saved, h.savedIDs = h.marks["db"], clone(h.named) }},
		{"crash", func() { crashed = true }},
	}
	op := ops[h.r.IntN(len(ops))]
	op.do()
	h.log = append(h.log, op.what+" "+keyring.Display(k.KeyID()))
	switch {
	case op.what == "save":
		return
	case crashed:
		h.crash()
	case spec == nil:
		h.remove("db")
	default:
		h.versions = append(h.versions, spec)
		h.apply("db", spec)
	}
	h.check()
}

// mend rewraps what can be opened at all.
func (h *history) mend(spec *seal.Spec, k key) *seal.Spec {
	spec = spec.DeepCopy()
	var ids []seal.Identity
	for _, k := range h.keys {
		ids = append(ids, k.Identity)
	}
	_, _ = seal.Rewrap(spec, h.holders(k)[0], seal.NewIdentities(ids...))
	return spec
}

// crash loses what was not saved. The object's status stays.
func (h *history) crash() {
	delete(h.marks, "db")
	if h.saved != "" {
		h.marks["db"] = h.saved
	}
	h.named = clone(h.savedIDs)
	if o := h.objects["db"]; o != nil {
		for _, u := range o.Status.Keys {
			h.named[u.Envelope+" "+u.ID] = true
		}
		h.look("db")
	} else if h.saved != "" {
		h.remove("db")
	}
}

func (h *history) check() {
	h.t.Helper()
	if h.marks["db"] == "" {
		return
	}
	now := map[string]bool{}
	if o := h.objects["db"]; o != nil {
		for _, e := range o.Spec.Referenced() {
			for _, w := range o.Spec.Envelopes[e].Wraps {
				for _, id := range w.Keys {
					now[id], h.named[e+" "+id] = true, true
				}
			}
		}
	}
	for _, k := range h.keys {
		need := h.need("db", k)
		if now[k.KeyID()] && !strings.Contains(need, "present") {
			h.t.Errorf("%s is named, and %q", keyring.Display(k.KeyID()), need)
		}
		for pair := range h.named {
			e, id, _ := strings.Cut(pair, " ")
			if id == k.KeyID() && need == "" && !h.opensWithout(e, k) {
				h.t.Errorf("%s was named for %s, which no other key of its keyring opens, and it has no use: %s", keyring.Display(id), e, h.marks["db"])
			}
		}
	}
}

// opensWithout says whether another key of the same keyring opens an envelope in any version that there was: the use of this one may have ended then.
func (h *history) opensWithout(envelope string, k key) bool {
	return slices.ContainsFunc(h.versions, func(spec *seal.Spec) bool {
		spec = spec.DeepCopy()
		maps.DeleteFunc(spec.Items, func(_ string, i seal.Item) bool { return i.Envelope != envelope })
		checked, err := seal.Check(spec)
		return err == nil && len(spec.Items) > 0 && slices.ContainsFunc(h.keys, func(other key) bool {
			if other.holder != k.holder || other.KeyID() == k.KeyID() {
				return false
			}
			_, err := checked.Open(seal.Target{Namespace: "prod", Name: "db"}, seal.NewIdentities(other.Identity))
			return err == nil
		})
	})
}

func clone(m map[string]bool) map[string]bool {
	out := map[string]bool{}
	maps.Copy(out, m)
	return out
}
