package plane

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
)

const (
	// garbageResync is how often the garbage collector looks for new kinds. The controller manager fixes it to
	// 30 seconds, so that the dependents of a custom resource would be collected that long after its definition
	// appeared; this is the only reason for running the collector from here.
	garbageResync = time.Second
	// garbageFirstSync bounds its first look at all kinds, as in the controller manager.
	garbageFirstSync = 30 * time.Second
	garbageWorkers   = 5
)

// startGarbageCollector runs the controller manager's garbage collector, under its own user and its own RBAC role.
func (p *Plane) startGarbageCollector() error {
	kubeconfig, err := p.userKubeconfig("garbage-collector", "system:serviceaccount:kube-system:generic-garbage-collector")
	if err != nil {
		return err
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	cfg.QPS, cfg.Burst = 1000, 2000
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(cfg)
	if err != nil {
		return err
	}
	// Two discovery clients: the collector empties the mapper's cache when the other one sees a new kind.
	resources, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return err
	}
	forMapper, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(forMapper))
	shared := informerfactory.NewInformerFactory(
		informers.NewSharedInformerFactory(client, 0), metadatainformer.NewSharedInformerFactory(meta, 0))
	started := make(chan struct{})
	close(started)

	p.run("garbage collector", func(ctx context.Context) error {
		gc, err := garbagecollector.NewGarbageCollector(ctx, client, meta, mapper,
			garbagecollector.DefaultIgnoredResources(), shared, started)
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		wg.Go(func() { gc.Run(ctx, garbageWorkers, garbageFirstSync) })
		wg.Go(func() { gc.Sync(ctx, resources, garbageResync) })
		wg.Wait()
		return nil
	})
	return nil
}
