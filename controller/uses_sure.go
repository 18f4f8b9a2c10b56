package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

const (
	// catchUp is how long a cache has to catch up with the API server before a key is destroyed, and catchUpEvery how often it is looked whether it has.
	catchUp, catchUpEvery = 3 * time.Second, 100 * time.Millisecond
	// livePage is how many objects the API server is asked for at a time.
	livePage = 500
)

// sure implements keyring.UsesFunc for a decision to destroy: the objects are those of the API server, and not of a cache whose watch may stand still. It asks for the metadata of all
// GitSecrets, which is much for a glance.
func (u *uses) sure(ctx context.Context, name string) (keyring.Uses, error) {
	behind, err := u.behind(ctx)
	if err != nil {
		return keyring.Uses{}, fmt.Errorf("asking the API server which GitSecrets there are: %w", err)
	}
	told, err := u.of(ctx, name)
	if err != nil || len(behind) == 0 {
		return told, err
	}
	told.Soon = told.Unseen == "" || told.Soon
	if told.Unseen != "" {
		told.Unseen += "; "
	}
	told.Unseen += "the cache is behind the API server: " + some(behind)
	return told, nil
}

// behind names the objects that the cache does not have as the API server had them when it was asked, or later.
func (u *uses) behind(ctx context.Context) ([]string, error) {
	there, err := u.there(ctx)
	if err != nil {
		return nil, err
	}
	for until := time.Now().Add(catchUp); ; {
		var cached v1alpha1.GitSecretList
		if err := u.objects.List(ctx, &cached, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		for i := range cached.Items {
			o := &cached.Items[i]
			if c, ok := there[keyOf(o)]; ok && c.uid == o.UID && c.generation <= o.Generation {
				delete(there, keyOf(o))
			}
		}
		if len(there) == 0 || !time.Now().Before(until) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(catchUpEvery):
		}
		if err := u.ask(ctx, there); err != nil {
			return nil, err
		}
	}
	var names []string
	for key := range there {
		names = append(names, key.String())
	}
	return names, nil
}

// there lists the objects that the API server has, but for those of namespaces that cannot be read: these are known to be unseen.
func (u *uses) there(ctx context.Context) (map[types.NamespacedName]claim, error) {
	all := map[types.NamespacedName]claim{}
	n, ok := u.objects.(*namespaces)
	if !ok {
		return all, u.list(ctx, all)
	}
	unread := n.unread()
	for _, name := range n.names {
		if unread[name] {
			continue
		}
		if err := u.list(ctx, all, client.InNamespace(name)); err != nil {
			return nil, fmt.Errorf("namespace %s: %w", name, err)
		}
	}
	return all, nil
}

func (u *uses) list(ctx context.Context, all map[types.NamespacedName]claim, opts ...client.ListOption) error {
	for next := ""; ; {
		page := &metav1.PartialObjectMetadataList{}
		page.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(seal.Kind + "List"))
		if err := u.live.List(ctx, page, append(slices.Clone(opts), client.Limit(livePage), client.Continue(next))...); err != nil {
			return err
		}
		for _, o := range page.Items {
			all[types.NamespacedName{Namespace: o.Namespace, Name: o.Name}] = claim{o.UID, o.Generation}
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// ask has the API server say of some objects whether they are still there: one that has gone since is not missed.
func (u *uses) ask(ctx context.Context, some map[types.NamespacedName]claim) error {
	asked := 0
	for key := range some {
		if asked++; asked > livePage/10 {
			return nil
		}
		o := bareMetadata(v1alpha1.GroupVersion().WithKind(seal.Kind), key)
		switch err := u.live.Get(ctx, key, o); {
		case apierrors.IsNotFound(err):
			delete(some, key)
		case err != nil:
			return err
		default:
			some[key] = claim{o.UID, o.Generation}
		}
	}
	return nil
}
