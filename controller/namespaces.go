package controller

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// askAgain is how soon a namespace that could not be read is asked for again, and stillThere how often one that can.
	askAgain   = 5 * time.Second
	stillThere = 5 * time.Minute
)

// namespaces are the caches of namespaced mode: one for each namespace of the list. The multi-namespace cache of controller-runtime waits for all of them, so
// that a single namespace without rights, or one that is still to be made, would hold up all others. Here each is served as soon as it can be read.
// As a client.Reader it answers for GitSecrets and the metadata of Secrets; what belongs to no namespace, or to the controller's own, comes from home.
// Safe for concurrent use.
type namespaces struct {
	names []string
	home  client.Reader
	live  client.Reader
	open  func(namespace string) (cache.Cache, error)
	tell  func(namespace string, reachable bool)
	log   *slog.Logger
	// jitter gives numbers in [0, 1).
	jitter func() float64

	mu     sync.Mutex
	caches map[string]cache.Cache
	synced map[string]bool
	failed map[string]bool // those that could not be read when they were asked for last: a cache that was filled before stands still
}

var _ client.Reader = (*namespaces)(nil)

// Get reads one object. Nothing but the objects of the list, and what is in home, is ever asked for.
func (n *namespaces) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if !slices.Contains(n.names, key.Namespace) {
		return n.home.Get(ctx, key, o, opts...)
	}
	n.mu.Lock()
	c := n.caches[key.Namespace]
	n.mu.Unlock()
	if c == nil {
		return fmt.Errorf("namespace %s is not being read yet", key.Namespace)
	}
	return c.Get(ctx, key, o, opts...)
}

// List reads the GitSecrets of all namespaces that are being served; any other list is the cluster's own.
func (n *namespaces) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if _, ours := list.(*v1alpha1.GitSecretList); !ours {
		return n.home.List(ctx, list, opts...)
	}
	var all []runtime.Object
	for _, c := range n.served() {
		var part v1alpha1.GitSecretList
		if err := c.List(ctx, &part, opts...); err != nil {
			return err
		}
		for i := range part.Items {
			all = append(all, &part.Items[i])
		}
	}
	return apimeta.SetList(list, all)
}

// served lists the caches that are filled, by namespace.
func (n *namespaces) served() []cache.Cache {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []cache.Cache
	for _, name := range slices.Sorted(maps.Keys(n.synced)) {
		all = append(all, n.caches[name])
	}
	return all
}

// unread lists the namespaces whose objects are not known, as one that cannot be read at present. Who lists objects, too, asks for it before.
func (n *namespaces) unread() map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	unread := map[string]bool{}
	for _, name := range n.names {
		if !n.synced[name] || n.failed[name] {
			unread[name] = true
		}
	}
	return unread
}

// source gives a source of requests for all namespaces. watches gives the sources of one, from its cache.
func (n *namespaces) source(watches func(cache.Cache) []source.Source) source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		for _, name := range n.names {
			go n.serve(ctx, name, queue, watches)
		}
		return nil
	})
}

// serve waits until the namespace can be read, has its objects looked at from then on, and goes on asking whether it still can be read.
func (n *namespaces) serve(ctx context.Context, name string, queue workqueue.TypedRateLimitingInterface[reconcile.Request], watches func(cache.Cache) []source.Source) {
	started := false
	var said error
	for first := true; ; first = false {
		err := n.readable(ctx, name)
		n.note(name, err == nil)
		n.tell(name, err == nil)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && (first || said == nil):
			n.log.WarnContext(ctx, "a namespace cannot be read; the others are served", "namespace", name, "error", err)
		case err == nil && !first && said != nil:
			n.log.InfoContext(ctx, "the namespace can be read", "namespace", name)
		}
		said = err
		wait := askAgain
		if err == nil {
			wait = stillThere
			if !started {
				started = true
				go n.start(ctx, name, queue, watches)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait + time.Duration(n.jitter()*float64(wait/4))):
		}
	}
}

func (n *namespaces) note(name string, readable bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failed == nil {
		n.failed = map[string]bool{}
	}
	n.failed[name] = !readable
}

// start fills the cache of a namespace and has its objects queued.
func (n *namespaces) start(ctx context.Context, name string, queue workqueue.TypedRateLimitingInterface[reconcile.Request], watches func(cache.Cache) []source.Source) {
	c, err := n.open(name)
	if err != nil {
		n.log.ErrorContext(ctx, "opening the cache of a namespace", "namespace", name, "error", err)
		return
	}
	n.mu.Lock()
	n.caches[name] = c
	n.mu.Unlock()
	go func() {
		if err := c.Start(ctx); err != nil {
			n.log.ErrorContext(ctx, "the cache of a namespace has ended", "namespace", name, "error", err)
		}
	}()
	for _, s := range watches(c) {
		if err := s.Start(ctx, queue); err != nil {
			n.log.ErrorContext(ctx, "watching a namespace", "namespace", name, "error", err)
			return
		}
		if waits, ok := s.(source.SyncingSource); ok && waits.WaitForSync(ctx) != nil {
			return // only when the controller stops
		}
	}
	n.mu.Lock()
	n.synced[name] = true
	n.mu.Unlock()
}

// readable asks for what the cache will ask for.
func (n *namespaces) readable(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, askAgain)
	defer cancel()
	secrets := &metav1.PartialObjectMetadataList{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	for _, list := range []client.ObjectList{&v1alpha1.GitSecretList{}, secrets} {
		err := n.live.List(ctx, list, client.InNamespace(name), client.Limit(1))
		if apierrors.IsForbidden(err) {
			return fmt.Errorf("the controller has no right to list what it needs there, or there is no such namespace: %w", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
