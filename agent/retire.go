package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// finalizer has a SecretSync whose objects are to be deleted with it carry the agent's finalizer, and no other.
func (r *syncs) finalizer(ctx context.Context, o *v1alpha1.SecretSync) error {
	want := o.Spec.DeletionPolicy == v1alpha1.DeletionDelete && o.Spec.Mode != v1alpha1.SyncObserve
	if slices.Contains(o.Finalizers, v1alpha1.FinalizerSync) == want {
		return nil
	}
	all := slices.DeleteFunc(slices.Clone(o.Finalizers), func(name string) bool { return name == v1alpha1.FinalizerSync })
	if want {
		all = append(all, v1alpha1.FinalizerSync)
	}
	return r.setFinalizers(ctx, o, all)
}

func (r *syncs) setFinalizers(ctx context.Context, o *v1alpha1.SecretSync, all []string) error {
	was, is := bare(o, v1alpha1.SecretSyncStatus{}), bare(o, v1alpha1.SecretSyncStatus{})
	was.Finalizers, is.Finalizers = o.Finalizers, all
	if err := r.cluster.Patch(ctx, is, client.MergeFromWithOptions(was, client.MergeFromWithOptimisticLock{}), client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("writing the finalizers of SecretSync %s: %w", keyOf(o), err)
	}
	o.Finalizers, o.ResourceVersion = is.Finalizers, is.ResourceVersion
	return nil
}

// deleted carries out spec.deletionPolicy of a SecretSync that is being deleted.
func (r *syncs) deleted(ctx context.Context, o *v1alpha1.SecretSync, conf *settings.Settings, st *state) (reconcile.Result, error) {
	if !slices.Contains(o.Finalizers, v1alpha1.FinalizerSync) {
		return reconcile.Result{}, nil
	}
	done, out := true, outcome{}
	if o.Spec.DeletionPolicy == v1alpha1.DeletionDelete && !o.Spec.Suspend {
		done, out = r.retire(ctx, o, conf, st)
	}
	if done {
		left := slices.DeleteFunc(slices.Clone(o.Finalizers), func(name string) bool { return name == v1alpha1.FinalizerSync })
		if err := r.setFinalizers(ctx, o, left); err != nil {
			return r.later(err)
		}
		return reconcile.Result{}, nil
	}
	if err := r.tell(ctx, o, &report{outcome: out}); err != nil {
		return r.later(err)
	}
	return reconcile.Result{RequeueAfter: auditRetry}, nil
}

// retire deletes all objects of a SecretSync. done says that none is left.
func (r *syncs) retire(ctx context.Context, o *v1alpha1.SecretSync, conf *settings.Settings, st *state) (done bool, out outcome) {
	inventory := inventoried(o.Status.Inventory)
	now, left, unseen := sync.Retire(keyOf(o).String(), inventory, r.live())
	if len(now)+len(left)+len(unseen) == 0 {
		return true, outcome{}
	}
	as, err := r.account(ctx, o, conf, namespacesIn(now))
	if err != nil {
		return false, outcome{DeletionFailed, "its objects cannot be deleted: " + failure(err).message + "; with spec.deletionPolicy Retain they stay"}
	}
	results, err := as.Prune(ctx, now, &records{r, o, st.taken})
	if err != nil {
		return false, failure(err)
	}
	for _, res := range results {
		if res.Failure != nil {
			return false, outcome{DeletionFailed, fmt.Sprintf("%s cannot be deleted: %s; with spec.deletionPolicy Retain it stays", res.Key, describe(res.Failure))}
		}
	}
	_, left, unseen = sync.Retire(keyOf(o).String(), inventory, r.live())
	if len(unseen) > 0 {
		return false, outcome{DeletionFailed, fmt.Sprintf("%s cannot be deleted: the agent does not look into namespace %s: have its --namespaces name that, or set spec.deletionPolicy to Retain, with which it stays",
			unseen[0], unseen[0].Namespace)}
	}
	if len(left) > 0 {
		return false, outcome{DeletionFailed, fmt.Sprintf("%s not gone yet; the first: %s", counted(len(left), "object is", "objects are"), left[0])}
	}
	return true, outcome{}
}

func namespacesIn(all []sync.Delete) []string {
	in := map[string]bool{}
	for _, d := range all {
		in[d.Key.Namespace] = true
	}
	return slices.Sorted(maps.Keys(in))
}
