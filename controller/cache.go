package controller

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// cacheOptions keep in memory only what is decided by. Of Secrets there is only ever metadata, because nothing asks the cache for more.
func cacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: slim(func(m metav1.Object) {
			m.SetManagedFields(nil)
			annotations := m.GetAnnotations()
			delete(annotations, corev1.LastAppliedConfigAnnotation) // a second copy of the object
			m.SetAnnotations(annotations)
		}),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: {Transform: slim(slimSecret)},
			&corev1.Namespace{}: {Transform: slim(func(m metav1.Object) {
				m.SetManagedFields(nil)
				m.SetLabels(nil)
				m.SetAnnotations(nil)
			})},
		},
	}
}

// onlyIn are the options of a cache of one namespace and of what belongs to none.
func onlyIn(namespace string) cache.Options {
	o := cacheOptions()
	o.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	return o
}

// slimSecret keeps of a Secret's metadata our marks and, where we wrote it, the managed fields, which tell what others have changed.
func slimSecret(m metav1.Object) {
	annotations := m.GetAnnotations()
	for key := range annotations {
		if !strings.HasPrefix(key, v1alpha1.GroupName+"/") {
			delete(annotations, key)
		}
	}
	m.SetAnnotations(annotations)
	m.SetLabels(nil)
	owner := metav1.GetControllerOfNoCopy(m)
	_, marked := annotations[v1alpha1.AnnotationOrigin]
	if !marked && (owner == nil || owner.Kind != seal.Kind) {
		m.SetManagedFields(nil)
	}
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
