package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/keyring"
)

const (
	// offerWorkers is how many objects are dealt with at a time, offerBatch how many before it is planned anew: the statement key is read once for them.
	offerWorkers, offerBatch = 4, 64
	// offerRate is how many objects are dealt with in a second at most: an offer takes the API server some 10 ms.
	offerRate = 40
	// offerTurn is how often it is looked at the most whether something is to be offered, offerRetry when an object is tried again that could not be dealt with.
	offerTurn, offerRetry = time.Second, 5 * time.Second
	// offerGather is how long a ciphertext waits for others, so that a key elsewhere is asked for many at a time.
	offerGather = time.Second
	// offerYield is how long an object waits for ordinary work to be done; offerLook how often it looks.
	offerYield, offerLook = 5 * time.Second, 50 * time.Millisecond
)

// errOffersHeld says that nothing can be offered at present.
var errOffersHeld = errors.New("the audit log cannot be written")

// offerLane makes rewrap offers and takes them back, behind all ordinary work. It writes nothing but status.rewrap.
type offerLane struct {
	index  *offers
	gather *gatherer
	report *reporter
	ring   *keyring.Live
	rings  offerRings
	// changed receives after each change of the ring.
	changed <-chan struct{}
	status  client.StatusClient
	audit   audit.Log
	// unwrapper is one of its own, beside that of the objects that are opened for their Secrets.
	unwrapper *unwrapper
	atMost    int
	pace      *rate.Limiter
	now       func() time.Time
	log       *slog.Logger
	made      prometheus.Counter

	queue atomic.Pointer[func() int] // of the ordinary work: how much of it waits
	last  *keyring.Ring
	epoch uint64
}

// newOfferLane makes a lane; the caller fills in what is not of cfg.
func newOfferLane(cfg Config, index *offers, live *keyring.Live, log audit.Log) *offerLane {
	unwrapper := newUnwrapper(live, log, newMemory(cfg.Jitter), cfg)
	unwrapper.gather = offerGather
	return &offerLane{
		index: index, ring: live, audit: log, atMost: cfg.OffersAtMost, now: cfg.Now, log: cfg.Log,
		unwrapper: unwrapper, pace: rate.NewLimiter(offerRate, offerWorkers),
		made: prometheus.NewCounter(prometheus.CounterOpts{Name: "waxwing_offers_made_total", Help: "Rewrap offers that were made, one for each object and keyring."}),
	}
}

// register registers the metrics.
func (l *offerLane) register(reg prometheus.Registerer) error {
	standing := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "waxwing_offers_outstanding", Help: "GitSecrets whose status has rewrap offers that have not come back from Git.",
	}, func() float64 { return float64(l.index.outstanding()) })
	return errors.Join(reg.Register(l.made), reg.Register(standing))
}

// source tells the lane how much ordinary work waits.
func (l *offerLane) source() source.Source {
	return source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		waits := queue.Len
		l.queue.Store(&waits)
		return nil
	})
}

// NeedLeaderElection has only the leader make offers.
func (l *offerLane) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable.
func (l *offerLane) Start(ctx context.Context) error {
	l.unwrapper.begin(ctx, func(keys []types.NamespacedName) {
		for _, key := range keys {
			l.index.later(key, time.Time{})
		}
	})
	for !l.counted(ctx) {
		if !sleep(ctx, offerTurn) {
			return nil
		}
	}
	for {
		wait := l.turn(ctx)
		var timer <-chan time.Time
		if wait > 0 {
			timer = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.index.wake:
		case <-l.changed:
		case <-timer:
		}
		if !sleep(ctx, offerTurn) {
			return nil
		}
	}
}

// counted waits until the cache is filled: before that it is not known what is offered already.
func (l *offerLane) counted(ctx context.Context) bool {
	var all v1alpha1.GitSecretList
	err := l.gather.cache.List(ctx, &all, client.UnsafeDisableDeepCopy)
	return err == nil
}

// turn deals with objects until there is nothing to do for now, and says when there may be.
func (l *offerLane) turn(ctx context.Context) (wait time.Duration) {
	for ctx.Err() == nil {
		ring := l.ring.Load()
		if ring == nil {
			return 0
		}
		if ring != l.last {
			l.last, l.epoch = ring, l.epoch+1
		}
		jobs, wait := l.index.plan(l.now(), l.epoch, ring, l.atMost, offerBatch)
		if len(jobs) == 0 {
			return wait
		}
		if err := l.batch(ctx, jobs); err != nil {
			return auditRetry
		}
	}
	return 0
}

// batch deals with some objects. An error says that nothing can be done at present.
func (l *offerLane) batch(ctx context.Context, jobs []offerJob) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo, signers := make(chan offerJob), newOfferSigners(ctx, l.rings)
	var held atomic.Bool
	var workers sync.WaitGroup
	for range min(offerWorkers, len(jobs)) {
		workers.Go(func() {
			for job := range todo {
				if ctx.Err() == nil && l.one(ctx, job, signers) {
					held.Store(true)
					cancel()
				}
			}
		})
	}
	for _, job := range jobs {
		todo <- job
	}
	close(todo)
	workers.Wait()
	if held.Load() {
		return errOffersHeld
	}
	return nil
}

// one deals with one object when it is its turn; held is true where it cannot for want of the audit log.
func (l *offerLane) one(ctx context.Context, job offerJob, signers *offerSigners) (held bool) {
	l.yield(ctx)
	if l.pace.Wait(ctx) != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	err := l.deal(ctx, job, signers)
	if err == nil || ctx.Err() != nil {
		return false
	}
	l.index.later(job.key, l.now().Add(offerRetry))
	l.log.ErrorContext(ctx, "rewrap offers", "gitsecret", job.key.String(), "error", err)
	return errors.Is(err, errOffersHeld)
}

// yield waits while ordinary work waits, but not for ever: a controller that always has some has a rotation to end too.
func (l *offerLane) yield(ctx context.Context) {
	for began := l.now(); l.now().Sub(began) < offerYield; {
		waits := l.queue.Load()
		if waits == nil || (*waits)() == 0 || !sleep(ctx, offerLook) {
			return
		}
	}
}

// sleep is false if ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// addOffers registers the lane, unless nothing is to be offered.
func addOffers(mgr ctrl.Manager, cfg Config, ordinary *gitSecrets, rings *keyring.Manager) (*offerLane, error) {
	l := newOfferLane(cfg, ordinary.gather.bodies.offers, ordinary.gather.ring, ordinary.audit)
	l.gather, l.report, l.status, l.rings, l.changed = ordinary.gather, ordinary.report, mgr.GetClient(), rings, rings.Changed()
	if cfg.OffersAtMost == 0 {
		return l, nil
	}
	return l, errors.Join(l.register(crmetrics.Registry), mgr.Add(l.unwrapper), mgr.Add(l))
}
