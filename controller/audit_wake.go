package controller

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// auditRetry is how often it is looked whether the audit log can be written again while something waits for it.
const auditRetry = 4 * time.Second

// auditWaiters are the objects that could not be opened because the audit log could not be written. Each is tried again by itself, later each time; as soon as the log
// works, they all are. Safe for concurrent use.
type auditWaiters struct {
	log  writable
	seen *memory

	mu   sync.Mutex
	keys map[types.NamespacedName]bool
}

func newAuditWaiters(log writable, seen *memory) *auditWaiters {
	return &auditWaiters{log: log, seen: seen, keys: map[types.NamespacedName]bool{}}
}

func (a *auditWaiters) add(key types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[key] = true
}

// forget drops an object that is gone.
func (a *auditWaiters) forget(key types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.keys, key)
}

// due gives the objects once the log works, and forgets how often they were tried.
func (a *auditWaiters) due() []reconcile.Request {
	if a.log.Err() != nil {
		return nil
	}
	a.mu.Lock()
	keys := a.keys
	a.keys = map[types.NamespacedName]bool{}
	a.mu.Unlock()
	var due []reconcile.Request
	for key := range keys {
		a.seen.succeeded(key)
		due = append(due, reconcile.Request{NamespacedName: key})
	}
	return due
}

// source queues them.
func (a *auditWaiters) source() source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		go func() {
			tick := time.NewTicker(auditRetry)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					addBehind(queue, a.due())
				}
			}
		}()
		return nil
	})
}
