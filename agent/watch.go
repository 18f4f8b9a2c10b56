package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/agent/live"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// gather is how long a change waits for others before it is looked at what they mean.
	gather = 100 * time.Millisecond
	// errorRetry and errorRetryMax are how long after the first of several failures of the API server, and at the most, a SecretSync is looked at again.
	errorRetry, errorRetryMax = 200 * time.Millisecond, 30 * time.Second
)

// setup registers the reconciler.
func (r *syncs) setup(mgr ctrl.Manager, workers int, q *queue) error {
	err := builder.ControllerManagedBy(mgr).
		Named("secretsync").
		For(&v1alpha1.SecretSync{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WatchesRawSource(q.source()).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](errorRetry, errorRetryMax),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the SecretSync controller: %w", err)
	}
	return nil
}

// watchObjects has a store follow the cluster's GitSecrets, and SecretSyncs be looked at when one changes that concerns them. synced says that it has all that there were at the start.
func watchObjects(ctx context.Context, mgr ctrl.Manager, cfg Config, known *memory, q *queue) (store *live.Store, synced func() bool, err error) {
	store = live.NewStore(seen(cfg.Namespaces), func(c live.Change) { changed(c, known, q) }, cfg.Now)
	informer, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.GitSecret{})
	if err != nil {
		return nil, nil, fmt.Errorf("watching GitSecrets: %w", unknownKind(err))
	}
	registered, err := informer.AddEventHandler(store)
	if err != nil {
		return nil, nil, fmt.Errorf("watching GitSecrets: %w", err)
	}
	return store, registered.HasSynced, nil
}

// changed has the SecretSyncs looked at that an object concerns: those that it is marked as being of, and those whose commits have it.
func changed(c live.Change, known *memory, q *queue) {
	concerned := known.concerned(c.Key)
	if c.Offers {
		for _, key := range concerned {
			if st := known.known(key); st != nil {
				st.offered()
			}
		}
	}
	for _, by := range c.Syncs {
		if key, ok := keyFrom(by); ok && !slices.Contains(concerned, key) {
			concerned = append(concerned, key)
		}
	}
	for _, key := range concerned {
		q.add(key, gather)
	}
}

// watchKeyrings has all SecretSyncs that write back looked at when a Keyring shows other recipients.
func watchKeyrings(ctx context.Context, mgr ctrl.Manager, known *memory, q *queue) error {
	informer, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.Keyring{})
	if err != nil {
		return fmt.Errorf("watching Keyrings: %w", err)
	}
	rotated := func(before, now any) {
		b, _ := before.(*v1alpha1.Keyring)
		n, ok := now.(*v1alpha1.Keyring)
		if !ok || (b != nil && b.Status.Recipients == n.Status.Recipients && b.Status.StatementKey == n.Status.StatementKey) {
			return
		}
		for key, st := range known.each() {
			st.offered()
			q.add(key, gather)
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: func(o any) { rotated(nil, o) }, UpdateFunc: rotated})
	if err != nil {
		return fmt.Errorf("watching Keyrings: %w", err)
	}
	return nil
}

// slim leaves of a SecretSync in the cache what it is looked up for: its source, and that something has changed. What is acted upon is read past the cache. Tenants make SecretSyncs, and
// each may have as much in its status and its keys as etcd has room for.
func slim(obj any) (any, error) {
	o, ok := obj.(*v1alpha1.SecretSync)
	if !ok {
		return obj, nil
	}
	o.ManagedFields, o.Spec, o.Status = nil, v1alpha1.SecretSyncSpec{Source: o.Spec.Source}, v1alpha1.SecretSyncStatus{}
	maps.DeleteFunc(o.Annotations, func(key, _ string) bool { return key != v1alpha1.AnnotationSyncNow })
	return o, nil
}

// seen says whether a namespace is looked at.
func seen(namespaces []string) func(string) bool {
	return func(name string) bool { return len(namespaces) == 0 || slices.Contains(namespaces, name) }
}

// isGone says whether an object is not there.
func isGone(err error) bool { return apierrors.IsNotFound(err) }
