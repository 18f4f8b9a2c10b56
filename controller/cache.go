package controller

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// cacheOptions keep in memory only what tells whether there is something to do. Of Secrets there is only ever metadata, because nothing asks the cache for
// more. Of GitSecrets the sealed part goes to the bodies; whoever needs the whole of a cached one has to ask the gatherer.
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

// slim is the transform of GitSecrets.
func (b *bodies) slim(obj any) (any, error) {
	o, ok := obj.(*v1alpha1.GitSecret)
	if !ok {
		return obj, nil
	}
	b.seen.shown(o)
	b.put(o)
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
