package controller

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// exposed says in an event that items of an object have become exposed: once, because the status tells of it from then on.
func (r *reporter) exposed(ctx context.Context, in *unseal.Input, old, next v1alpha1.GitSecretStatus) {
	c := apimeta.FindStatusCondition(next.Conditions, v1alpha1.ConditionExposed)
	was := apimeta.FindStatusCondition(old.Conditions, v1alpha1.ConditionExposed)
	news := slices.ContainsFunc(next.Exposed, func(item string) bool { return !slices.Contains(old.Exposed, item) })
	if c == nil || (was != nil && !news) {
		return
	}
	r.log.WarnContext(ctx, "GitSecret "+unseal.EventExposed, "gitsecret", keyOf(in.Object).String(), "uid", in.Object.UID, "message", c.Message)
	r.events.say(in.Object, corev1.EventTypeWarning, unseal.EventExposed, shorten(c.Message, maxEvent))
}

// compromised keeps which compromised keys the objects were woken for.
type compromised struct{ ids []string }

// newly lists those of ring that are none of them.
func (c *compromised) newly(ring *keyring.Ring) (ids []string) {
	if ring == nil {
		return nil
	}
	for _, k := range ring.Compromised() {
		if !slices.Contains(c.ids, k.ID) {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// exposedBy lists the objects that keys could ever have opened, as far as their marks tell: one whose mark is not known is looked at in any case.
func (r *gitSecrets) exposedBy(ctx context.Context, all []v1alpha1.GitSecret, ids []string) (requests []reconcile.Request) {
	if len(ids) == 0 {
		return nil
	}
	for i := range all {
		key := keyOf(&all[i])
		known := r.marks.of(ctx, key)
		if slices.ContainsFunc(ids, known.Mark.Mentions) {
			requests = append(requests, reconcile.Request{NamespacedName: key})
		}
	}
	return requests
}
