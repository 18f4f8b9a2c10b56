package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/unseal"
)

// large is from what size of its values and wraps on an object is measured.
const large = seal.MaxDocument / 2

// stored is the size of a large object as the API server has it, without its status; 0 for one that is not large, or whose status was written with room to spare.
// The cache has not all of the object.
func (g *gatherer) stored(ctx context.Context, o *v1alpha1.GitSecret) (int, error) {
	if o.Status.ObservedGeneration == o.Generation && unseal.ReasonOf(o.Status) != unseal.TooLarge {
		return 0, nil
	}
	size := 0
	for _, item := range o.Spec.Items {
		size += len(item.Value)
	}
	for _, e := range o.Spec.Envelopes {
		for _, wrap := range e.Wraps {
			size += len(wrap.Age)
		}
	}
	if size < large {
		return 0, nil
	}
	found := &v1alpha1.GitSecret{}
	if err := g.live.Get(ctx, keyOf(o), found); err != nil {
		return 0, client.IgnoreNotFound(fmt.Errorf("measuring %s: %w", keyOf(o), err))
	}
	found.Status = v1alpha1.GitSecretStatus{}
	b, err := json.Marshal(found)
	return len(b), err
}

// tooLarge says whether the store has refused a write for its size. The API server has no word of its own for it.
func tooLarge(err error) bool {
	return err != nil && (apierrors.IsRequestEntityTooLargeError(err) || strings.Contains(err.Error(), "request is too large"))
}

// noRoom deals with a status that the API server does not take for its size: the next look gives one as small as can be without opening anything, and if that is
// too large as well, an event and the log have to do.
func (r *reporter) noRoom(ctx context.Context, in *unseal.Input, out unseal.Outcome) (reconcile.Result, error) {
	o := in.Object
	if !r.seen.noRoom(o) {
		r.log.ErrorContext(ctx, "GitSecret "+string(unseal.TooLarge), "gitsecret", keyOf(o).String(), "uid", o.UID, "generation", o.Generation, "message", "the object is so large that its status cannot be stored")
	}
	if out.Reason != unseal.TooLarge {
		return reconcile.Result{RequeueAfter: r.seen.retry(keyOf(o))}, nil
	}
	r.bodies.drop(keyOf(o))
	r.metrics.count(unseal.TooLarge)
	r.events.say(o, corev1.EventTypeWarning, string(unseal.TooLarge), "the object is so large that not even its status can be stored: nothing is opened; split it")
	return reconcile.Result{}, nil
}
