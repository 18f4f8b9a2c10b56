package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/unseal"
)

// absent is a resource version that no object ever has. As a precondition of a server-side apply it makes the API server create the Secret or refuse: a
// Secret that the cache does not know of is never taken over.
const absent = "1"

// errConflict says that the Secret is not the one that the decision was made for.
var errConflict = errors.New("the Secret has changed meanwhile")

// secretWriter writes Secrets. It never reads them; what the API server answers to a write is cleared.
type secretWriter struct{ client client.Writer }

// write makes the Secret what p and c say, on top of existing (nil: none). tell hears of a Secret that had to be deleted for it. uncounted says that one was lately, so that a quota
// may still count it. The error is errConflict or a *unseal.Refusal.
func (w secretWriter) write(ctx context.Context, p *unseal.Plan, c *unseal.Contents, existing *metav1.ObjectMeta, uncounted bool, tell tell) (metav1.ObjectMeta, error) {
	// Keys that have to go can go only before the Secret is immutable, so that comes last.
	immutable, last := p.Immutable, existing != nil && p.Immutable != nil && *p.Immutable
	if last {
		immutable = nil
	}
	written, err := w.first(ctx, p, c, immutable, existing)
	frozen := unseal.Frozen(err)
	if frozen && last {
		last = false
		written, err = w.exact(ctx, p, c, p.Immutable, existing.ResourceVersion)
	}
	if err != nil && existing != nil && (p.TypeChanges(err) || unseal.Frozen(err)) {
		last, uncounted = false, true // replace asks before it deletes, so that a full quota refuses only what comes after
		written, err = w.replace(ctx, p, c, existing, frozen || unseal.Frozen(err), tell)
	}
	if err == nil && last {
		written, err = w.exact(ctx, p, c, p.Immutable, written.ResourceVersion)
	}
	var refusal *unseal.Refusal
	switch {
	case err == nil || errors.As(err, &refusal):
		return written, err
	case unseal.Conflict(err) || errors.Is(err, errConflict):
		return written, errConflict
	case uncounted && unseal.FitsOnceDeleted(err):
		return written, p.NotCountedYet()
	}
	return written, p.Refused(err)
}

// first makes the Secret, or applies it on top of the existing one. An immutable one is applied also where there is none: the upgrade that a created Secret
// needs would change one that has to stay as it is.
func (w secretWriter) first(ctx context.Context, p *unseal.Plan, c *unseal.Contents, immutable *bool, existing *metav1.ObjectMeta) (metav1.ObjectMeta, error) {
	switch {
	case existing != nil:
		return w.exact(ctx, p, c, immutable, existing.ResourceVersion)
	case immutable != nil && *immutable:
		return w.exact(ctx, p, c, immutable, absent)
	}
	return w.create(ctx, p, c, immutable)
}

// exact applies the Secret at a version, and removes the keys that the API server then answers besides ours: those of other field managers.
func (w secretWriter) exact(ctx context.Context, p *unseal.Plan, c *unseal.Contents, immutable *bool, version string) (metav1.ObjectMeta, error) {
	written, foreign, err := w.apply(ctx, p, c, immutable, version)
	if err == nil && created(written) {
		if version, err = w.upgrade(ctx, p, written); err == nil {
			written, foreign, err = w.apply(ctx, p, c, immutable, version)
		}
	}
	if err != nil || len(foreign) == 0 {
		return written, err
	}
	remove := map[string]any{"metadata": map[string]any{"resourceVersion": written.ResourceVersion}}
	gone := map[string]any{}
	for _, key := range foreign {
		gone[key] = nil
	}
	remove["data"] = gone
	patch, err := json.Marshal(remove)
	if err != nil {
		return written, fmt.Errorf("encoding a patch: %w", err)
	}
	written, _, err = w.patch(ctx, p, c, client.RawPatch(types.MergePatchType, patch))
	return written, err
}

// apply is one server-side apply at a version; it gives what patch gives.
func (w secretWriter) apply(ctx context.Context, p *unseal.Plan, c *unseal.Contents, immutable *bool, version string) (metav1.ObjectMeta, []string, error) {
	body, err := applyBody(p, c, immutable, version)
	if err != nil {
		return metav1.ObjectMeta{}, nil, err
	}
	defer clear(body)
	return w.patch(ctx, p, c, client.RawPatch(types.ApplyPatchType, body), client.ForceOwnership)
}

// patch gives the Secret's metadata and the data keys that c does not have.
func (w secretWriter) patch(ctx context.Context, p *unseal.Plan, c *unseal.Contents, patch client.Patch, opts ...client.PatchOption) (metav1.ObjectMeta, []string, error) {
	answer := blank(p)
	if err := w.client.Patch(ctx, answer, patch, append(opts, client.FieldOwner(unseal.FieldManager))...); err != nil {
		return metav1.ObjectMeta{}, nil, err
	}
	ours := c.Names()
	var foreign []string
	for key, value := range answer.Data {
		clear(value)
		if !slices.Contains(ours, key) {
			foreign = append(foreign, key)
		}
	}
	slices.Sort(foreign)
	return answer.ObjectMeta, foreign, nil
}

func blank(p *unseal.Plan) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.Secret.Namespace, Name: p.Secret.Name}}
}

// wanted is the Secret as it has to be. Its values are c's own.
func wanted(p *unseal.Plan, c *unseal.Contents, immutable *bool) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: *p.Secret.DeepCopy(),
		Type:       corev1.SecretType(p.Type),
		Immutable:  immutable,
		Data:       c.Data(),
	}
}

// applyBody is the Secret as JSON. The caller clears it.
func applyBody(p *unseal.Plan, c *unseal.Contents, immutable *bool, version string) ([]byte, error) {
	s := wanted(p, c, immutable)
	s.ResourceVersion = version
	body, err := json.Marshal(s)
	if err != nil {
		return nil, errors.New("encoding a Secret")
	}
	return body, nil
}
