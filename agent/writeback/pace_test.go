package writeback_test

import (
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/writeback"
)

func TestARotationIsWaitedForUntilItIsQuiet(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	var p writeback.Pace
	for _, c := range []struct {
		at     int // seconds
		digest string
		want   time.Duration
	}{
		{0, "", 0}, {1, "a", 10 * time.Second}, {5, "a", 6 * time.Second}, {6, "b", 10 * time.Second}, {16, "b", 0}, {17, "b", 0},
		// Nothing is due, and then anew.
		{18, "", 0}, {19, "b", 10 * time.Second},
	} {
		if got := p.Wait(c.digest, start.Add(time.Duration(c.at)*time.Second)); got != c.want {
			t.Errorf("at %d s with %q: %s, want %s", c.at, c.digest, got, c.want)
		}
	}
	p.Written()
	// It does not wait for quiet that never comes.
	for at := 0; at < 115; at++ {
		if p.Wait(time.Duration(at).String(), start.Add(time.Duration(at)*time.Second)) == 0 {
			t.Fatalf("after %d s", at)
		}
	}
	if got := p.Wait("x", start.Add(119*time.Second)); got != time.Second {
		t.Errorf("shortly before the end of patience: %s", got)
	}
	if got := p.Wait("y", start.Add(writeback.Patience)); got != 0 {
		t.Errorf("at the end of patience: %s", got)
	}
	p.Written()
	if got := p.Wait("y", start.Add(writeback.Patience+time.Second)); got != writeback.Quiet {
		t.Errorf("after it was written: %s", got)
	}
}
