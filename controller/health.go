package controller

import (
	"errors"
	"net/http"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/waxwing-io/waxwing/keyring"
)

// writable says whether the latest write of the audit log succeeded.
type writable interface{ Err() error }

// readiness holds back readiness until the replica can do its part: the leader has keys in memory (after a while also if a source is away, because the
// others' objects are served all the same), a replica that waits for the lead is past the time in which it could have got it. Both can write their audit log.
type readiness struct {
	elected <-chan struct{}
	ring    *keyring.Live
	log     writable
	now     func() time.Time
	// waits is when a replica without the lead counts as one that waits.
	waits time.Time
	// startupEnds is when a keyring whose source was not read yet counts as unavailable.
	startupEnds time.Time
}

func (r *readiness) keys(*http.Request) error {
	select {
	case <-r.elected:
		if ring := r.ring.Load(); ring == nil || (len(ring.Unavailable()) > 0 && r.now().Before(r.startupEnds)) {
			return errors.New("not every keyring has been loaded yet")
		}
		return nil
	default:
	}
	if r.now().Before(r.waits) {
		return errors.New("no replica is known to lead yet")
	}
	return nil
}

func (r *readiness) audit(*http.Request) error { return r.log.Err() }

func addHealth(mgr ctrl.Manager, cfg Config, live *keyring.Live, log writable) error {
	start := cfg.Now()
	r := &readiness{elected: mgr.Elected(), ring: live, log: log, now: cfg.Now, waits: start.Add(cfg.Elect.LeaseDuration), startupEnds: start.Add(startup)}
	return errors.Join(
		mgr.AddHealthzCheck("ping", func(*http.Request) error { return nil }),
		mgr.AddReadyzCheck("keys", r.keys),
		mgr.AddReadyzCheck("audit", r.audit),
	)
}
