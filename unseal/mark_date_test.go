package unseal_test

import (
	"testing"
	"time"

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
