package controller

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	// gatherFor is gather for objects that are opened for their Secrets.
	gatherFor = 2 * time.Millisecond
	// maxFlying is how many requests are under way for one key: a second one goes only if it is full.
	maxFlying = 2
	// maxFetched is how many objects have what they need in memory and were not opened yet, at most; then no more is asked for, because what is not used in a minute is lost.
	maxFetched = 4 * keyring.MaxPrefetch
	// fetchedFor is how long an object is expected to come for what was decrypted for it.
	fetchedFor = time.Minute
	// unwrapTimeout bounds one request, above what a client allows itself.
	unwrapTimeout = 30 * time.Second
	// firstUnwrapRetry and lastUnwrapRetry are how long a key that could not be asked is left alone.
	firstUnwrapRetry, lastUnwrapRetry = time.Second, 30 * time.Second
	// unwrapLook is when an object that waits is looked at even if nobody wakes it.
	unwrapLook = time.Minute
)

// unwrapper has ciphertexts decrypted by the place where a key is, many by one request, ahead of the opening of their objects. An object that needs something is given
// back by its worker and queued again when it is there, so no worker ever waits for a key. Safe for concurrent use.
type unwrapper struct {
	ring   *keyring.Live
	audit  audit.Log
	seen   *memory
	now    func() time.Time
	jitter func() float64
	log    *slog.Logger
	// gather is how long a first object waits for others to be decrypted with it.
	gather time.Duration

	mu    sync.Mutex
	lanes map[string]*lane // by key id
	ctx   context.Context  // nil before the start
	queue func(keys []types.NamespacedName)

	flights sync.WaitGroup // requests under way, with their records
}

// lane is what waits for one key.
type lane struct {
	keyID   string
	wants   map[types.NamespacedName]*want
	waiting []*want // those that are not being asked for, in the order in which they came
	flying  int     // requests under way
	fetched map[types.NamespacedName]time.Time
	awaited bool // pump will be called without any doing
	// failure is why the last request could not be made; the next is made after retry.
	failure *unseal.Outcome
	retry   time.Time
	tries   int
	// short is how often the size of a request is halved: each failure does, each success takes one back. A full one may be more than a slow place can do in time.
	short uint
}

// want is what one object needs.
type want struct {
	key  types.NamespacedName
	need unseal.Remote
	part int  // how many of the ciphertexts the present request has
	told bool // of the present failure
}

func newUnwrapper(ring *keyring.Live, log audit.Log, seen *memory, cfg Config) *unwrapper {
	return &unwrapper{ring: ring, audit: log, seen: seen, now: cfg.Now, jitter: cfg.Jitter, log: cfg.Log, gather: gatherFor, lanes: map[string]*lane{}}
}

// source starts the work, and queues objects again, before those that wait since a start.
func (u *unwrapper) source() source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		u.begin(ctx, func(keys []types.NamespacedName) {
			for _, key := range keys {
				queue.Add(reconcile.Request{NamespacedName: key})
			}
		})
		return nil
	})
}

// begin starts the work. queue is given the objects that need not wait any more.
func (u *unwrapper) begin(ctx context.Context, queue func([]types.NamespacedName)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ctx, u.queue = ctx, queue
}

// Start implements manager.Runnable. It asks for nothing more when ctx has ended, and returns when the audit log has what was asked for.
func (u *unwrapper) Start(ctx context.Context) error {
	<-ctx.Done()
	u.mu.Lock()
	u.ctx = ctx // so no flight begins from here on
	u.mu.Unlock()
	u.flights.Wait()
	return nil
}

// progress is how an opening goes on.
type progress struct {
	// fetched is true if something was decrypted for this object since it was here last: it was let through then.
	fetched bool
	// missing is what is to be decrypted before it goes on; nil: nothing.
	missing *unseal.Remote
}

// come says how an opening that needs what remote lists goes on.
func (u *unwrapper) come(key types.NamespacedName, remote []unseal.Remote) (p progress) {
	if len(remote) == 0 {
		u.forget(key)
		return p
	}
	for i := range remote {
		if len(remote[i].Ciphertexts) > 0 && p.missing == nil {
			p.missing = &remote[i]
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, l := range u.lanes {
		if !slices.ContainsFunc(remote, func(r unseal.Remote) bool { return r.KeyID == id }) {
			u.leave(l, key) // it was changed
			continue
		}
		if _, ok := l.fetched[key]; ok {
			p.fetched = true
			delete(l.fetched, key)
			u.pump(l)
		}
	}
	return p
}

// ask has what an object needs decrypted, and gives the outcome that it is to show meanwhile, if any.
func (u *unwrapper) ask(key types.NamespacedName, need unseal.Remote) *unseal.Outcome {
	// What waits may be many thousand objects, of which each may have thousands of ciphertexts.
	need.Ciphertexts = slices.Clip(slices.Clone(need.Ciphertexts[:min(len(need.Ciphertexts), keyring.MaxPrefetch)]))
	need.Uses = slices.Clip(slices.Clone(need.Uses[:min(len(need.Uses), keyring.MaxPrefetch)]))
	u.mu.Lock()
	defer u.mu.Unlock()
	l := u.lanes[need.KeyID]
	if l == nil {
		l = &lane{keyID: need.KeyID, wants: map[types.NamespacedName]*want{}, fetched: map[types.NamespacedName]time.Time{}}
		u.lanes[need.KeyID] = l
	}
	w := l.wants[key]
	if w == nil {
		w = &want{key: key, need: need}
		l.wants[key] = w
		l.waiting = append(l.waiting, w)
	} else if slices.Contains(l.waiting, w) {
		w.need = need
	}
	if l.failure != nil {
		w.told = true
		u.pump(l)
		return l.failure
	}
	if !l.awaited && l.flying == 0 {
		u.pumpAfter(l, u.gather)
	} else {
		u.pump(l)
	}
	return nil
}

// forget drops an object that is gone, or that is not to be opened.
func (u *unwrapper) forget(key types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, l := range u.lanes {
		u.leave(l, key)
	}
}

// leave drops an object from a lane, and gives its place to another. u.mu is held.
func (u *unwrapper) leave(l *lane, key types.NamespacedName) {
	w, wants := l.wants[key]
	_, fetched := l.fetched[key]
	if !wants && !fetched {
		return
	}
	if wants {
		delete(l.wants, key)
		l.waiting = slices.DeleteFunc(l.waiting, func(o *want) bool { return o == w })
	}
	delete(l.fetched, key)
	u.pump(l)
}

// tidy drops a lane that nobody uses. u.mu is held.
func (u *unwrapper) tidy(id string, l *lane) {
	if len(l.wants) == 0 && l.flying == 0 && len(l.fetched) == 0 && !l.awaited {
		delete(u.lanes, id)
	}
}
