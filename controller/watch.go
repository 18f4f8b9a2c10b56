package controller

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
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
// be theirs, and for all objects that wait for keys when the ring has changed.
func (r *gitSecrets) setup(mgr manager.Manager, workers int, ringChanged <-chan struct{}) error {
	sameName := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}}}
	})
	err := builder.ControllerManagedBy(mgr).
		Named("gitsecret").
		For(&v1alpha1.GitSecret{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WatchesMetadata(&corev1.Secret{}, sameName, builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WatchesRawSource(r.whenKeysChange(ringChanged)).
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

// whenKeysChange queues the objects that wait for keys after each change of the ring.
func (r *gitSecrets) whenKeysChange(changed <-chan struct{}) source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-changed:
					for _, req := range r.waitingForKeys(ctx) {
						queue.Add(req)
					}
				}
			}
		}()
		return nil
	})
}

// waitingForKeys lists the objects whose outcome may change with the keys.
func (r *gitSecrets) waitingForKeys(ctx context.Context) []reconcile.Request {
	var all v1alpha1.GitSecretList
	if err := r.gather.cache.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		r.log.ErrorContext(ctx, "listing GitSecrets that wait for keys", "error", err)
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		o := &all.Items[i]
		if status, _ := r.gather.seen.latest(o); unseal.ReasonOf(status).WokenByKeys() {
			requests = append(requests, reconcile.Request{NamespacedName: keyOf(o)})
		}
	}
	return requests
}
