package agent

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// queue has SecretSyncs looked at for what no watch of them tells. What comes before the controller runs is not needed: it looks at all of them then. Safe for concurrent use.
type queue struct {
	mu sync.Mutex
	to workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// add has a SecretSync looked at, after a while.
func (q *queue) add(key types.NamespacedName, after time.Duration) {
	q.mu.Lock()
	to := q.to
	q.mu.Unlock()
	if to != nil {
		to.AddAfter(reconcile.Request{NamespacedName: key}, after)
	}
}

// source is where the controller has them from.
func (q *queue) source() source.Source {
	return source.Func(func(_ context.Context, to workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.to = to
		return nil
	})
}
