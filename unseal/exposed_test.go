package unseal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// shown is what the status of prod/db says is exposed, and whether the condition goes with it.
func shown(t *testing.T, c *cluster) []string {
	t.Helper()
	s := c.objects["db"].Status
	if cond := apimeta.FindStatusCondition(s.Conditions, v1alpha1.ConditionExposed); (cond != nil) != (len(s.Exposed) > 0) || (cond != nil && cond.Reason != v1alpha1.ReasonKeyCompromised) {
		t.Errorf("the condition is %v, and %q are exposed", cond, s.Exposed)
	}
	return s.Exposed
}

// TestWhatACompromisedKeyExposes holds that an item is exposed when a compromised key could ever have opened its present value, and until the value changes.
func TestWhatACompromisedKeyExposes(t *testing.T) {
	bad, good := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	both := []string{"password", "user"}
	values := map[string]string{"user": "u", "password": "p"}
	compromise := func(c *cluster) { c.states[bad.KeyID()] = keyring.Compromised; c.look("db") }
	apply := func(spec *seal.Spec) func(*cluster) { return func(c *cluster) { c.apply("db", spec) } }
	maker := newCluster(t, bad, good)
	first := maker.sealed("db", values, bad)
	maker.now = maker.now.Add(time.Second)
	rewrapped := maker.rewrapped(first, good)
	quiet := rewrapped.DeepCopy() // by somebody who hides where it was
	for id, e := range quiet.Envelopes {
		w := e.Wraps["prod-eu"]
		w.WrappedBefore = nil
		e.Wraps["prod-eu"] = w
		quiet.Envelopes[id] = e
	}
	forged := maker.forged(first.Referenced()[0], values, good)
	resealed := maker.sealed("db", values, good)
	renewed := maker.put(resealed, map[string]string{"password": "new"}, good)
	again := maker.put(renewed, map[string]string{"password": "p"}, good)
	third := maker.put(again, map[string]string{"password": "third"}, good)
	without := renewed.DeepCopy()
	delete(without.Items, "user")
	suspended := first.DeepCopy()
	suspended.Suspend = true
	fewer := first.DeepCopy()
	delete(fewer.Items, "user")
	held := fewer.DeepCopy()
	held.Suspend = true
	renamed := fewer.DeepCopy()
	renamed.Items["login"] = first.Items["user"] // which does not open
	type step struct {
		what string
		do   func(*cluster)
		want []string
	}
	sealed, compromised := step{"sealed", apply(first), nil}, step{"compromised", compromise, both}
	for name, steps := range map[string][]step{
		"all at once":              {sealed, compromised, {"looked at again", func(c *cluster) { c.look("db") }, both}},
		"before":                   {sealed, {"rewrapped", apply(rewrapped), nil}, compromised},
		"hidden":                   {sealed, {"rewrapped", apply(quiet), nil}, compromised},
		"hidden, and never opened": {{"suspended", apply(suspended), nil}, {"rewrapped", apply(quiet), nil}, compromised},
		"never seen with the key":  {{"rewrapped", apply(quiet), nil}, {"compromised", compromise, nil}},
		"wrapped before":           {{"rewrapped", apply(rewrapped), nil}, compromised},
		"hidden, under the same id": {sealed, {"forged", func(c *cluster) {
			c.objects["db"].Status.Keys = nil // which would tell
			c.apply("db", forged)
		}, nil}, compromised},
		"hidden so, and not opened": {sealed, {"forged, and suspended", func(c *cluster) {
			c.objects["db"].Status.Keys = nil
			spec := forged.DeepCopy()
			spec.Suspend = true
			c.apply("db", spec)
		}, nil}, compromised, {"opened", apply(forged), both}},
		"sealed to it later": {{"compromised", func(c *cluster) { c.states[bad.KeyID()] = keyring.Compromised }, nil}, {"sealed", apply(first), both}},
		"not opened":         {{"suspended", apply(suspended), nil}, compromised},
		"the values stay": {sealed, compromised, {"rewrapped", apply(rewrapped), both}, {"resealed", apply(resealed), both},
			{"one renewed", apply(renewed), []string{"user"}}, {"the other gone", apply(without), nil}, {"and back", apply(renewed), []string{"user"}}},
		"the key is destroyed": {sealed, compromised, {"destroyed", func(c *cluster) { c.states[bad.KeyID()] = keyring.Destroyed }, both},
			{"resealed", apply(resealed), both}, {"one renewed", apply(renewed), []string{"user"}}},
		"the key is destroyed before one looks": {sealed, {"destroyed", func(c *cluster) {
			c.states[bad.KeyID()], c.known[bad.KeyID()] = keyring.Destroyed, true
			c.look("db")
		}, both}, {"rewrapped", apply(rewrapped), both}, {"one renewed", apply(renewed), []string{"user"}}},
		"destroyed before it comes": {{"destroyed", func(c *cluster) { c.states[bad.KeyID()], c.known[bad.KeyID()] = keyring.Destroyed, true }, nil}, {"rewrapped", apply(rewrapped), both}},
		"an item goes that the Secret has still": {sealed, compromised, {"suspended, without it", apply(held), both}, {"looked at again", func(c *cluster) { c.look("db") }, both},
			{"written without it", apply(fewer), []string{"password"}}},
		"an item has another name that does not open": {sealed, compromised, {"renamed", apply(renamed), []string{"login", "password", "user"}}, {"mended", apply(fewer), []string{"password"}}},
		"an older value comes back":                   {sealed, {"renewed", apply(renewed), nil}, {"compromised", compromise, []string{"user"}}, {"put back", apply(first), both}},
		"an exposed value comes back, sealed anew": {sealed, compromised, {"one renewed", apply(renewed), []string{"user"}}, {"the old value", apply(again), both},
			{"a third", apply(third), []string{"user"}}, {"and the old one", apply(maker.put(third, map[string]string{"password": "p"}, good)), both}},
		"the key is destroyed when it comes back": {sealed, compromised, {"one renewed", apply(renewed), []string{"user"}},
			{"destroyed", func(c *cluster) { c.states[bad.KeyID()] = keyring.Destroyed }, []string{"user"}}, {"the old value", apply(again), both}},
		"without MACs": {{"sealed", func(c *cluster) { c.macs = nil; c.apply("db", first) }, nil}, compromised, {"renewed", apply(renewed), both},
			{"with them", func(c *cluster) { c.macs = maker.macs; c.apply("db", resealed) }, both}, {"and renewed", apply(renewed), []string{"user"}}},
		"with other MACs": {sealed, compromised, {"another key", func(c *cluster) { c.macs = otherMACs(t); c.apply("db", renewed) }, both},
			{"changed again", apply(resealed), []string{"user"}}},
		"deleted, and back": {sealed, compromised, {"deleted", func(c *cluster) { c.remove("db"); c.apply("db", resealed) }, both}},
		"the mark is lost":  {sealed, compromised, {"lost", func(c *cluster) { delete(c.marks, "db"); c.look("db") }, both}, {"renewed", apply(renewed), []string{"user"}}},
		"the mark is lost before": {sealed, {"lost", func(c *cluster) { delete(c.marks, "db"); c.look("db") }, nil}, compromised, {"looked at again", func(c *cluster) { c.look("db") }, both},
			{"renewed", apply(renewed), []string{"user"}}},
		"the mark is lost, and it is resealed": {sealed, compromised, {"resealed", func(c *cluster) { delete(c.marks, "db"); c.apply("db", resealed) }, both}, {"renewed", apply(renewed), []string{"user"}}},
		"the mark is lost after a rewrap":      {sealed, compromised, {"rewrapped", apply(quiet), both}, {"lost", func(c *cluster) { delete(c.marks, "db"); c.look("db") }, both}},
		"the keys are not there":               {sealed, compromised, {"away", func(c *cluster) { c.keys = c.keys[:0]; c.look("db") }, both}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, bad, good)
			for _, s := range steps {
				c.now = c.now.Add(time.Minute)
				s.do(c)
				if c.objects["db"] == nil {
					continue
				}
				if diff := cmp.Diff(s.want, shown(t, c), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("%s: exposed: %s\n%s", s.what, diff, c.marks["db"])
				}
			}
		})
	}
}

func otherMACs(t *testing.T) *unseal.MACKey {
	t.Helper()
	k, err := unseal.NewMACKey([]byte("another key of thirty-two bytes!"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestAShortenedMarkForgetsNoKey holds that a mark that loses its items for want of room still says who needs which key, and what was exposed.
func TestAShortenedMarkForgetsNoKey(t *testing.T) {
	bad, good := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	for _, destroyed := range []bool{false, true} {
		c := newCluster(t, bad, good)
		c.apply("db", c.sealed("db", map[string]string{"user": "u", "password": "p"}, bad))
		c.states[bad.KeyID()] = keyring.Compromised
		c.look("db")
		c.marks["db"] = c.mark("db").Compact().Text()
		if m := c.mark("db"); c.need("db", bad) != "present" || len(m.Items)+len(m.Values)+len(m.Envelopes) > 0 {
			t.Errorf("%q: %s", c.need("db", bad), c.marks["db"])
		}
		if destroyed {
			c.states[bad.KeyID()] = keyring.Destroyed
		}
		c.now = c.now.Add(time.Minute)
		again := c.sealed("db", map[string]string{"user": "u", "password": "p"}, good)
		c.apply("db", again)
		if got := shown(t, c); len(got) != 2 {
			t.Errorf("exposed after it (destroyed: %v): %q: %s", destroyed, got, c.marks["db"])
		}
		c.apply("db", c.put(again, map[string]string{"user": "new"}, good))
		if got := shown(t, c); !slices.Equal(got, []string{"password"}) {
			t.Errorf("exposed once one is new (destroyed: %v): %q: %s", destroyed, got, c.marks["db"])
		}
	}
}

// TestAShortenedMarkKnowsWhatItWasWrappedFor holds that what a mark has lost of its values counts for them, also when that is found to matter later.
func TestAShortenedMarkKnowsWhatItWasWrappedFor(t *testing.T) {
	bad, good := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	c := newCluster(t, bad, good)
	first := c.sealed("db", map[string]string{"user": "u"}, bad)
	c.apply("db", first)
	quiet := c.rewrapped(first, good)
	for _, e := range quiet.Envelopes {
		w := e.Wraps["prod-eu"]
		w.WrappedBefore = nil
		e.Wraps["prod-eu"] = w
	}
	c.apply("db", quiet)
	c.marks["db"] = c.mark("db").Compact().Text()
	c.states[bad.KeyID()] = keyring.Compromised
	c.look("db")
	if got := shown(t, c); len(got) != 1 {
		t.Errorf("exposed: %q: %s", got, c.marks["db"])
	}
}

// TestWhatIsSaidOfExposedItems holds the words, and that a status is not filled with names.
func TestWhatIsSaidOfExposedItems(t *testing.T) {
	for want, e := range map[string]unseal.Exposure{
		"user is exposed: a compromised key could have opened the present value. Change it where it comes from, and seal the new one":                                             {Items: []string{"user"}},
		"a, b are exposed: the compromised key prod-eu/1 could have opened the present value. Change it where it comes from, and seal the new one":                                {Items: []string{"a", "b"}, Keys: []string{"prod-eu/1"}},
		"a, b, c and 2 more are exposed: the compromised key prod-eu/1 or one of 1 more could have opened the present value. Change it where it comes from, and seal the new one": {Items: []string{"a", "b", "c", "d", "e"}, Keys: []string{"prod-eu/1", "prod-eu/2"}},
	} {
		if got := e.Message(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	e := unseal.Exposure{Known: true}
	for i := range 4096 {
		e.Items = append(e.Items, fmt.Sprintf("%s%04d", strings.Repeat("x", 240), i))
	}
	s := unseal.Outcome{Reason: unseal.Unsealed, Exposure: e}.Status(v1alpha1.GitSecretStatus{}, 1, now())
	if n := len(strings.Join(s.Exposed, "")); n > 16<<10 || n < 15<<10 {
		t.Errorf("%d bytes of names", n)
	}
	e.Short = true
	s = unseal.Outcome{Reason: unseal.TooLarge, Exposure: e}.Status(s, 1, now())
	if len(s.Exposed) != 0 || !apimeta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionExposed) {
		t.Errorf("without room: %d names, %v", len(s.Exposed), s.Conditions)
	}
}

// TestMACsOfValues holds that a MAC is of one place and one key, and that nothing prints the key.
func TestMACsOfValues(t *testing.T) {
	mine := newKey(t, "prod-eu")
	mac := func(c *cluster, name, v string) string {
		c.apply(name, c.sealed(name, map[string]string{"a": v, "b": v}, mine))
		return c.mark(name).Values["a"].MAC
	}
	one, other := newCluster(t, mine), newCluster(t, mine)
	other.macs = otherMACs(t)
	base := mac(one, "db", canary)
	for what, m := range map[string]string{
		"another value": mac(one, "db", canary+"x"), "another object": mac(one, "dc", canary), "another key": mac(other, "db", canary), "another item": one.mark("dc").Values["b"].MAC,
	} {
		if m == base || len(m) != 16 {
			t.Errorf("the MAC of %s is %s", what, m)
		}
	}
	if again := mac(one, "db", canary); again != base {
		t.Errorf("the same value: %s, %s", base, again)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(verb, one.macs); strings.Contains(text, "0123") || strings.Contains(text, "3031") {
			t.Error(text)
		}
	}
	if _, err := unseal.NewMACKey(make([]byte, 31)); err == nil {
		t.Error("a key that is too short is taken")
	}
}

// TestTheSizeOfAMark holds what one takes in its ConfigMap, of which 32 have 30 MB in all.
func TestTheSizeOfAMark(t *testing.T) {
	mine, glass := newKey(t, "prod-eu"), newKey(t, "breakglass")
	c := newCluster(t, mine)
	c.apply("db", c.sealed("db", map[string]string{"username": "u", "password": "p", "host": "h", "port": "1", "database": "d"}, mine, glass))
	t.Logf("%d bytes: %s", len(c.marks["db"]), c.marks["db"])
	if n := len(c.marks["db"]); n > 320 {
		t.Errorf("5 items and 2 holders take %d bytes: %s", n, c.marks["db"])
	}
}

// TestExposedValuesAreRememberedUpToABound holds that a mark keeps the last 8 exposed values of an item.
func TestExposedValuesAreRememberedUpToABound(t *testing.T) {
	bad, good := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	c := newCluster(t, bad, good)
	c.states[bad.KeyID()] = keyring.Compromised
	spec := c.sealed("db", map[string]string{"user": "0"}, bad)
	for i := range 12 {
		c.apply("db", spec)
		c.now = c.now.Add(time.Minute)
		spec = c.put(spec, map[string]string{"user": fmt.Sprint(i + 1)}, bad)
	}
	if was := c.mark("db").Values["user"].Was; len(was) != 8 {
		t.Errorf("%d values are remembered", len(was))
	}
	for user, want := range map[string]int{"new": 0, "3": 0, "4": 1, "11": 1} {
		before := c.marks["db"]
		c.apply("db", c.put(spec, map[string]string{"user": user}, good))
		if got := shown(t, c); len(got) != want {
			t.Errorf("%s: exposed are %q: %s", user, got, c.marks["db"])
		}
		c.marks["db"] = before
	}
}
