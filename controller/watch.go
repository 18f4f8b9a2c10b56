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
	"sigs.k8s.io/controller-runtime/pkg/event"
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

// setup registers the reconciler: for GitSecrets whose spec or own annotations (a signature covers them) have changed, for Secrets of the same name, which may
// be theirs, for all objects that the keys concern when the ring has changed, and for those that the others name. What the first list of a
// start brings has a low priority in the queue, so that what changes meanwhile need not wait for it. A replica that waits for the lead fills its caches meanwhile.
func (r *gitSecrets) setup(mgr manager.Manager, workers int, ringChanged <-chan struct{}, others ...source.Source) error {
	sameName := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}}}
	})
	changedObject := predicate.Funcs{UpdateFunc: specChanged}
	changedSecret := predicate.Funcs{CreateFunc: r.secretMade, UpdateFunc: r.secretChanged, DeleteFunc: r.secretDeleted}
	b := builder.ControllerManagedBy(mgr).Named("gitsecret")
	if r.namespaces == nil {
		b = b.For(&v1alpha1.GitSecret{}, builder.WithPredicates(changedObject)).
			WatchesMetadata(&corev1.Secret{}, sameName, builder.WithPredicates(changedSecret))
	} else {
		b = b.WatchesRawSource(r.namespaces.source(func(c cache.Cache) []source.Source {
			return []source.Source{
				source.Kind[client.Object](c, &v1alpha1.GitSecret{}, &handler.EnqueueRequestForObject{}, changedObject),
				source.Kind[client.Object](c, secretMetadata(), sameName, changedSecret),
			}
		}))
	}
	for _, s := range others {
		b = b.WatchesRawSource(s)
	}
	err := b.
		WatchesRawSource(r.whenKeysChange(ringChanged)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			EnableWarmup:            new(true),
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
	return bareMetadata(corev1.SchemeGroupVersion.WithKind("Secret"), types.NamespacedName{})
}

// specChanged says whether a GitSecret has to be looked at. One that has become older, as after etcd was restored, may have lost its status.
func specChanged(e event.UpdateEvent) bool {
	return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || ownAnnotations(e.ObjectOld.GetAnnotations()) != ownAnnotations(e.ObjectNew.GetAnnotations()) ||
		older(e.ObjectNew.GetResourceVersion(), e.ObjectOld.GetResourceVersion())
}

// secretMade passes over the Secrets that we have made ourselves.
func (r *gitSecrets) secretMade(e event.CreateEvent) bool {
	return !r.gather.seen.wroteSecret(client.ObjectKeyFromObject(e.Object), e.Object.GetUID(), e.Object.GetResourceVersion())
}

// secretChanged passes over our own writes.
func (r *gitSecrets) secretChanged(e event.UpdateEvent) bool {
	was, is, key := e.ObjectOld.GetResourceVersion(), e.ObjectNew.GetResourceVersion(), client.ObjectKeyFromObject(e.ObjectNew)
	if older(is, was) {
		r.gather.seen.doubt(key)
	}
	return was != is && !r.gather.seen.wroteSecret(key, e.ObjectNew.GetUID(), is)
}

// whenKeysChange queues the objects that a change of the ring concerns, after each change, behind what changes otherwise: they may be all there are.
func (r *gitSecrets) whenKeysChange(changed <-chan struct{}) source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		go func() {
			var again <-chan time.Time
			for {
				select {
				case <-ctx.Done():
					return
				case <-changed:
					addBehind(queue, r.concerned(ctx))
				case <-again:
				}
				requests, whole := r.exposedAnew(ctx)
				addBehind(queue, requests)
				if again = nil; !whole {
					again = time.After(marksReload)
				}
			}
		}()
		return nil
	})
}

func addBehind(queue workqueue.TypedRateLimitingInterface[reconcile.Request], all []reconcile.Request) {
	if q, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, all...)
		return
	}
	for _, req := range all {
		queue.Add(req)
	}
}

// concerned lists the objects whose outcome may have changed with the keys: those that wait for one, and those whose key may not open them any more.
func (r *gitSecrets) concerned(ctx context.Context) []reconcile.Request {
	var all v1alpha1.GitSecretList
	if err := r.gather.cache.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		r.log.ErrorContext(ctx, "listing the GitSecrets that changed keyrings concern", "error", err)
		return nil
	}
	ring := r.gather.ring.Load()
	var requests []reconcile.Request
	for i := range all.Items {
		o := &all.Items[i]
		if status, _ := r.gather.seen.latest(o); unseal.Woken(o, status, ring) {
			requests = append(requests, reconcile.Request{NamespacedName: keyOf(o)})
		}
	}
	return requests
}
