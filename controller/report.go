package controller

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// reporter tells what became of an object: status, event, audit note, metrics, log; and says when to look again.
type reporter struct {
	status  client.StatusClient
	events  *announcer
	audit   audit.Log
	metrics *metrics
	seen    *memory
	bodies  *bodies
	ring    *keyring.Live
	now     func() time.Time
	log     *slog.Logger
	// waiters hear of objects that wait for the audit log; stamped says that annotations tell who applied an object.
	waiters *auditWaiters
	stamped bool
}

// decided reports what needed no opening. A refusal that the status does not show yet is noted in the audit log first.
func (r *reporter) decided(ctx context.Context, in *unseal.Input, d unseal.Decision) (reconcile.Result, error) {
	old, out := in.Object.Status, d.Outcome
	row, _ := out.Reason.Row()
	shown := unseal.ReasonOf(old) == out.Reason && old.ObservedGeneration == in.Object.Generation
	if row.Then == unseal.Stalled && !shown {
		if err := r.audit.Note(ctx, r.operation(audit.ActionRefuse, in.Object, nil), outcomeOf(out)); err != nil {
			r.log.ErrorContext(ctx, "the audit log takes no note", "gitsecret", keyOf(in.Object).String(), "error", err)
			out = unseal.Outcome{Reason: unseal.AuditUnavailable, Message: "the audit log cannot be written; nothing was opened"}
			shown = false
		}
	}
	if !shown {
		r.metrics.count(out.Reason)
	}
	return r.tell(ctx, in, out, d.After)
}

// tried reports what came of an attempt to open that took so long.
func (r *reporter) tried(ctx context.Context, in *unseal.Input, out unseal.Outcome, took time.Duration) (reconcile.Result, error) {
	r.metrics.count(out.Reason)
	if took > 0 {
		r.metrics.seconds.Observe(took.Seconds())
	}
	return r.tell(ctx, in, out, 0)
}

// tell writes the status if it changes, and everything else if the reason does.
func (r *reporter) tell(ctx context.Context, in *unseal.Input, out unseal.Outcome, after time.Duration) (reconcile.Result, error) {
	o, key := in.Object, keyOf(in.Object)
	before := unseal.ReasonOf(o.Status)
	next := out.Status(o.Status, o.Generation, r.now())
	if !apiequality.Semantic.DeepEqual(o.Status, next) {
		version, err := patchStatus(ctx, r.status, o, next)
		if apierrors.IsConflict(err) {
			// Nobody has to hear of it: the object has changed, and is looked at again.
			r.seen.doubt(key)
			return reconcile.Result{RequeueAfter: r.seen.retry(key)}, nil
		}
		if tooLarge(err) {
			return r.noRoom(ctx, in, out)
		}
		if err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(fmt.Errorf("writing the status of %s: %w", key, err))
		}
		r.seen.wrote(o, version, next)
	}
	if before != out.Reason {
		r.changed(ctx, in, out, before)
	}
	if r.seen.looked(in, out, after) {
		r.bodies.drop(key)
	}
	row, _ := out.Reason.Row()
	if out.Reason == unseal.AuditUnavailable {
		r.waiters.add(key)
	}
	if row.Then == unseal.Retrying {
		r.metrics.retries.Inc()
		return reconcile.Result{RequeueAfter: r.seen.retry(key)}, nil
	}
	r.seen.succeeded(key)
	if (row.Keys || row.Reason == unseal.Unsealed) && r.ring.Load() != in.Ring {
		// The keys changed while this was being decided: the signal that they did may have come before the status that it looks for.
		return reconcile.Result{RequeueAfter: time.Millisecond}, nil
	}
	return reconcile.Result{RequeueAfter: after}, nil
}

func (r *reporter) changed(ctx context.Context, in *unseal.Input, out unseal.Outcome, before unseal.Reason) {
	level := slog.LevelWarn
	if row, _ := out.Reason.Row(); row.Then == unseal.Settled {
		level = slog.LevelInfo
	}
	r.log.Log(ctx, level, "GitSecret "+string(out.Reason), "gitsecret", keyOf(in.Object).String(), "uid", in.Object.UID, "generation", in.Object.Generation,
		"before", before, "message", out.Message)
	r.events.changed(in, out, before)
}
