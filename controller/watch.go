package controller

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

// reconcileTimeout bounds one look at an object; a worker that waits longer for the API server gives the object back.
const reconcileTimeout = time.Minute

// setup registers the reconciler: for GitSecrets whose spec or annotations (a signature covers some) have changed, for Secrets of the same name, which may
// be theirs, for all objects that the keys concern when the ring has changed, and for those whose marks somebody else has changed.
func (r *gitSecrets) setup(mgr manager.Manager, workers int, ringChanged <-chan struct{}, marksChanged source.Source) error {
	sameName := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}}}
	})
	changedObject := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	b := builder.ControllerManagedBy(mgr).Named("gitsecret")
	if r.namespaces == nil {
		b = b.For(&v1alpha1.GitSecret{}, builder.WithPredicates(changedObject)).
			WatchesMetadata(&corev1.Secret{}, sameName, builder.WithPredicates(predicate.ResourceVersionChangedPredicate{}))
	} else {
		b = b.WatchesRawSource(r.namespaces.source(func(c cache.Cache) []source.Source {
			return []source.Source{
				source.Kind[client.Object](c, &v1alpha1.GitSecret{}, &handler.EnqueueRequestForObject{}, changedObject),
				source.Kind[client.Object](c, secretMetadata(), sameName, predicate.ResourceVersionChangedPredicate{}),
			}
		}))
	}
	err := b.
		WatchesRawSource(r.whenKeysChange(ringChanged)).
		WatchesRawSource(marksChanged).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			ReconciliationTimeout:   reconcileTimeout,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the GitSecret controller: %w", err)
	}
	return nil
}

func secretMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return m
}

// whenKeysChange queues the objects that a change of the ring concerns, after each change.
func (r *gitSecrets) whenKeysChange(changed <-chan struct{}) source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-changed:
					r.queueWoken(ctx, queue)
				}
			}
		}()
		return nil
	})
}

// queueWoken queues the objects whose outcome may have changed with the keys. Those that have their Secret come after all others: nothing of it will change.
func (r *gitSecrets) queueWoken(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	var all v1alpha1.GitSecretList
	if err := r.gather.cache.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		r.log.ErrorContext(ctx, "listing the GitSecrets that changed keyrings concern", "error", err)
		return
	}
	ring := r.gather.ring.Load()
	later, hasPriorities := queue.(priorityqueue.PriorityQueue[reconcile.Request])
	for i := range all.Items {
		o := &all.Items[i]
		status := r.gather.seen.latest(o)
		req := reconcile.Request{NamespacedName: keyOf(o)}
		switch {
		case !unseal.Woken(o, status, ring):
		case unseal.ReasonOf(status) == unseal.Unsealed && hasPriorities:
			later.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, req)
		default:
			queue.Add(req)
		}
	}
}
