package controller

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/unseal"
)

// proveNext is when an object is opened once more, to see that a key of another keyring than has opened it is not needed.
const proveNext = time.Second

// claims notes the keys that the wraps of an object name, where nothing more is remembered of the look. It does not wait and cannot fail.
func (r *gitSecrets) claims(ctx context.Context, in *unseal.Input, d unseal.Decision) {
	r.remember(ctx, in, d.Claims)
	r.claimed(in, d.Cut)
}

// claimed notes that what the wraps of an object claim is remembered, but for the keys cut.
func (r *gitSecrets) claimed(in *unseal.Input, cut []string) {
	if r.marks.claimed(in.Object, in.Marks, cut) {
		r.gather.seen.claims(in.Object)
	}
}

// tried reports what came of an attempt to open. Where the Secret is as it should be, and only a key is to be found not to be needed, a reason that passes is none of the
// object's: it is looked at again.
func (r *gitSecrets) tried(ctx context.Context, in *unseal.Input, p *unseal.Plan, out unseal.Outcome, end <-chan ending) (reconcile.Result, error) {
	if row, _ := out.Reason.Row(); p.Proves == nil || row.Then != unseal.Retrying {
		return r.report.tried(ctx, in, out, end)
	}
	res, err := r.report.tried(ctx, in, *p.Proves, end)
	r.gather.seen.lookAgain(keyOf(in.Object))
	if err == nil && res.RequeueAfter == 0 {
		res.RequeueAfter = lastRetry
	}
	return res, err
}

// leave notes that an object is gone, and with it its envelopes.
func (g *gatherer) leave(ctx context.Context, key types.NamespacedName) {
	known := g.marks.of(ctx, key)
	if !known.Loaded || known.Damaged {
		return
	}
	at := g.now()
	if known.Date.After(at) {
		at = known.Date
	}
	if left, news := known.Mark.Left(at); news {
		_ = g.marks.keep(ctx, key, &left, false) // without durable it cannot fail
	}
}
