package writeback

import "time"

// A rotation brings offers for some seconds, or minutes where the controller has much to do. They become one commit.
const (
	// Quiet is how long nothing new has to come before it is written.
	Quiet = 10 * time.Second
	// Patience is how long it is waited for quiet.
	Patience = 2 * time.Minute
)

// Pace says when what is due is written. The zero value has seen nothing. Times should have a monotonic reading.
type Pace struct {
	digest      string
	first, last time.Time
}

// Wait takes what is due now (Found.Digest), and says how long to wait before it is written: 0 is now.
func (p *Pace) Wait(digest string, now time.Time) time.Duration {
	if digest == "" {
		*p = Pace{}
		return 0
	}
	if p.digest == "" {
		p.first = now
	}
	if p.digest != digest {
		p.digest, p.last = digest, now
	}
	return max(0, min(p.last.Add(Quiet).Sub(now), p.first.Add(Patience).Sub(now)))
}

// Written says that what was due is written: what comes from now on is waited for anew.
func (p *Pace) Written() { *p = Pace{} }
