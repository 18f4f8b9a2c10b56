package process

import (
	"net/http"
	"testing"
	"time"
)

// TestTheClockIsKnownToAFewMilliseconds has an API server whose clock is ahead tell whole seconds only, 40 times in a window, and then be set back.
func TestTheClockIsKnownToAFewMilliseconds(t *testing.T) {
	var told time.Duration
	c := NewClock(time.Now, func(d time.Duration) { told = d })
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ask := func(ahead time.Duration) {
		sent := now
		received := sent.Add(4 * time.Millisecond)
		c.Heard(sent.Add(2*time.Millisecond).Add(ahead).UTC().Format(http.TimeFormat), sent, received)
		now = now.Add(257 * time.Millisecond)
	}
	for _, ahead := range []time.Duration{90 * time.Second, -3 * time.Second} {
		for range 40 {
			ask(ahead)
		}
		if off := (told - ahead).Abs(); off > 20*time.Millisecond {
			t.Errorf("%s ahead, and told %s", ahead, told)
		}
	}
	told = -1
	c.Heard("yesterday", now, now)
	if told != -1 {
		t.Error("it believes what is no time")
	}
}
