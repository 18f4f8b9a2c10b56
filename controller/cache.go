package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/controller/wire"
)

// cacheOptions keep in memory only what tells whether there is something to do. Of Secrets there is only ever metadata, because nothing asks the cache for
// more. Of GitSecrets the sealed part goes to the bodies, before this where it comes from a watch; whoever needs the whole of a cached one has to ask the gatherer.
func cacheOptions(b *bodies) cache.Options {
	return cache.Options{
		DefaultTransform: slim(func(m metav1.Object) {
			m.SetManagedFields(nil)
			annotations := m.GetAnnotations()
			delete(annotations, corev1.LastAppliedConfigAnnotation) // a second copy of the object
			m.SetAnnotations(annotations)
		}),
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.GitSecret{}: {Transform: b.slim},
			&corev1.Secret{}:      {Transform: slim(slimSecret)},
			&corev1.Namespace{}: {Transform: slim(func(m metav1.Object) {
				m.SetManagedFields(nil)
				m.SetLabels(nil)
				m.SetAnnotations(nil)
			})},
		},
	}
}

// onlyIn are the options of a cache of one namespace and of what belongs to none.
func onlyIn(namespace string, b *bodies) cache.Options {
	o := cacheOptions(b)
	o.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	return o
}

// newCache makes caches whose watches of GitSecrets are read by package wire. o is of cacheOptions or onlyIn.
func newCache(b *bodies) cache.NewCacheFunc {
	return func(config *rest.Config, o cache.Options) (cache.Cache, error) {
		version := v1alpha1.GroupVersion()
		to := rest.CopyConfig(config)
		to.GroupVersion, to.APIPath = &version, "/apis"
		to.NegotiatedSerializer = wire.Serializer(serializer.WithoutConversionCodecFactory{CodecFactory: serializer.NewCodecFactory(o.Scheme)}, b.keep)
		kube, err := rest.RESTClientForConfigAndClient(to, o.HTTPClient)
		if err != nil {
			return nil, fmt.Errorf("making a client for watches: %w", err)
		}
		namespace, params := "", runtime.NewParameterCodec(o.Scheme)
		for name := range o.DefaultNamespaces {
			namespace = name
		}
		watching := func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			opts.Watch, opts.AllowWatchBookmarks = true, true
			return kube.Get().NamespaceIfScoped(namespace, namespace != "").Resource("gitsecrets").VersionedParams(&opts, params).Watch(ctx)
		}
		o.NewInformer = func(lw toolscache.ListerWatcher, kind runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
			_, ours := kind.(*v1alpha1.GitSecret)
			if ordinary, ok := lw.(*toolscache.ListWatch); ok && ours {
				lw = &toolscache.ListWatch{ListWithContextFunc: ordinary.ListWithContextFunc, WatchFuncWithContext: watching}
			}
			return toolscache.NewSharedIndexInformer(lw, kind, resync, indexers)
		}
		return cache.New(config, o)
	}
}

// slim is the transform of GitSecrets.
func (b *bodies) slim(obj any) (any, error) {
	o, ok := obj.(*v1alpha1.GitSecret)
	if !ok {
		return obj, nil
	}
	b.seen.shown(o)
	b.put(o)
	o.Status.Rewrap = slimOffers(o.Status.Rewrap)
	b.offers.shown(o)
	o.ManagedFields = slimManagers(o.ManagedFields)
	keepMarks(o)
	s := &o.Spec
	s.Items, s.Envelopes, s.Template, s.Signature = nil, nil, nil, nil
	return o, nil
}

// slimSecret keeps of a Secret's metadata whose it is, and our marks. Who has changed what is read when it matters.
func slimSecret(m metav1.Object) {
	keepMarks(m)
	m.SetLabels(nil)
	m.SetManagedFields(nil)
}

// keepMarks keeps our own annotations only.
func keepMarks(m metav1.Object) {
	annotations := m.GetAnnotations()
	for key := range annotations {
		if !strings.HasPrefix(key, v1alpha1.GroupName+"/") && key != v1alpha1.AnnotationAppliedBy {
			delete(annotations, key)
		}
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	m.SetAnnotations(annotations)
}

// slim makes a transform of the cache: the objects are the informer's own and may be changed.
func slim(change func(metav1.Object)) func(any) (any, error) {
	return func(obj any) (any, error) {
		if m, ok := obj.(metav1.Object); ok {
			change(m)
		}
		return obj, nil
	}
}
