package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestCachedSecretsKeepOnlyWhatIsDecidedBy(t *testing.T) {
	yes := true
	managed := []metav1.ManagedFieldsEntry{{Manager: "someone"}}
	full := func(change func(*metav1.ObjectMeta)) *metav1.PartialObjectMetadata {
		m := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Name: "db", UID: "u", ResourceVersion: "7", Labels: map[string]string{"a": "b"}, ManagedFields: managed,
			Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "canary-not-a-secret", "waxwing.io/adopt": "true"},
		}}
		change(&m.ObjectMeta)
		return m
	}
	kept := func(change func(*metav1.ObjectMeta)) *metav1.PartialObjectMetadata {
		m := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Name: "db", UID: "u", ResourceVersion: "7", Annotations: map[string]string{"waxwing.io/adopt": "true"},
		}}
		change(&m.ObjectMeta)
		return m
	}
	owner := []metav1.OwnerReference{{Kind: "GitSecret", Name: "db", UID: "o", Controller: &yes}}
	for name, c := range map[string]struct{ in, want *metav1.PartialObjectMetadata }{
		"of a Secret of somebody, our marks": {full(func(*metav1.ObjectMeta) {}), kept(func(*metav1.ObjectMeta) {})},
		"of our Secret, who has changed it": {
			full(func(m *metav1.ObjectMeta) { m.OwnerReferences = owner }),
			kept(func(m *metav1.ObjectMeta) { m.OwnerReferences, m.ManagedFields = owner, managed })},
		"of a Secret that outlives its object, likewise": {
			full(func(m *metav1.ObjectMeta) { m.Annotations["waxwing.io/origin"] = "prod/db" }),
			kept(func(m *metav1.ObjectMeta) { m.Annotations["waxwing.io/origin"], m.ManagedFields = "prod/db", managed })},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := slim(slimSecret)(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
