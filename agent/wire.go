package agent

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/live"
	"github.com/waxwing-io/waxwing/agent/rights"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// objectWriters is how many objects of one SecretSync are written at a time.
const objectWriters = 16

func openSource(dir string, limits source.Limits) (repository, error) {
	return source.Open(dir, limits)
}

// commitReader is package desired for commits of package source.
type commitReader struct{ cache *desired.Cache }

func newReader(turn *scan.Turn) reader {
	return commitReader{desired.NewCache(desired.Limits{Turn: turn})}
}

// Read implements reader.
func (c commitReader) Read(ctx context.Context, folder string, files []source.File, read blobs) (*desired.Set, error) {
	all := make([]desired.File, len(files))
	for i, f := range files {
		all[i] = desired.File{Path: f.Path, Kind: kindOf(f.Kind), Size: f.Size, Blob: f.Blob}
	}
	return desired.Read(ctx, folder, all, readable(read), c.cache)
}

// Manifests implements reader.
func (c commitReader) Manifests(read blobs) sync.Manifests {
	return manifests{c.cache.Manifests(readable(read))}
}

// manifests are those of package desired, as the API server takes them.
type manifests struct{ all *desired.Manifests }

// Manifest implements sync.Manifests.
func (a manifests) Manifest(ctx context.Context, o desired.Object) (*v1alpha1.GitSecret, error) {
	m, err := a.all.Manifest(ctx, o)
	if err != nil {
		return nil, err
	}
	return &v1alpha1.GitSecret{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.Metadata.Namespace, Name: m.Metadata.Name, Labels: m.Metadata.Labels, Annotations: m.Metadata.Annotations}, Spec: *m.Spec,
	}, nil
}

func kindOf(k source.Kind) desired.Kind {
	switch k {
	case source.Regular:
		return desired.Regular
	case source.Symlink:
		return desired.Link
	case source.Submodule:
		return desired.Module
	case source.Folder:
		return desired.Folder
	}
	return desired.Malformed
}

// readable has a file that is too large be told as package desired wants it.
func readable(read blobs) desired.ReadFunc {
	return func(ctx context.Context, blob string) ([]byte, error) {
		b, err := read(ctx, blob)
		if errors.Is(err, source.ErrTooLarge) {
			return nil, desired.ErrTooLarge
		}
		return b, err
	}
}

// newAccounts makes the hands that are ServiceAccounts.
func newAccounts(mgr ctrl.Manager, cfg Config, store *live.Store) (accounts, error) {
	all, err := sync.NewAccounts(mgr.GetConfig())
	if err != nil {
		return nil, err
	}
	checker := &rights.Checker{Always: []string{cfg.Namespace}, Now: cfg.Now}
	exists := existing(mgr.GetCache(), cfg.Namespaces)
	return func(name string, account types.NamespacedName) (hands, error) {
		as, err := all.Of(account)
		if err != nil {
			return nil, err
		}
		return &actor{checker, sync.Actor{Writer: sync.Writer{Sync: name, Account: as, Exists: exists}, Noted: store, Workers: objectWriters, Now: cfg.Now}}, nil
	}, nil
}

// actor is hands.
type actor struct {
	rights *rights.Checker
	sync.Actor
}

// TooMuch implements hands.
func (a *actor) TooMuch(ctx context.Context, namespaces []string) ([]string, error) {
	as := a.Writer.Account
	return a.rights.Check(ctx, as.Name, as.Reviews, namespaces)
}

// Carry implements hands.
func (a *actor) Carry(ctx context.Context, p sync.Plan, records sync.Records, manifests sync.Manifests, memory *sync.Memory) ([]sync.Result, error) {
	by := a.Actor
	by.Records, by.Manifests, by.Memory = records, manifests, memory
	return by.Carry(ctx, p)
}

// Prune implements hands.
func (a *actor) Prune(ctx context.Context, all []sync.Delete, records sync.Records) ([]sync.Result, error) {
	by := a.Actor
	by.Records = records
	return by.Prune(ctx, all)
}

// surroundingsOf gives what write-back goes by from the cache; what the cache had no room for is read past it.
func surroundingsOf(from, past client.Reader, store *live.Store, cfg Config) surroundings {
	return func(ctx context.Context, checkpoints bool) (in writeback.Cluster, err error) {
		var rings v1alpha1.KeyringList
		if err := from.List(ctx, &rings, client.UnsafeDisableDeepCopy); err != nil {
			return in, err
		}
		for i := range rings.Items {
			in.Keyrings = append(in.Keyrings, writeback.KeyringOf(&rings.Items[i]))
		}
		var objects v1alpha1.GitSecretList
		if err := from.List(ctx, &objects, client.UnsafeDisableDeepCopy); err != nil {
			return in, err
		}
		in.Later = store.Refill(ctx, readOne(past))
		for i := range objects.Items {
			o := &objects.Items[i]
			status := o.Status
			if status.Rewrap == nil {
				status.Rewrap = store.Offers(client.ObjectKeyFromObject(o))
			}
			in.Objects = append(in.Objects, writeback.ObjectOf(o, &status))
		}
		if checkpoints {
			in.Logs, err = auditLogs(ctx, cfg)
		}
		return in, err
	}
}

// readOne reads one GitSecret by listing it, for which the right to list them is enough.
func readOne(from client.Reader) func(context.Context, types.NamespacedName) (*v1alpha1.GitSecret, error) {
	return func(ctx context.Context, key types.NamespacedName) (*v1alpha1.GitSecret, error) {
		var list v1alpha1.GitSecretList
		if err := from.List(ctx, &list, client.InNamespace(key.Namespace), client.MatchingFields{"metadata.name": key.Name}); err != nil {
			return nil, err
		}
		if len(list.Items) != 1 {
			return nil, fmt.Errorf("GitSecret %s is not there", key)
		}
		return &list.Items[0], nil
	}
}
