package agent

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

func keyOf(o *v1alpha1.SecretSync) types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
}

// bare is the object with its place and version only: a patch of its status is made from the statuses.
func bare(o *v1alpha1.SecretSync, status v1alpha1.SecretSyncStatus) *v1alpha1.SecretSync {
	return &v1alpha1.SecretSync{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, ResourceVersion: o.ResourceVersion}, Status: status}
}

// store makes the status of o next. If o has changed meanwhile nothing is written, and the error is a conflict.
func (r *syncs) store(ctx context.Context, o *v1alpha1.SecretSync, next v1alpha1.SecretSyncStatus) error {
	if apiequality.Semantic.DeepEqual(o.Status, next) {
		return nil
	}
	was, is := bare(o, o.Status), bare(o, next)
	if err := r.cluster.Status().Patch(ctx, is, client.MergeFromWithOptions(was, client.MergeFromWithOptimisticLock{}), client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("writing the status of SecretSync %s: %w", keyOf(o), err)
	}
	o.Status, o.ResourceVersion = is.Status, is.ResourceVersion
	return nil
}

// tell writes the status, and makes log lines and events of what has changed.
func (r *syncs) tell(ctx context.Context, o *v1alpha1.SecretSync, rep *report) error {
	old := *o.Status.DeepCopy()
	next := rep.status(o, r.now())
	if err := r.store(ctx, o, next); err != nil {
		return err
	}
	r.news(ctx, o, old, next)
	r.metrics.looked(keyOf(o), rep, r.now())
	return nil
}

// news says what is in a status that was not in the one before.
func (r *syncs) news(ctx context.Context, o *v1alpha1.SecretSync, old, next v1alpha1.SecretSyncStatus) {
	ready := apimeta.FindStatusCondition(next.Conditions, v1alpha1.ConditionReady)
	before := apimeta.FindStatusCondition(old.Conditions, v1alpha1.ConditionReady)
	applied := next.Applied != nil && (old.Applied == nil || old.Applied.Revision != next.Applied.Revision)
	if before == nil || before.Reason != ready.Reason || applied {
		kind, level := corev1.EventTypeNormal, slog.LevelInfo
		if ready.Status != metav1.ConditionTrue && ready.Reason != Progressing {
			kind, level = corev1.EventTypeWarning, slog.LevelWarn
		}
		r.log.Log(ctx, level, "SecretSync "+ready.Reason, "secretsync", keyOf(o).String(), "uid", o.UID, "generation", o.Generation, "message", ready.Message)
		r.event(o, kind, ready.Reason, ready.Message)
	}
	for _, kind := range []string{v1alpha1.ConditionRefused, v1alpha1.ConditionRewritten, v1alpha1.ConditionCheckpointsRefused} {
		is, was := apimeta.FindStatusCondition(next.Conditions, kind), apimeta.FindStatusCondition(old.Conditions, kind)
		if is != nil && (was == nil || was.Message != is.Message) {
			r.event(o, corev1.EventTypeWarning, kind, is.Message)
		}
	}
	if is, was := next.WriteBack, old.WriteBack; is != nil && is.Commit != "" && (was == nil || was.Commit != is.Commit) {
		where := is.Branch
		if is.PullRequest != "" {
			where += ", " + is.PullRequest
		}
		r.event(o, corev1.EventTypeNormal, v1alpha1.ConditionWrittenBack, fmt.Sprintf("commit %s was pushed to %s", short(is.Commit), where))
	}
}

// event makes an event, while there is room for one.
func (r *syncs) event(o *v1alpha1.SecretSync, kind, reason, message string) {
	if !r.room.AllowN(r.now(), 1) {
		r.metrics.eventDropped()
		return
	}
	r.events.Eventf(o, nil, kind, reason, "Sync", "%s", cut(message))
}

const (
	// eventBurst and eventEvery bound the events: so many at once, then one in such a time. The status tells all.
	eventBurst = 50
	eventEvery = time.Second
)
