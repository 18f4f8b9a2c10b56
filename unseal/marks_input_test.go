package unseal_test

import (
	"slices"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestWhatGoesIsDatedByTheLaterClock has an envelope go while the controller's clock is behind, or ahead of what its mark is dated with.
func TestWhatGoesIsDatedByTheLaterClock(t *testing.T) {
	old := newKey(t, "prod-eu")
	for name, ahead := range map[string]time.Duration{"behind": 1000 * time.Hour, "ahead": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, old)
			c.apply("db", c.sealed("db", map[string]string{"user": "u"}, old))
			c.objects["db"].Spec = *c.sealed("db", map[string]string{"user": "v"}, old)
			in := c.input("db")
			in.Marks.Date = c.now.Add(ahead)
			d := unseal.Decide(in)
			if want := c.now.Add(max(ahead, 0)); d.Plan == nil || !d.Claims.Needed()[old.KeyID()].LastGone.Equal(want.Truncate(time.Second)) {
				t.Errorf("gone at %s, not %s", d.Claims.Needed()[old.KeyID()].LastGone, want)
			}
		})
	}
}

// TestADamagedMarkHidesNoExposure holds that what the wraps of an object say about a compromised key is told while its mark is damaged, and that nothing is taken away then.
func TestADamagedMarkHidesNoExposure(t *testing.T) {
	bad, good := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	c := newCluster(t, bad, good)
	c.states[bad.KeyID()] = keyring.Compromised
	look := func(key key, shown ...string) unseal.Decision {
		c.apply("db", c.sealed("db", map[string]string{"user": "u", "password": "p"}, key))
		in := c.input("db")
		in.Marks.Mark, in.Marks.Damaged, in.Object.Status.Exposed = unseal.Mark{}, true, shown
		return unseal.Decide(in)
	}
	d := look(bad)
	if !d.Exposure.Known || !slices.Equal(d.Exposure.Items, []string{"password", "user"}) || d.Claims != nil {
		t.Errorf("sealed for it: %+v, to be noted: %v", d.Exposure, d.Claims)
	}
	if d := look(good, "user"); d.Exposure.Known && !slices.Equal(d.Exposure.Items, []string{"user"}) {
		t.Errorf("shown, and not in the wraps: %+v", d.Exposure)
	}
	if d := look(good); d.Exposure.Known {
		t.Errorf("nothing speaks of it, and the mark cannot: %+v", d.Exposure)
	}
}
