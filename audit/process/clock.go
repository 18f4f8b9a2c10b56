package process

import (
	"net/http"
	"sync"
	"time"
)

const (
	// clockWindow is how long answers are compared with each other before it begins anew, because clocks drift and are set.
	clockWindow = time.Minute
	// MaxOff is how far apart this clock and the API server's may be before one of them is taken to be wrong.
	MaxOff = 5 * time.Minute
)

// Clock learns from the Date of the API server's answers how far its clock is ahead of ours. A Date tells whole seconds, and the answer was on its way: each one leaves a
// range of a bit more than a second, and all of a window together leave what they have in common, soon some milliseconds. Safe for concurrent use.
type Clock struct {
	now  func() time.Time
	tell func(time.Duration)

	mu       sync.Mutex
	began    time.Time
	from, to time.Duration
	offset   time.Duration // what was told last
}

// NewClock makes one. now is our clock; tell is told of each offset, such as audit.Recorder.Offset, so that records have it.
func NewClock(now func() time.Time, tell func(ahead time.Duration)) *Clock {
	return &Clock{now: now, tell: tell}
}

// Wrap listens to the answers of a transport: rest.Config.Wrap takes it.
func (c *Clock) Wrap(next http.RoundTripper) http.RoundTripper { return listener{next, c} }

type listener struct {
	next  http.RoundTripper
	clock *Clock
}

// RoundTrip implements http.RoundTripper.
func (l listener) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := l.clock.now()
	resp, err := l.next.RoundTrip(req)
	if err == nil {
		l.clock.Heard(resp.Header.Get("Date"), sent, l.clock.now())
	}
	return resp, err
}

// Heard takes one Date. The API server wrote it between sent and received.
func (c *Clock) Heard(date string, sent, received time.Time) {
	said, err := http.ParseTime(date)
	if err != nil {
		return
	}
	from, to := said.Sub(received), said.Add(time.Second).Sub(sent)
	c.mu.Lock()
	if received.Sub(c.began).Abs() > clockWindow || max(from, c.from) > min(to, c.to) {
		c.began, c.from, c.to = received, from, to
	} else {
		c.from, c.to = max(from, c.from), min(to, c.to)
	}
	offset := (c.from + c.to) / 2
	c.offset = offset
	c.mu.Unlock()
	c.tell(offset)
}

// Ahead is how far the API server's clock is ahead of ours; 0 before its first answer.
func (c *Clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// Later is the time of the clock that is ahead, where both are far apart. What goes is dated by it: nothing is forgotten before its time because one of them was behind.
func (c *Clock) Later() time.Time {
	now := c.now()
	if ahead := c.Ahead(); ahead > MaxOff {
		return now.Add(ahead)
	}
	return now
}
