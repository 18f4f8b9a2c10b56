package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	// startup is how long the sources of keyrings have, after a start, before an object whose key is in none of those read so far is told that one is away.
	startup = 30 * time.Second
	// firstKeys is how long objects that were never looked at wait for them at the most, and how often they ask.
	firstKeys, firstKeysEvery = 5 * time.Second, 200 * time.Millisecond
)

// gatherer collects what is decided by. Everything comes from caches, except where they are behind what was written before, and the sealed part of an object
// that is looked at again.
type gatherer struct {
	cache  client.Reader // GitSecrets without their sealed part, and the metadata of Secrets and Namespaces
	live   client.Reader
	ring   *keyring.Live
	seen   *memory
	noted  *noted
	bodies *bodies
	pace   *pace
	marks  marks
	// waiters and unwrapper hear of objects that are gone.
	waiters   *auditWaiters
	unwrapper *unwrapper
	home      string
	// namespaced is true where Namespaces cannot be read; one that is being deleted is then known by the API server's refusal.
	namespaced bool
	now        func() time.Time

	once  sync.Once
	began time.Time
}

// gather gives nil where there is nothing to decide, and then when to look again, if at all.
func (g *gatherer) gather(ctx context.Context, key types.NamespacedName) (in *unseal.Input, again time.Duration, err error) {
	g.once.Do(func() { g.began = g.now() }) // not before this replica has the lead
	o := &v1alpha1.GitSecret{}
	if err := g.cache.Get(ctx, key, o); err != nil {
		if apierrors.IsNotFound(err) {
			g.leave(ctx, key)
			g.seen.forget(key)
			g.noted.forget(key)
			g.bodies.drop(key)
			g.bodies.offers.forget(key)
			g.pace.forget(key)
			g.waiters.forget(key)
			g.unwrapper.forget(key)
			return nil, 0, nil
		}
		return nil, 0, err
	}
	if o.DeletionTimestamp != nil {
		g.unwrapper.forget(key)
		return nil, 0, nil
	}
	o.Status, o.ResourceVersion = g.seen.latest(o)
	if in, err = g.around(ctx, o); err != nil {
		return nil, 0, err
	}
	if again, quiet := g.seen.quiet(in); quiet {
		if again {
			return nil, g.seen.retry(key), nil
		}
		return nil, 0, nil
	}
	if g.waitsForFirstKeys(in) {
		return nil, firstKeysEvery, nil
	}
	switch {
	case !consistent(o, in.Secret):
		err = g.confirm(ctx, in)
	case !g.bodies.get(o):
		err = g.fetch(ctx, in)
	}
	if errors.Is(err, errBehind) {
		return nil, g.seen.retry(key), nil
	}
	if err == nil {
		in.NoRoom = g.seen.hasNoRoom(in.Object)
		in.Stored, err = g.stored(ctx, in.Object)
	}
	if err != nil {
		return nil, 0, err
	}
	return in, 0, nil
}

// around is the input for o as the caches have it.
func (g *gatherer) around(ctx context.Context, o *v1alpha1.GitSecret) (*unseal.Input, error) {
	secret, err := metadata(ctx, g.cache, "Secret", keyOf(o))
	if err != nil {
		return nil, fmt.Errorf("reading the metadata of Secret %s: %w", keyOf(o), err)
	}
	terminating, err := g.terminating(ctx, o.Namespace)
	if err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", o.Namespace, err)
	}
	now := g.now()
	return &unseal.Input{
		Object: o, Secret: secret, Ring: g.ring.Load(), Marks: g.marks.of(ctx, keyOf(o)), Now: now, Home: g.home,
		NamespaceTerminating: terminating,
		Starting:             now.Before(g.began.Add(startup)),
	}, nil
}

// terminating says whether the namespace is being deleted, as far as that can be known.
func (g *gatherer) terminating(ctx context.Context, name string) (bool, error) {
	if g.namespaced {
		return false, nil
	}
	namespace, err := metadata(ctx, g.cache, "Namespace", types.NamespacedName{Name: name})
	return namespace != nil && namespace.DeletionTimestamp != nil, err
}

// waitsForFirstKeys says whether an object of which nothing is known yet waits a moment longer, because no keyring was read yet. A start where there are many
// would have them all written twice.
func (g *gatherer) waitsForFirstKeys(in *unseal.Input) bool {
	return unseal.ReasonOf(in.Object.Status) == "" && in.Now.Before(g.began.Add(firstKeys)) && (in.Ring == nil || len(in.Ring.Unavailable()) > 0)
}

// metadata reads the metadata of a core object; nil where there is none.
func metadata(ctx context.Context, from client.Reader, kind string, key types.NamespacedName) (*metav1.ObjectMeta, error) {
	m := bareMetadata(corev1.SchemeGroupVersion.WithKind(kind), key)
	if err := from.Get(ctx, key, m); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &m.ObjectMeta, nil
}

// bareMetadata is an object of which metadata alone is asked for, or answered to a write.
func bareMetadata(kind schema.GroupVersionKind, key types.NamespacedName) *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	m.SetGroupVersionKind(kind)
	return m
}
