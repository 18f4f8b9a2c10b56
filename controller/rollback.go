package controller

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/unseal"
)

// hold stores what is to be remembered of an object where a later decision hangs on it, before the Secret is written: a crash between the two forgets nothing.
// The outcome is not nil where that cannot be done, and then the Secret must not be written.
func (r *gitSecrets) hold(ctx context.Context, in *unseal.Input, p *unseal.Plan, macs unseal.MACs) *unseal.Outcome {
	mark, durable := p.Remember(macs)
	if !durable {
		return nil
	}
	if err := r.marks.keep(ctx, keyOf(in.Object), mark, true); err != nil {
		return &unseal.Outcome{Reason: unseal.Pending, Message: "the mark of what was opened cannot be written, so the Secret was not (" + in.Marks.Where + ")"}
	}
	// What another text has taken the place of was not stored: a damaged one takes nothing up.
	if r.marks.of(ctx, keyOf(in.Object)).Turn != in.Marks.Turn {
		return &unseal.Outcome{Reason: unseal.Pending, Message: "the mark was changed while the object was opened, so the Secret was not written (" + in.Marks.Where + ")"}
	}
	return nil
}

// remember notes what is to be remembered of an object after its Secret was written, or found as it should be. It does not wait and cannot fail.
func (r *gitSecrets) remember(ctx context.Context, in *unseal.Input, mark *unseal.Mark) {
	if mark != nil {
		_ = r.marks.keep(ctx, keyOf(in.Object), mark, false)
	}
}

// opened notes what is to be remembered of an object that was opened, and whose Secret is as it should be.
func (r *gitSecrets) opened(ctx context.Context, in *unseal.Input, p *unseal.Plan, c *unseal.Contents) {
	mark, _ := p.Remember(c.MACs)
	r.remember(ctx, in, mark)
	r.claimed(in, p.Cut)
}

// undo forgets a version that was opened and that the Secret did not take for certain, so that Git may go back from it.
func (r *gitSecrets) undo(ctx context.Context, in *unseal.Input, p *unseal.Plan, err error) {
	switch refused(err).Reason {
	case unseal.ImmutableConflict, unseal.TargetConflict:
		if in.Marks.Loaded && !in.Marks.Damaged {
			before := p.Before()
			r.remember(ctx, in, &before)
		}
	}
}

// rolledBack says in an event that an object went back.
func (r *reporter) rolledBack(ctx context.Context, in *unseal.Input, out unseal.Outcome) {
	if out.RolledBack == "" {
		return
	}
	r.metrics.rollbacks.Inc()
	r.log.WarnContext(ctx, "GitSecret "+unseal.EventRolledBack, "gitsecret", keyOf(in.Object).String(), "uid", in.Object.UID, "message", out.RolledBack)
	r.events.say(in.Object, corev1.EventTypeWarning, unseal.EventRolledBack, shorten(out.RolledBack, maxEvent))
}
