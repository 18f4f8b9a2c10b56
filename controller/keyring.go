package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

const (
	// keyringResync is how often a keyring that is well is looked at, for what no watch tells: a source elsewhere, a ConfigMap that somebody removed.
	keyringResync = 10 * time.Minute
	// keyringVaultResync is the same for keys in a Vault, in which people change things too and see no event.
	keyringVaultResync = time.Minute
	// keyringWorkers is how many are looked at at a time: a Vault that is slow holds its keyrings up, and no others.
	keyringWorkers = 8
	// keyringRetry and keyringRetryMax are how long after the first of several failures, and at the most, it is tried again. Every try leaves audit records.
	keyringRetry, keyringRetryMax = time.Second, 30 * time.Second
	// defaultKeyring is the name of the keyring that a first start makes.
	defaultKeyring = "default"
)

// KeyringReconciler has a Manager bring each Keyring to a published key, and writes what came of it into status, events and a ConfigMap. All fields are required.
type KeyringReconciler struct {
	// Client writes, and lists Keyrings from the cache.
	Client client.Client
	// Reader reads Keyrings uncached: the status to compare with must be the one that is stored.
	Reader client.Reader
	// Namespace is the controller's own.
	Namespace string
	Manager   *keyring.Manager
	Recorder  events.EventRecorder
	Now       func() time.Time
	Log       *slog.Logger
	// Jitter gives numbers in [0, 1).
	Jitter func() float64
	// AuditEphemeral has Keyrings show that the audit log does not outlive the pod.
	AuditEphemeral bool
}

// EnsureDefault makes the Keyring `default`, with the defaults of its kind, if there is no Keyring at all. c must not answer from a cache that is not filled yet.
func EnsureDefault(ctx context.Context, c client.Client) error {
	var all v1alpha1.KeyringList
	if err := c.List(ctx, &all, client.Limit(1)); err != nil {
		return fmt.Errorf("looking for a keyring: %w", err)
	}
	if len(all.Items) > 0 {
		return nil
	}
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: defaultKeyring}}
	// The type would send an empty source, which is none.
	kr.Spec.Source.Secret = &v1alpha1.SecretSource{}
	if err := c.Create(ctx, kr); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making the default keyring: %w", err)
	}
	return nil
}

// SetupWithManager registers the reconciler: for Keyrings whose spec has changed, and for changed Secrets that hold their keys.
func (r *KeyringReconciler) SetupWithManager(mgr manager.Manager) error {
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool {
		_, ok := keyringByName(o.GetName())
		return ok && o.GetNamespace() == r.Namespace
	})
	err := builder.ControllerManagedBy(mgr).
		Named("keyring").
		For(&v1alpha1.Keyring{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// By name and not by label, because the cache keeps no labels of Secrets.
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(keyringOfSecret), builder.WithPredicates(ours, predicate.ResourceVersionChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: keyringWorkers, ReconciliationTimeout: time.Minute,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](keyringRetry, keyringRetryMax)}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the Keyring controller: %w", err)
	}
	return nil
}

// keyringByName is the keyring that a Secret is about by its name: it has a key of it, or asks for some to be restored.
func keyringByName(secret string) (name string, ok bool) {
	if name, ok = secretsource.RestoreOf(secret); ok {
		return name, true
	}
	return secretsource.KeyringOf(secret)
}

func keyringOfSecret(_ context.Context, o client.Object) []reconcile.Request {
	name, ok := keyringByName(o.GetName())
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: name}}}
}

// Reconcile looks at one Keyring. An error makes it try again, later each time.
func (r *KeyringReconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if err := r.expect(ctx); err != nil {
		return reconcile.Result{}, err
	}
	kr := &v1alpha1.Keyring{}
	err := r.Reader.Get(ctx, req.NamespacedName, kr)
	switch {
	case apierrors.IsNotFound(err) || (err == nil && kr.DeletionTimestamp != nil):
		// Its keys stay in their source: a Keyring of the same name finds them again.
		return reconcile.Result{}, r.Manager.Forget(ctx, req.Name)
	case err != nil:
		return reconcile.Result{}, err
	}
	res, err := r.Manager.Ensure(ctx, kr)
	told := errors.Join(r.publish(ctx, kr, res), r.report(ctx, kr, res))
	if err != nil && told == nil && res.Reason == keyring.ReasonAuditUnavailable {
		// Every try in vain leaves no record, and all else waits for the keys: no longer waits in between.
		return reconcile.Result{RequeueAfter: auditRetry}, nil
	}
	if err := errors.Join(err, told); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: soonIfNotBackedUp(res.Backup, r.lookAgain(&kr.Spec, res.LookAgain))}, nil
}

// lookAgain is when to look again: when time alone has something done, such as a rotation, or else when that was not told.
func (r *KeyringReconciler) lookAgain(spec *v1alpha1.KeyringSpec, due time.Time) time.Duration {
	after := r.resync(spec)
	if !due.IsZero() {
		after = min(after, max(due.Sub(r.Now()), keyringRetry))
	}
	return after
}

// resync is when to look again. Keyrings that were loaded together at a start drift apart.
func (r *KeyringReconciler) resync(spec *v1alpha1.KeyringSpec) time.Duration {
	every := keyringResync
	if inVault(spec.Source) || (spec.MoveFrom != nil && inVault(*spec.MoveFrom)) {
		every = keyringVaultResync
	}
	return every - time.Duration(r.Jitter()*float64(every)/10)
}

func inVault(source v1alpha1.KeySource) bool {
	return source.Secret == nil || source.Secret.EncryptedBy != nil
}

// expect tells the Manager which keyrings there are, before the first of them is loaded.
func (r *KeyringReconciler) expect(ctx context.Context) error {
	var all v1alpha1.KeyringList
	if err := r.Client.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing keyrings: %w", err)
	}
	var present []*v1alpha1.Keyring
	for i := range all.Items {
		if all.Items[i].DeletionTimestamp == nil {
			present = append(present, &all.Items[i])
		}
	}
	r.Manager.Expect(present...)
	return nil
}

var _ reconcile.Reconciler = (*KeyringReconciler)(nil)
