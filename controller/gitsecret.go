package controller

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/unseal"
)

// gitSecrets reconciles GitSecrets: gather, decide, act, report.
type gitSecrets struct {
	gather *gatherer
	// namespaces is set in namespaced mode.
	namespaces *namespaces
	writer     secretWriter
	report     *reporter
	marks      marks
	gone       *gone
	unwrapper  *unwrapper
	macs       *valueMAC
	// compromised is whenKeysChange's own.
	compromised compromised
	audit       audit.Log
	log         *slog.Logger
}

// Reconcile looks at one object. An error is one of the caches or of the status; everything about the object itself is in its status.
func (r *gitSecrets) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	r.report.events.begin()
	noted := r.noteGone(ctx, req.NamespacedName)
	in, again, err := r.gather.gather(ctx, req.NamespacedName)
	if err != nil || in == nil {
		if !noted && again == 0 {
			again = r.gather.seen.retry(req.NamespacedName)
		}
		return reconcile.Result{RequeueAfter: again}, err
	}
	res, err := r.act(ctx, in, unseal.Decide(*in))
	r.gather.bodies.offers.looked(in.Object, in.Ring)
	return res, err
}

// act does what was decided.
func (r *gitSecrets) act(ctx context.Context, in *unseal.Input, d unseal.Decision) (reconcile.Result, error) {
	if d.Action != unseal.Open {
		r.unwrapper.forget(keyOf(in.Object))
	}
	switch d.Action {
	case unseal.Report:
		if d.Remember == nil {
			r.claims(ctx, in, d)
			return r.report.decided(ctx, in, d)
		}
		met := r.report.met(ctx, in, d)
		if met {
			d.Claims = d.Remember
		}
		r.claims(ctx, in, d)
		res, err := r.report.decided(ctx, in, d)
		if !met {
			r.report.waits(in.Object)
		}
		return res, err
	case unseal.Open:
		return r.begin(ctx, in, d)
	}
	r.claims(ctx, in, d)
	return reconcile.Result{RequeueAfter: d.After}, nil
}

// begin opens an object if it is its turn and nothing has to be decrypted elsewhere before.
func (r *gitSecrets) begin(ctx context.Context, in *unseal.Input, d unseal.Decision) (reconcile.Result, error) {
	p := r.unwrapper.come(keyOf(in.Object), d.Plan.Remote())
	if !p.fetched {
		if wait, news := r.gather.pace.wait(in.Object, in.Now); wait > 0 {
			r.claims(ctx, in, d)
			r.report.contested(ctx, in, news)
			return reconcile.Result{RequeueAfter: wait}, nil
		}
	}
	if p.missing == nil {
		return r.open(ctx, in, d)
	}
	r.claims(ctx, in, d)
	if out := r.unwrapper.ask(keyOf(in.Object), *p.missing); out != nil {
		return r.tried(ctx, in, d.Plan, *out, nil)
	}
	return reconcile.Result{RequeueAfter: unwrapLook}, nil
}

// open does what a plan says, between its intent and its outcome in the audit log.
func (r *gitSecrets) open(ctx context.Context, in *unseal.Input, d unseal.Decision) (reconcile.Result, error) {
	began, p := r.gather.now(), d.Plan
	id, err := r.audit.Intent(ctx, r.report.operation(actionOf(p), in.Object, p, d.Signer), r.report.unmet(in, d)...)
	if err != nil {
		r.log.ErrorContext(ctx, "the audit log takes no intent", "gitsecret", keyOf(in.Object).String(), "error", err)
		r.claims(ctx, in, d)
		return r.tried(ctx, in, p, unseal.Outcome{Reason: unseal.AuditUnavailable, Message: nothingOpened}, nil)
	}
	r.report.noted.opens(in.Object, d)
	out, conflict := r.unseal(ctx, in, p)
	if conflict || out.Reason != unseal.Unsealed {
		r.claims(ctx, in, d)
	}
	if !out.Exposure.Known {
		out.Exposure = d.Exposure
	}
	r.report.rolledBack(ctx, in, out)
	r.report.noBreakGlass(ctx, in, out)
	recorded := outcomeOf(out)
	if conflict {
		recorded = audit.Outcome{Reason: "Conflict", Message: errConflict.Error()}
	}
	end := r.record(ctx, in, id, recorded, began)
	if !conflict {
		res, err := r.tried(ctx, in, p, out, end)
		if out.Reason == unseal.KeySourceUnavailable { // the ring need not change for it to come right
			r.gather.seen.lookAgain(keyOf(in.Object))
		}
		if out.Reason == unseal.Unsealed && p.Unproved(in.Object) {
			r.gather.seen.lookAgain(keyOf(in.Object))
			res.RequeueAfter = proveNext
		}
		return res, err
	}
	if last := <-end; last.lost != nil {
		return r.report.tried(ctx, in, *last.lost, nil)
	}
	// The caches will catch up; the status has nothing to say about it.
	r.report.metrics.retries.Inc()
	return reconcile.Result{RequeueAfter: r.gather.seen.retry(keyOf(in.Object))}, nil
}

// record begins to write an outcome into the audit log. Whoever calls it has to wait for the end: what was done is recorded even if the controller is being
// stopped.
func (r *gitSecrets) record(ctx context.Context, in *unseal.Input, id string, outcome audit.Outcome, began time.Time) <-chan ending {
	key, end := keyOf(in.Object).String(), make(chan ending, 1)
	go func() {
		err := r.audit.Outcome(context.WithoutCancel(ctx), id, outcome)
		last := ending{took: r.gather.now().Sub(began)}
		if err != nil {
			r.log.ErrorContext(ctx, "the audit log takes no outcome", "gitsecret", key, "intent", id, "error", err)
			last.lost = &unseal.Outcome{Reason: unseal.AuditUnavailable, Message: "the audit log cannot be written; its last intent about this object has no outcome"}
		}
		end <- last
	}()
	return end
}

// unseal opens and writes. The values are gone when it returns.
func (r *gitSecrets) unseal(ctx context.Context, in *unseal.Input, p *unseal.Plan) (out unseal.Outcome, conflict bool) {
	target, macs := seal.Target{Namespace: in.Object.Namespace, Name: in.Object.Name}, r.macs.get(ctx)
	contents, err := p.Open(target)
	if err != nil {
		return refused(err), false
	}
	defer contents.Clear()
	contents.MAC(target, macs)
	if held := r.hold(ctx, in, p, contents.MACs); held != nil {
		return *held, false
	}
	if p.Proves != nil {
		r.opened(ctx, in, p, contents)
		return p.Proved(contents), false
	}
	if out, ok := p.Kept(contents, in.Object, in.Secret); ok {
		r.opened(ctx, in, p, contents)
		return out, false
	}
	replaced := false
	secret, err := r.writer.write(ctx, p, contents, in.Secret, r.gather.seen.uncounted(in.Object, r.gather.now()), func(reason, message string) {
		replaced = true
		r.gather.seen.deletes(in.Object, r.gather.now())
		r.report.event(ctx, in.Object, reason, message)
	})
	if errors.Is(err, errConflict) {
		return unseal.Outcome{}, true
	}
	if err != nil {
		r.undo(ctx, in, p, err)
		return refused(err), false
	}
	if replaced { // what was deleted in vain is noted as any other that is gone
		r.gone.replace(keyOf(in.Object), in.Secret.UID)
	}
	r.gather.seen.writing(in.Object, secret.UID, secret.ResourceVersion)
	r.opened(ctx, in, p, contents)
	return p.Written(contents, in.Object, secret), false
}

// refused is the outcome of an error of package unseal or of secretWriter; any other is told without its text.
func refused(err error) unseal.Outcome {
	var r *unseal.Refusal
	if !errors.As(err, &r) {
		return unseal.Outcome{Reason: unseal.ApplyFailed, Message: "the Secret could not be written"}
	}
	return r.Outcome()
}

// actionOf names what a plan does.
func actionOf(p *unseal.Plan) audit.Action {
	if p.Repairs {
		return audit.ActionDriftRepair
	}
	return audit.ActionUnseal
}

func (r *reporter) operation(action audit.Action, o *v1alpha1.GitSecret, p *unseal.Plan, signer string) audit.Operation {
	op := audit.Operation{
		Action: action, Actor: actorOf(o, r.stamped, signer),
		Object: audit.Object{
			Kind: seal.Kind, Namespace: o.Namespace, Name: o.Name, UID: string(o.UID), Generation: o.Generation, ResourceVersion: o.ResourceVersion,
		},
	}
	if p != nil {
		op.Keys, op.Items = auditKeys(p.Keys), p.Items
	}
	return op
}

func outcomeOf(out unseal.Outcome) audit.Outcome {
	o := audit.Outcome{OK: out.Reason == unseal.Unsealed, Reason: string(out.Reason), Message: out.Message, Keys: auditKeys(out.Keys)}
	if out.RolledBack != "" {
		o.Message += "; " + unseal.EventRolledBack + ": " + out.RolledBack
	}
	if s := out.Secret; s != nil {
		o.Secret = &audit.Object{Kind: "Secret", Name: s.Name, UID: s.UID, ResourceVersion: s.ResourceVersion}
	}
	return o
}

func auditKeys(uses []v1alpha1.KeyUse) []audit.Key {
	var keys []audit.Key
	for _, u := range uses {
		keys = append(keys, audit.Key{Keyring: u.Keyring, ID: u.ID, Envelope: u.Envelope})
	}
	return keys
}

var _ reconcile.Reconciler = (*gitSecrets)(nil)
