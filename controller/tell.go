package controller

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// event tells something about an object that its status does not show.
func (r *reporter) event(ctx context.Context, o *v1alpha1.GitSecret, reason, message string) {
	r.log.InfoContext(ctx, "GitSecret "+reason, "gitsecret", keyOf(o).String(), "uid", o.UID, "generation", o.Generation, "message", message)
	r.events.Eventf(o, nil, corev1.EventTypeNormal, reason, "Unseal", "%s", message)
}
