package controller

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	nameset "k8s.io/apimachinery/pkg/util/sets" // tests of the package have a name sets
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/unseal"
)

// create makes a Secret where none is known of, with half of what an apply costs the API server. One that is there all the same is a conflict.
//
// The API server notes an Update of ours as the owner of the fields. The first apply after it has to make that an Apply (see upgrade), or what is left out
// then would stay.
func (w secretWriter) create(ctx context.Context, p *unseal.Plan, c *unseal.Contents, immutable *bool) (metav1.ObjectMeta, error) {
	s := wanted(p, c, immutable)
	// The answer is decoded into s.
	defer func() {
		for _, value := range s.Data {
			clear(value)
		}
	}()
	err := w.client.Create(ctx, s, client.FieldOwner(unseal.FieldManager))
	if apierrors.IsAlreadyExists(err) {
		return metav1.ObjectMeta{}, errConflict
	}
	return s.ObjectMeta, err
}

// created says whether a Secret still has the owner of fields that create left.
func created(m metav1.ObjectMeta) bool {
	return slices.ContainsFunc(m.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == unseal.FieldManager && e.Operation == metav1.ManagedFieldsOperationUpdate && e.Subresource == ""
	})
}

// upgrade makes the fields that create owns owned by apply, and gives the Secret's new version. The caller applies once more.
func (w secretWriter) upgrade(ctx context.Context, p *unseal.Plan, m metav1.ObjectMeta) (version string, err error) {
	s := blank(p)
	s.ObjectMeta = m
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(s, nameset.New(unseal.FieldManager), unseal.FieldManager)
	if err != nil || patch == nil {
		return m.ResourceVersion, err
	}
	answer := bareMetadata(corev1.SchemeGroupVersion.WithKind("Secret"), types.NamespacedName{Namespace: m.Namespace, Name: m.Name})
	if err := w.client.Patch(ctx, answer, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(unseal.FieldManager)); err != nil {
		return "", err
	}
	return answer.ResourceVersion, nil
}
