package controller

import (
	"net/http"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/audit/process"
	"github.com/waxwing-io/waxwing/keyring"
)

// TestNoKeyGoesByAClockThatIsWrong has the clock jump, and nothing be let go until it is right again.
func TestNoKeyGoesByAClockThatIsWrong(t *testing.T) {
	c := newCounting(t, "prod/a")
	c.note(t, "prod/a", needs(keyA, 0), true)
	watch := process.NewClock(c.now, func(time.Duration) {})
	c.ahead = watch.Ahead
	keys := map[string]keyring.KeyUses{keyA: {Objects: 1, Examples: []string{"prod/a"}}}
	c.want(t, keyring.Uses{Keys: keys}) // nothing was heard yet
	for offset, unseen := range map[time.Duration]string{
		4 * time.Minute: "", -4 * time.Minute: "",
		time.Hour:        "this controller's clock is 1h0m0s behind the API server's",
		-720 * time.Hour: "this controller's clock is 720h0m0s ahead of the API server's",
	} {
		watch.Heard(c.at.Add(offset).UTC().Format(http.TimeFormat), c.at, c.at)
		c.want(t, keyring.Uses{Unseen: unseen, Keys: keys})
	}
}

// TestWhatGoesWhileTheClockIsBehindWentNow holds that what goes while this clock is far behind is not dated into the past: it would be forgotten as soon as the clock is right.
func TestWhatGoesWhileTheClockIsBehindWentNow(t *testing.T) {
	object := types.NamespacedName{Namespace: "prod", Name: "a"}
	for name, c := range map[string]struct {
		offset time.Duration
		gone   int64
	}{
		"behind": {1000 * time.Hour, 1000 + 1000*3600},
		"right":  {time.Second, 1000},
		"ahead":  {-time.Hour, 1000},
	} {
		for by, leave := range map[string]func(*counting){
			"seen to go": func(c *counting) {
				(&gatherer{marks: c.store, now: func() time.Time { return c.at }}).leave(t.Context(), object)
			},
			"found gone": func(c *counting) { _, _ = c.of(t.Context(), "") },
			"without room": func(c *counting) {
				c.store.limit = 1
				c.store.shardOf("prod_a").drop(func(string) bool { return false })
			},
		} {
			t.Run(name+", "+by, func(t *testing.T) {
				n := newCounting(t)
				n.note(t, "prod/a", needs(keyA, 0), true)
				n.stored(t, "prod_a")
				watch := process.NewClock(n.now, func(time.Duration) {})
				n.store.date, n.uses.now = watch.Later, watch.Later
				watch.Heard(n.at.Add(c.offset).UTC().Format(http.TimeFormat), n.at, n.at)
				leave(n)
				n.at = n.at.Add(time.Second)
				got, err := n.of(t.Context(), "")
				if off := got.Keys[keyA].LastGone.Unix() - c.gone; err != nil || off < 0 || off > 1 {
					t.Errorf("%s, not %s: %v", got.Keys[keyA].LastGone, time.Unix(c.gone, 0), err)
				}
			})
		}
	}
}
