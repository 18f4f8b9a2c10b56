package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// auditRetry is how often it is tried again while the audit log is away.
const auditRetry = 4 * time.Second

// syncs reconciles SecretSyncs: gather, decide, act, report.
type syncs struct {
	// reader reads uncached: the inventory of a status must be the one that is stored. cluster writes, as the agent itself, SecretSyncs only.
	reader  client.Reader
	cluster client.Client

	settings    *settings.File
	credentials credentials // nil: none
	repos       *repositories
	// live gives what is in the cluster, to one plan.
	live func() sync.Cluster
	// marked are the objects with the mark of a SecretSync, NAMESPACE/NAME, in no order.
	marked   func(sync string) []types.NamespacedName
	accounts accounts
	around   surroundings
	forges   forges
	// synced says that live has all that the cluster had at the start.
	synced func() bool

	memory  *memory
	audit   audit.Log
	metrics *metrics
	events  events.EventRecorder
	room    *rate.Limiter
	lane    lane
	log     *slog.Logger
	now     func() time.Time
	jitter  func() float64
	// patience is how long a commit may take; 0: maxPatience. quick is how long where it has no place among the slow ones; 0: slowLook.
	patience, quick time.Duration
}

// Reconcile looks at one SecretSync. An error is one of the API server; everything about the object itself is in its status.
func (r *syncs) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if !r.synced() {
		return reconcile.Result{RequeueAfter: conflictRetry}, nil
	}
	o := &v1alpha1.SecretSync{}
	err := r.reader.Get(ctx, req.NamespacedName, o)
	if apierrors.IsNotFound(err) {
		return reconcile.Result{}, r.forget(req)
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("reading SecretSync %s: %w", req, err)
	}
	if before := r.memory.known(req.NamespacedName); before != nil && before.uid != o.UID { // it was deleted and made anew before it was looked at
		if err := r.forget(req); err != nil {
			return reconcile.Result{}, err
		}
	}
	st := r.memory.of(req.NamespacedName, o.UID)
	conf, err := r.settings.Now()
	if err != nil {
		r.log.ErrorContext(ctx, "the configuration file is not valid; the one before stays in force", "error", err)
	}
	gone := o.DeletionTimestamp != nil
	patient := st.heavy || !gone && st.slow && (st.isDue(o, r.now()) || o.Spec.WriteBack != nil)
	leave, free := r.lane.enter(patient)
	if !free {
		return reconcile.Result{RequeueAfter: laneRetry}, nil
	}
	defer leave()
	if gone {
		return r.deleted(ctx, o, conf, st)
	}
	if err := r.finalizer(ctx, o); err != nil {
		return r.later(err)
	}
	rep, again, err := r.look(ctx, o, conf, st, patient)
	if errors.Is(err, errSlow) {
		return reconcile.Result{RequeueAfter: time.Millisecond}, nil
	}
	if err == nil {
		rep.findings = st.found
		err = r.tell(ctx, o, rep)
	}
	if err != nil {
		return r.later(err)
	}
	st.found = findings{}
	if rep.reason == AuditUnavailable {
		again = auditRetry
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

// conflictRetry is how soon an object that has changed meanwhile is looked at again.
const conflictRetry = 100 * time.Millisecond

// later has a conflict tried again without a word: the object has changed, and nothing was written over it.
func (r *syncs) later(err error) (reconcile.Result, error) {
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: conflictRetry}, nil
	}
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

// forget drops what is remembered of a SecretSync that is gone.
func (r *syncs) forget(req reconcile.Request) error {
	r.metrics.forget(req.NamespacedName)
	if uid := r.memory.forget(req.NamespacedName); uid != "" {
		return r.repos.forget(uid)
	}
	return nil
}

// look has the repository asked if it is time, and the cluster have what it has. again is when to look again. Where the look is not a patient one, the error may be errSlow.
func (r *syncs) look(ctx context.Context, o *v1alpha1.SecretSync, conf *settings.Settings, st *state, patient bool) (rep *report, again time.Duration, err error) {
	if o.Spec.Suspend {
		return &report{outcome: outcome{Suspended, "spec.suspend is set: all stays as it is"}, unread: "spec.suspend is set"}, 0, nil
	}
	rep = &report{}
	rep.askedNow = st.asked != o.Annotations[v1alpha1.AnnotationSyncNow]
	if st.isDue(o, r.now()) {
		if err := r.pull(ctx, o, conf, st, patient); err != nil {
			return nil, 0, err
		}
	}
	rep.asked = st.asked
	if st.failed != nil {
		rep.unread = st.failed.message
	}
	if st.taken == nil || st.taken.generation != o.Generation { // what the object said before does not count any more
		rep.outcome = *st.failed
		return rep, r.untilDue(st), nil
	}
	rep.taken = st.taken
	if o.Spec.Mode == v1alpha1.SyncObserve {
		r.observe(st, rep)
	} else if err := r.apply(ctx, o, conf, st, rep); err != nil {
		return nil, 0, err
	}
	if rep.reason != AuditUnavailable {
		if err := r.noted(ctx, o, st, rep); err != nil {
			rep.outcome = failure(err)
		}
	}
	if st.failed != nil {
		rep.outcome, rep.applied, rep.unread = *st.failed, nil, st.failed.message
	}
	again = r.sooner(st, rep)
	if wait := r.giveBack(ctx, o, conf, st, rep); wait > 0 {
		again = min(again, wait)
	}
	return rep, again, nil
}

func (r *syncs) untilDue(st *state) time.Duration { return max(st.due.Sub(r.now()), time.Millisecond) }

// applyRetry is when something is tried again that the API server did not take.
const applyRetry = 5 * time.Second

// sooner is when to look again: when the repository is due, when an object may be applied again that somebody fights for, when a second fetch may have something deleted, or to try again.
func (r *syncs) sooner(st *state, rep *report) time.Duration {
	if second := st.taken.at.Add(sync.Settle + time.Second); st.failed == nil && settling(rep) && second.Before(st.due) {
		st.due = second
	}
	again := r.untilDue(st)
	if rep.plan != nil && !rep.plan.Again.IsZero() {
		again = min(again, max(rep.plan.Again.Sub(r.now()), time.Millisecond))
	}
	if rep.reason == ApplyFailed || rep.reason == Progressing || rep.reason == AccountRefused || rep.reason == AccountNotNamed {
		again = min(again, applyRetry)
	}
	return again
}

// settling says whether something waits for a second fetch to be deleted.
func settling(rep *report) bool {
	if rep.plan == nil {
		return false
	}
	for _, key := range rep.plan.Gone {
		if since, known := rep.plan.Missing[key]; known && rep.taken.at.Sub(since) < sync.Settle {
			return true
		}
	}
	return false
}
