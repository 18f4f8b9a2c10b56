package process

import (
	"context"
	"crypto/ed25519"
	"net/http"

	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/cluster"
	"github.com/waxwing-io/waxwing/audit/serve"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// Folder is an audit log whose files are in a folder, and whose name and anchor are in the cluster.
type Folder struct {
	Store   audit.Store
	Anchors audit.Anchors
	// Status tells how the store does; it is safe for concurrent use.
	Status func() tiles.Status
	// Files serves what is in the folder, below /v1/audit/.
	Files http.Handler
}

// InFolder puts together the log of a replica. The anchor is in a ConfigMap of the namespace; cfg says where the files are and how they are kept, without Origin, Anchors and Key;
// key gives the key that signs a log of that name. Nothing is read before the store is asked whether it is ready.
func InFolder(core corev1client.CoreV1Interface, namespace, replica string, cfg tiles.Config, key func(ctx context.Context, origin string) (ed25519.PrivateKey, error)) Folder {
	anchors := cluster.NewAnchors(core.ConfigMaps(namespace), replica)
	store := cluster.NewStore(
		func(ctx context.Context) (string, error) { return cluster.Origin(ctx, core.Namespaces(), replica) },
		func(origin string) *tiles.Store {
			cfg := cfg
			cfg.Origin, cfg.Anchors = origin, anchors
			cfg.Key = func(ctx context.Context) (ed25519.PrivateKey, error) { return key(ctx, origin) }
			return tiles.New(cfg)
		})
	status := func() tiles.Status {
		if opened := store.Opened(); opened != nil {
			return opened.Status()
		}
		return tiles.Status{}
	}
	files := serve.Handler(cfg.Dir, func(ctx context.Context) (audit.Anchor, error) {
		anchor, _, err := anchors.Load(ctx)
		return anchor, err
	})
	return Folder{store, anchors, status, files}
}
