package controller

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
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

// exposedAnew lists the objects that keys could ever have opened which have become compromised, as far as their marks tell; one whose mark is damaged is among them. It is to be asked
// again where not the whole can be told, because marks cannot be read. The next look at each is a whole one.
func (r *gitSecrets) exposedAnew(ctx context.Context) (requests []reconcile.Request, whole bool) {
	news := r.compromised.newly(r.gather.ring.Load())
	if len(news) == 0 {
		return nil, true
	}
	var all v1alpha1.GitSecretList
	if err := r.gather.cache.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		r.log.ErrorContext(ctx, "listing the GitSecrets that compromised keys concern", "error", err)
		return nil, false
	}
	for i := range all.Items {
		key := keyOf(&all.Items[i])
		known := r.marks.of(ctx, key)
		if !known.Loaded {
			return nil, false
		}
		if known.Damaged || slices.ContainsFunc(news, known.Mark.Mentions) {
			r.gather.seen.lookAgain(key)
			requests = append(requests, reconcile.Request{NamespacedName: key})
		}
	}
	r.compromised.ids = append(r.compromised.ids, news...)
	return requests, true
}
