package controller

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// gatherer collects what is decided by. Everything comes from caches, except where they are behind what was written before.
type gatherer struct {
	cache client.Reader // GitSecrets, and the metadata of Secrets and Namespaces
	live  client.Reader
	ring  *keyring.Live
	seen  *memory
	home  string
	now   func() time.Time
	// startupEnds is when a keyring whose source was not read yet counts as unavailable.
	startupEnds time.Time
}

// gather gives nil where there is no object.
func (g *gatherer) gather(ctx context.Context, key types.NamespacedName) (*unseal.Input, error) {
	o := &v1alpha1.GitSecret{}
	if err := g.cache.Get(ctx, key, o); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	o.Status, o.ResourceVersion = g.seen.latest(o)
	secret, err := g.secret(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("reading the metadata of Secret %s: %w", key, err)
	}
	namespace, err := metadata(ctx, g.cache, "Namespace", types.NamespacedName{Name: o.Namespace})
	if err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", o.Namespace, err)
	}
	now := g.now()
	return &unseal.Input{
		Object: o, Secret: secret, Ring: g.ring.Load(), Now: now, Home: g.home,
		NamespaceTerminating: namespace != nil && namespace.DeletionTimestamp != nil,
		Starting:             now.Before(g.startupEnds),
	}, nil
}

// secret is the metadata of the object's Secret: from the cache, unless that is older than what the status knows of, or has nothing where the status knows
// of a Secret. A stale answer would not do harm (the write has a precondition), but it would have values opened for nothing.
func (g *gatherer) secret(ctx context.Context, o *v1alpha1.GitSecret) (*metav1.ObjectMeta, error) {
	cached, err := metadata(ctx, g.cache, "Secret", keyOf(o))
	if err != nil {
		return nil, err
	}
	ref := o.Status.Secret
	if ref == nil || (cached != nil && !older(cached.ResourceVersion, ref.ResourceVersion)) {
		return cached, nil
	}
	return metadata(ctx, g.live, "Secret", keyOf(o))
}

// secretKind is the kind of Secret.
var secretKind = corev1.SchemeGroupVersion.WithKind("Secret")

// metadata reads the metadata of a core object; nil where there is none.
func metadata(ctx context.Context, from client.Reader, kind string, key types.NamespacedName) (*metav1.ObjectMeta, error) {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	if err := from.Get(ctx, key, m); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &m.ObjectMeta, nil
}
