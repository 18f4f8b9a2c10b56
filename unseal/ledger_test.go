package unseal_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
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
	commits := regexp.MustCompile("~[^ ,]+")
	upgrade := func(c *cluster) { c.marks["db"] = commits.ReplaceAllString(c.marks["db"], "") }
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
		"another envelope under the same id ends nothing": {begin, {
			"another", apply(func(c *cluster) *seal.Spec {
				return c.forged(first.Referenced()[0], map[string]string{"user": "x", "password": "y"}, k["new"])
			}), unseal.Unsealed, needs{"old": "gone", "new": "present"},
		}, {
			"put back", was(&first), unseal.Unsealed, needs{"old": "present gone", "new": "gone"},
		}},
		"nor does it where the first is gone": {begin, {
			"deleted", func(c *cluster) { c.remove("db") }, "", needs{"old": "gone"},
		}, {
			"another", apply(func(c *cluster) *seal.Spec {
				return c.forged(first.Referenced()[0], map[string]string{"user": "x", "password": "y"}, k["new"])
			}), unseal.Unsealed, needs{"old": "gone", "new": "present"},
		}},
		"nor after a crash that has lost the mark": {begin, {
			"another", func(c *cluster) {
				delete(c.marks, "db")
				c.apply("db", c.forged(first.Referenced()[0], map[string]string{"user": "x", "password": "y"}, k["new"]))
			}, unseal.Unsealed, needs{"old": "gone", "new": "present"},
		}},
		"a mark of a controller that noted no commits": {begin, {
			"garbled", apply(func(c *cluster) *seal.Spec { return c.garbled(first, k["new"]) }), unseal.Tampered, needs{"old": "present", "new": "present"},
		}, {
			"an upgrade", func(c *cluster) { upgrade(c); c.look("db") }, unseal.Tampered, needs{"old": "present", "new": "present"},
		}, {
			"mended", apply(func(c *cluster) *seal.Spec { return c.rewrapped(first, k["new"]) }), unseal.Unsealed, needs{"new": "present"},
		}},
		"of such a controller, and what is there is another envelope under the same id": {begin, {
			"another", func(c *cluster) {
				upgrade(c)
				c.apply("db", c.forged(first.Referenced()[0], map[string]string{"user": "x", "password": "y"}, k["new"]))
			}, unseal.Unsealed, needs{"old": "gone", "new": "present"},
		}},
		"of such a controller, and the object was deleted": {begin, {
			"deleted", func(c *cluster) { c.remove("db"); upgrade(c) }, "", needs{"old": "gone"},
		}, {
			"back", was(&first), unseal.Unsealed, needs{"old": "present gone"},
		}},
		"a crash and a rewrap leave nothing": {begin, {
			"rewrapped", func(c *cluster) { delete(c.marks, "db"); c.apply("db", c.rewrapped(first, k["new"])) }, unseal.Unsealed, needs{"new": "present"},
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

// TestAKeyringThatIsNotReadKeepsItsUses holds that an opening with one keyring ends no use of another, which is not read, whatever the wraps say; and that the end is found later.
func TestAKeyringThatIsNotReadKeepsItsUses(t *testing.T) {
	mine, older, newer := newKey(t, "prod-eu"), newKey(t, "dr"), newKey(t, "dr")
	c := newCluster(t, mine, older, newer)
	spec := c.sealed("db", map[string]string{"user": "u"}, mine, older)
	c.apply("db", spec)
	c.unread = "dr"
	if out := c.apply("db", c.garbled(spec, newer)); out.Reason != unseal.Unsealed || c.need("db", older) != "present" {
		t.Errorf("garbled: %v, the key is %q: %s", out, c.need("db", older), c.marks["db"])
	}
	c.apply("db", c.rewrapped(spec, newer))
	c.unread = ""
	for range 2 {
		c.look("db")
	}
	if old, is := c.need("db", older), c.need("db", newer); old != "" || is != "present" || c.need("db", mine) != "present" {
		t.Errorf("rewrapped: %q, %q: %s", old, is, c.marks["db"])
	}
}
