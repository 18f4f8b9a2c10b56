package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// flushEvery is how often marks that nothing waits for are written; a crash loses at most those since, and those of objects that are unchanged come back.
	flushEvery = 5 * time.Second
	// flushAtLeast is how many ConfigMaps a turn may write in any case, and marksPerWrite how many marks earn it one more: together they hold the writes of a cold
	// start of many objects under 0.05 an object.
	flushAtLeast, marksPerWrite = 1, 40
	// lastFlush is how long the marks that are still unsaved may take at the end.
	lastFlush = 5 * time.Second
)

// Start writes marks in the background until ctx ends, and then those that are left, and those that a backup of etcd does not have that was put back: the next
// process knows of no others than those that are stored.
func (s *markStore) Start(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	earned := 0.0
	for {
		select {
		case <-tick.C:
			if s.load(ctx) == nil {
				earned = s.turn(ctx, earned)
			}
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			if s.loaded.Load() {
				s.recall(ctx)
				s.flush(ctx, s.shards)
			}
			return nil
		}
	}
}

// turn writes the ConfigMaps with the oldest changes, as many as the marks noted since the last turn have earned; it gives what is left of that.
func (s *markStore) turn(ctx context.Context, earned float64) float64 {
	due := s.due()
	n, earned := allowance(s.noted.Swap(0), earned, len(due))
	s.tries(due[:n])
	s.flush(ctx, due[:n])
	return earned
}

// tries notes that ConfigMaps are being written: one that cannot be does not come first again.
func (s *markStore) tries(shards []*markShard) {
	for _, sh := range shards {
		sh.mu.Lock()
		sh.tried = s.changes.Add(1)
		sh.mu.Unlock()
	}
}

// allowance is how many of the ConfigMaps that are due may be written, and what is left for the next turn. When nothing new comes, all may.
func allowance(noted int64, earned float64, due int) (n int, left float64) {
	if noted == 0 {
		return due, 0
	}
	earned += flushAtLeast + float64(noted)/marksPerWrite
	n = min(due, int(earned))
	return n, min(earned-float64(n), markShards)
}

// due lists the ConfigMaps with something to write, those first where something has waited for the longest: what one object has noted is written however often others change.
func (s *markStore) due() []*markShard {
	waits, due := map[*markShard]uint64{}, []*markShard(nil)
	for _, sh := range s.shards {
		sh.mu.Lock()
		if sh.unwritten() > 0 {
			waits[sh], due = sh.waits(), append(due, sh)
		}
		sh.mu.Unlock()
	}
	slices.SortFunc(due, func(a, b *markShard) int { return cmp.Compare(waits[a], waits[b]) })
	return due
}

// flush writes some ConfigMaps. What fails is logged there, and tried again in the next turn.
func (s *markStore) flush(ctx context.Context, shards []*markShard) {
	for _, sh := range shards {
		_ = sh.flush(ctx)
	}
}

// recall has those ConfigMaps written anew that have gone back to an older version or are gone, which a watch does not tell after etcd was restored. What fails is
// logged: it is the end of the process, and marks that are unsaved are still to be written.
func (s *markStore) recall(ctx context.Context) {
	all := &metav1.PartialObjectMetadataList{}
	all.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
	if err := s.reader.List(ctx, all, client.InNamespace(s.home)); err != nil {
		s.log.ErrorContext(ctx, "whether etcd was restored and marks have to be stored again cannot be told", "error", err)
		return
	}
	versions := map[string]string{}
	for i := range all.Items {
		versions[all.Items[i].Name] = all.Items[i].ResourceVersion
	}
	for _, sh := range s.shards {
		if sh.behind(versions[sh.name]) {
			s.log.WarnContext(ctx, "a ConfigMap of marks has gone back: the marks in memory are stored again", "configmap", sh.name)
			sh.gone()
		}
	}
}

// NeedLeaderElection has only the leader write.
func (s *markStore) NeedLeaderElection() bool { return true }

// addMarks registers the store, which dates by date what has gone.
func addMarks(mgr ctrl.Manager, cfg Config, objects client.Reader, date func() time.Time) (*markStore, error) {
	s := newMarkStore(mgr.GetAPIReader(), mgr.GetClient(), cfg.Namespace, cfg.Now, cfg.Log)
	s.date = date
	s.present = func(ctx context.Context) (func(string) bool, error) {
		unread := map[string]bool{}
		if n, ok := objects.(*namespaces); ok {
			unread = n.unread()
		}
		var all v1alpha1.GitSecretList
		if err := objects.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		keys := make(map[string]bool, len(all.Items))
		for i := range all.Items {
			keys[markKey(keyOf(&all.Items[i]))] = true
		}
		return func(key string) bool {
			object, _ := objectOf(key)
			return keys[key] || unread[object.Namespace]
		}, nil
	}
	return s, mgr.Add(s)
}

// whenMarksChange watches the ConfigMaps of marks (their metadata only) and queues the objects whose mark somebody else has changed or removed, after it has told
// changed of each.
func (s *markStore) whenMarksChange(mgr ctrl.Manager, objects client.Reader, changed func(types.NamespacedName)) (source.Source, error) {
	only := cache.Config{LabelSelector: labels.SelectorFromSet(labels.Set{labelMarks: "true"})}
	configMaps, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultNamespaces: map[string]cache.Config{s.home: only},
		DefaultTransform:  cache.TransformStripManagedFields(),
	})
	if err != nil {
		return nil, fmt.Errorf("watching marks: %w", err)
	}
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		kind := &metav1.PartialObjectMetadata{}
		kind.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
		informer, err := configMaps.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watching marks: %w", err)
		}
		if _, err := informer.AddEventHandler(s.handler(ctx)); err != nil {
			return fmt.Errorf("watching marks: %w", err)
		}
		go func() {
			if err := configMaps.Start(ctx); err != nil {
				s.log.ErrorContext(ctx, "watching marks", "error", err)
			}
		}()
		go s.queueWoken(ctx, objects, func(req reconcile.Request) {
			changed(req.NamespacedName)
			queue.Add(req)
		})
		return nil
	}), nil
}

func (s *markStore) handler(ctx context.Context) toolscache.ResourceEventHandler {
	tell := func(o any, version func(metav1.Object) string) {
		if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
			o = gone.Obj
		}
		m, ok := o.(metav1.Object)
		if !ok || !s.loaded.Load() {
			return // what is read later is newer
		}
		if sh := s.named(m.GetName()); sh != nil {
			sh.observed(ctx, version(m))
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { tell(o, metav1.Object.GetResourceVersion) },
		UpdateFunc: func(_, o any) { tell(o, metav1.Object.GetResourceVersion) },
		DeleteFunc: func(o any) { tell(o, func(metav1.Object) string { return "0" }) },
	}
}

func (s *markStore) queueWoken(ctx context.Context, objects client.Reader, add func(reconcile.Request)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.mu.Lock()
		keys := s.woken
		s.woken = nil
		s.mu.Unlock()
		for _, key := range keys {
			for _, req := range s.requests(ctx, objects, key) {
				add(req)
			}
		}
	}
}

// requests are those for the object of a markKey. Where the key does not tell its name, the objects of its namespace are looked through.
func (s *markStore) requests(ctx context.Context, objects client.Reader, key string) []reconcile.Request {
	object, ok := objectOf(key)
	if object.Namespace == "" {
		return nil
	}
	if ok {
		return []reconcile.Request{{NamespacedName: object}}
	}
	var all v1alpha1.GitSecretList
	if err := objects.List(ctx, &all, client.InNamespace(object.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		s.log.ErrorContext(ctx, "listing GitSecrets whose marks have changed", "error", err)
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		if markKey(keyOf(&all.Items[i])) == key {
			requests = append(requests, reconcile.Request{NamespacedName: keyOf(&all.Items[i])})
		}
	}
	return requests
}
