package vault

import (
	"errors"
	"strconv"
	"sync"
	"time"
)

const (
	firstPause = 250 * time.Millisecond
	// maxReachPause is how long a Vault that is away is left alone at most, maxLoginPause a login that is refused.
	maxReachPause, maxLoginPause = 5 * time.Second, 20 * time.Second
	// maxRetryAfter bounds what Vault itself asks for.
	maxRetryAfter = time.Minute
)

// gate lets everybody pass while all is well. After a failure it gives everybody that failure until some time has passed, longer each time, and then lets one pass to try.
type gate struct {
	now     func() time.Time
	jitter  func() float64
	longest time.Duration
	counts  func(*Error) bool

	mu       sync.Mutex
	failures int
	until    time.Time
	last     *Error
}

// newGate gives a gate that closes after errors that count.
func newGate(cfg Config, longest time.Duration, counts func(*Error) bool) gate {
	return gate{now: cfg.Now, jitter: cfg.Jitter, longest: longest, counts: counts}
}

// pass gives the last failure, or nil. Who passes has to report.
func (g *gate) pass(doing string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures == 0 {
		return nil
	}
	now := g.now()
	if now.Before(g.until) {
		return g.last.while(doing)
	}
	g.until = now.Add(g.pause()) // others wait for who passes now
	return nil
}

// shut gives the last failure while nobody passes, without passing.
func (g *gate) shut(doing string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures > 0 && g.now().Before(g.until) {
		return g.last.while(doing)
	}
	return nil
}

// report takes the outcome of who has passed. That the caller had no time to wait for one changes nothing.
func (g *gate) report(err error) {
	var e *Error
	errors.As(err, &e)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case e != nil && e.cause != nil:
		return
	case e == nil || !g.counts(e):
		g.failures = 0
		return
	case g.failures < 16:
		g.failures++
	}
	g.last, g.until = e, g.now().Add(max(g.pause(), retryAfter(e.wait)))
}

// pause grows with the failures; jitter keeps several controllers apart.
func (g *gate) pause() time.Duration {
	d := min(firstPause<<g.failures, g.longest)
	return d/2 + time.Duration(g.jitter()*float64(d)/2)
}

func retryAfter(seconds string) time.Duration {
	n, err := strconv.Atoi(seconds)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxRetryAfter)
}
