package controller

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/unseal"
)

// noBreakGlass says in an event that only the keyring opens what was just opened. It is said once, for as long as the same is true and this process lives.
func (r *reporter) noBreakGlass(ctx context.Context, in *unseal.Input, out unseal.Outcome) {
	if out.Reason != unseal.Unsealed || !r.noted.glass(in.Object, out.NoBreakGlass) {
		return
	}
	r.log.WarnContext(ctx, "GitSecret "+unseal.EventNoBreakGlass, "gitsecret", keyOf(in.Object).String(), "uid", in.Object.UID, "message", out.NoBreakGlass)
	r.events.say(in.Object, corev1.EventTypeWarning, unseal.EventNoBreakGlass, shorten(out.NoBreakGlass, maxEvent))
}
