package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

// event tells something about an object that its status does not show.
func (r *reporter) event(ctx context.Context, o *v1alpha1.GitSecret, reason, message string) {
	r.log.InfoContext(ctx, "GitSecret "+reason, "gitsecret", keyOf(o).String(), "uid", o.UID, "generation", o.Generation, "message", message)
	r.events.say(o, corev1.EventTypeNormal, reason, message)
}

// EventContested is the reason of the event about a Secret that somebody else changes again and again.
const EventContested = "SecretContested"

// contested says that an object is not opened yet, although its Secret is not as it should be. news is true where that was not said before.
func (r *reporter) contested(ctx context.Context, in *unseal.Input, news bool) {
	r.metrics.heldBack.Inc()
	if !news {
		return
	}
	o := in.Object
	by := unseal.Rival(in.Secret)
	r.log.WarnContext(ctx, "GitSecret "+EventContested, "gitsecret", keyOf(o).String(), "uid", o.UID, "generation", o.Generation, "by", by)
	r.events.say(o, corev1.EventTypeWarning, EventContested, fmt.Sprintf("Secret %s is changed again and again by %s; from now on it is set right every %s only", o.Name, by, pause))
}
