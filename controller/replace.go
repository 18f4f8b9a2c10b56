package controller

import (
	"bytes"
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/unseal"
)

// tell is told, in the words of an event, of something that a person should hear of although it succeeds.
type tell func(reason, message string)

// replace deletes a Secret and makes it anew, because the API server never changes a Secret's type, nor an immutable Secret at all (frozen). Between the two
// there is no Secret; if the controller dies there, the next look makes it. A Secret that is not ours stays, and an immutable one unless the object says
// otherwise.
func (w secretWriter) replace(ctx context.Context, p *unseal.Plan, c *unseal.Contents, existing *metav1.ObjectMeta, frozen bool, tell tell) (metav1.ObjectMeta, error) {
	if !frozen {
		// The answer was about the type alone, which says nothing of the rest.
		var err error
		if frozen, err = w.frozen(ctx, p, existing); err != nil {
			return metav1.ObjectMeta{}, err
		}
	}
	if r := p.MayReplace(frozen); r != nil {
		return metav1.ObjectMeta{}, r
	}
	if err := w.rehearse(ctx, p, c); err != nil && !unseal.FitsOnceDeleted(err) {
		return metav1.ObjectMeta{}, err
	}
	only := metav1.Preconditions{UID: &existing.UID, ResourceVersion: &existing.ResourceVersion}
	err := w.client.Delete(ctx, blank(p), client.Preconditions(only))
	if err != nil && !apierrors.IsNotFound(err) {
		return metav1.ObjectMeta{}, err
	}
	if err == nil { // else somebody else has deleted it
		tell(p.Replaces(frozen))
	}
	return w.exact(ctx, p, c, p.Immutable, absent)
}

// frozen asks the API server whether the Secret is immutable, which its metadata do not say: it would refuse to make it mutable.
func (w secretWriter) frozen(ctx context.Context, p *unseal.Plan, existing *metav1.ObjectMeta) (bool, error) {
	patch := []byte(`{"metadata":{"resourceVersion":"` + existing.ResourceVersion + `"},"immutable":false}`)
	answer := blank(p)
	err := w.client.Patch(ctx, answer, client.RawPatch(types.MergePatchType, patch), client.DryRunAll, client.FieldOwner(unseal.FieldManager))
	for _, value := range answer.Data {
		clear(value)
	}
	if unseal.Frozen(err) {
		return true, nil
	}
	return false, err
}

// rehearse asks the API server whether it would take the Secret, under a name of its own, so that one that works is not deleted for one that cannot be made.
func (w secretWriter) rehearse(ctx context.Context, p *unseal.Plan, c *unseal.Contents) error {
	s := wanted(p, c, p.Immutable)
	s.Name, s.GenerateName, s.OwnerReferences = "", "waxwing-rehearsal-", nil
	// Copies, because the answer is decoded into s and c's values are still needed.
	for key, value := range s.Data {
		s.Data[key] = bytes.Clone(value)
	}
	defer func() {
		for _, value := range s.Data {
			clear(value)
		}
	}()
	return w.client.Create(ctx, s, client.DryRunAll, client.FieldOwner(unseal.FieldManager))
}
