package controller

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

// errBehind says that the cache has another object than the API server: it will tell when it has caught up.
var errBehind = errors.New("the cache is behind")

// consistent says whether the Secret is the one that the status speaks of. If not, somebody has changed it, or one of the caches is behind.
func consistent(o *v1alpha1.GitSecret, secret *metav1.ObjectMeta) bool {
	ref := o.Status.Secret
	if ref == nil || secret == nil {
		return ref == nil && secret == nil
	}
	return ref.UID == string(secret.UID) && ref.ResourceVersion == secret.ResourceVersion
}

// confirm replaces object and Secret by what the API server has now. So nothing is opened for a cache that is behind, no old version of the object is written
// over the Secret of a newer one, and the Secret has the managed fields that say what was changed, which the cache does not keep.
func (g *gatherer) confirm(ctx context.Context, in *unseal.Input) error {
	if err := g.fetch(ctx, in); err != nil {
		return err
	}
	// After the object: a Secret that is newer than the status is looked at again, one that is older would be taken for one that somebody has put back.
	secret, err := metadata(ctx, g.live, "Secret", keyOf(in.Object))
	if err != nil {
		return fmt.Errorf("reading the metadata of Secret %s: %w", keyOf(in.Object), err)
	}
	in.Secret = secret
	return nil
}

// fetch replaces the object by what the API server has, if that is the same version of it.
func (g *gatherer) fetch(ctx context.Context, in *unseal.Input) error {
	key, o := keyOf(in.Object), &v1alpha1.GitSecret{}
	err := g.live.Get(ctx, key, o)
	if apierrors.IsNotFound(err) {
		return errBehind
	}
	if err != nil {
		return fmt.Errorf("reading GitSecret %s: %w", key, err)
	}
	if o.UID != in.Object.UID || o.Generation != in.Object.Generation {
		return errBehind
	}
	if older(o.ResourceVersion, in.Object.ResourceVersion) {
		g.seen.doubt(key) // what was written is there no more
	}
	in.Object = o
	return nil
}
