package controller

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
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
	noted   *noted
	seen    *memory
	bodies  *bodies
	ring    *keyring.Live
	now     func() time.Time
	log     *slog.Logger
	// waiters hear of objects that wait for the audit log; stamped says that annotations tell who applied an object.
	waiters *auditWaiters
	stamped bool
}

// nothingOpened is what is said of an object for which no intent could be recorded.
const nothingOpened = "the audit log cannot be written; nothing was opened"

// unmet gives notes of the envelopes of an object that are met for the first time.
func (r *reporter) unmet(in *unseal.Input, d unseal.Decision) (all []audit.Standing) {
	for some := range slices.Chunk(r.noted.unmet(in.Object, d.Unmet), envelopesANote) {
		op := r.operation(audit.ActionEnvelopeSeen, in.Object, nil, d.Signer)
		for _, id := range some {
			op.Keys = append(op.Keys, audit.Key{Envelope: id})
		}
		all = append(all, audit.Standing{Operation: op, Outcome: audit.Outcome{OK: true}})
	}
	return all
}

// met notes the envelopes of an object that are met for the first time; false where the audit log takes no note.
func (r *reporter) met(ctx context.Context, in *unseal.Input, d unseal.Decision) bool {
	for _, n := range r.unmet(in, d) {
		if !r.note(ctx, in, n) {
			return false
		}
	}
	return true
}

// waits has an object looked at again once the audit log works, although it is as it should be.
func (r *reporter) waits(o *v1alpha1.GitSecret) {
	r.seen.lookAgain(keyOf(o))
	r.waiters.add(keyOf(o))
}

// refuses notes a refusal, behind the envelopes that are new with it.
func (r *reporter) refuses(ctx context.Context, in *unseal.Input, d unseal.Decision) bool {
	refusal := audit.Standing{Operation: r.operation(audit.ActionRefuse, in.Object, nil, d.Signer), Outcome: outcomeOf(d.Outcome)}
	if !r.met(ctx, in, d) || !r.note(ctx, in, refusal) {
		return false
	}
	r.noted.refuses(in.Object, d)
	return true
}

func (r *reporter) note(ctx context.Context, in *unseal.Input, n audit.Standing) bool {
	err := r.audit.Note(ctx, n.Operation, n.Outcome)
	if err != nil {
		r.log.ErrorContext(ctx, "the audit log takes no note", "gitsecret", keyOf(in.Object).String(), "action", n.Operation.Action, "error", err)
	}
	return err == nil
}

// decided reports what needed no opening. A refusal that this process has not noted in the audit log yet is noted first.
func (r *reporter) decided(ctx context.Context, in *unseal.Input, d unseal.Decision) (reconcile.Result, error) {
	old, out := in.Object.Status, d.Outcome
	if out.Reason == unseal.KeySourceUnavailable && r.waiters.log.Err() != nil {
		// Keys are not read without a record of it either, and that is where to look.
		out = unseal.Outcome{Reason: unseal.AuditUnavailable, Message: nothingOpened}
	}
	row, _ := out.Reason.Row()
	shown := unseal.ReasonOf(old) == out.Reason && old.ObservedGeneration == in.Object.Generation
	if row.Then == unseal.Stalled && !r.noted.refusal(in.Object, out.Reason) && !r.refuses(ctx, in, d) {
		out = unseal.Outcome{Reason: unseal.AuditUnavailable, Message: nothingOpened}
		shown = false
	}
	if !shown {
		r.metrics.count(out.Reason)
	}
	return r.tell(ctx, in, out, unseal.ReasonOf(old), d.After, r.write(ctx, in, old, out))
}

// ending is how an opening ended in the audit log: how long it took from its intent, and what it came to where its outcome could not be recorded.
type ending struct {
	took time.Duration
	lost *unseal.Outcome
}

// tried reports what came of an attempt to open. The status is written while the audit log makes the outcome durable, and all else is told after that. Where
// the outcome is lost, the status is written again, as if it had not been before. end is nil where nothing was opened; otherwise it is waited for in any case.
func (r *reporter) tried(ctx context.Context, in *unseal.Input, out unseal.Outcome, end <-chan ending) (reconcile.Result, error) {
	old := in.Object.Status
	err := r.write(ctx, in, old, out)
	if end != nil {
		last := <-end
		if last.lost != nil {
			out = *last.lost
			if err == nil {
				err = r.write(ctx, in, old, out)
			}
		}
		r.metrics.seconds.Observe(last.took.Seconds())
	}
	r.metrics.count(out.Reason)
	return r.tell(ctx, in, out, unseal.ReasonOf(old), 0, err)
}

// write makes the status of the object old with out in it.
func (r *reporter) write(ctx context.Context, in *unseal.Input, old v1alpha1.GitSecretStatus, out unseal.Outcome) error {
	o := in.Object
	next := out.Status(old, o.Generation, r.now())
	if apiequality.Semantic.DeepEqual(o.Status, next) {
		return nil
	}
	version, err := patchStatus(ctx, r.status, o, next)
	if err != nil {
		return err
	}
	r.seen.wrote(o, version, next)
	o.Status, o.ResourceVersion = next, version
	r.exposed(ctx, in, old, next)
	return nil
}

// tell tells all but the status, whose writing gave err: what changes if the reason is another than before, and when to look again.
func (r *reporter) tell(ctx context.Context, in *unseal.Input, out unseal.Outcome, before unseal.Reason, after time.Duration, err error) (reconcile.Result, error) {
	key := keyOf(in.Object)
	switch {
	case apierrors.IsConflict(err):
		// Nobody has to hear of it: the object has changed, and is looked at again.
		r.seen.doubt(key)
		return reconcile.Result{RequeueAfter: r.seen.retry(key)}, nil
	case tooLarge(err):
		return r.noRoom(ctx, in, out)
	case err != nil:
		return reconcile.Result{}, client.IgnoreNotFound(fmt.Errorf("writing the status of %s: %w", key, err))
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
	if ring := r.ring.Load(); ring != in.Ring && (row.Keys || row.Reason == unseal.Unsealed || (ring != nil && len(ring.Compromised()) > 0)) {
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
