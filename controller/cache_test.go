package controller

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/unseal"
)

func TestCachedSecretsKeepOnlyWhatIsDecidedBy(t *testing.T) {
	yes := true
	owner := []metav1.OwnerReference{{Kind: "GitSecret", Name: "db", UID: "o", Controller: &yes}}
	in := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: "db", UID: "u", ResourceVersion: "7", Labels: map[string]string{"a": "b"}, OwnerReferences: owner,
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "someone"}},
		Annotations:   map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "canary-not-a-secret", "waxwing.io/adopt": "true"},
	}}
	want := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: "db", UID: "u", ResourceVersion: "7", OwnerReferences: owner, Annotations: map[string]string{"waxwing.io/adopt": "true"},
	}}
	got, err := slim(slimSecret)(in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// whole is a GitSecret as the API server gives it.
func whole(generation int64, version string) *v1alpha1.GitSecret {
	return &v1alpha1.GitSecret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "prod", Name: "db", UID: "u", Generation: generation, ResourceVersion: version,
			ManagedFields: []metav1.ManagedFieldsEntry{
				{Manager: "flux", APIVersion: "waxwing.io/v1alpha1", Operation: "Apply", Time: &metav1.Time{Time: time.Unix(1, 0)}, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{}}`)},
				{Manager: "someone", APIVersion: "waxwing.io/v1alpha1", Operation: "Update", Time: &metav1.Time{Time: time.Unix(2, 0)}, FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{}}`)},
				{Manager: "waxwing-controller", APIVersion: "waxwing.io/v1alpha1", Subresource: "status", Time: &metav1.Time{Time: time.Unix(3, 0)}, FieldsV1: metav1.NewFieldsV1(`{"f:status":{}}`)},
			},
			Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}", v1alpha1.AnnotationAppliedBy: "alice", "other": "x"},
		},
		Spec: seal.Spec{
			Format: 1, For: seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}, Type: "Opaque", DeletionPolicy: seal.DeletionRetain,
			Items:     map[string]seal.Item{"user": {Envelope: "e", Value: "AAAA"}},
			Envelopes: map[string]seal.Envelope{"e": {Commit: "c"}},
			Template:  &seal.Template{Data: map[string]string{"url": "{{ .user }}"}}, Signature: &seal.Signature{Signer: "s"},
		},
		Status: v1alpha1.GitSecretStatus{OpenedWith: "k"},
	}
}

// cached is what the cache keeps of it.
func cached(t *testing.T, b *bodies, o *v1alpha1.GitSecret) *v1alpha1.GitSecret {
	t.Helper()
	got, err := b.slim(o)
	if err != nil {
		t.Fatal(err)
	}
	return got.(*v1alpha1.GitSecret)
}

func TestCachedGitSecretsAreWholeUntilTheyWereLookedAt(t *testing.T) {
	b := newBodies(newMemory(func() float64 { return 0 }), 1<<20)
	o := cached(t, b, whole(1, "10"))
	want := &v1alpha1.GitSecret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "prod", Name: "db", UID: "u", Generation: 1, ResourceVersion: "10",
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "flux"}}, Annotations: map[string]string{v1alpha1.AnnotationAppliedBy: "alice"},
		},
		Spec:   seal.Spec{Format: 1, For: seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}, Type: "Opaque", DeletionPolicy: seal.DeletionRetain},
		Status: v1alpha1.GitSecretStatus{OpenedWith: "k"},
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Fatal(diff)
	}
	if !b.get(o) {
		t.Fatal("there is no sealed part")
	}
	if diff := cmp.Diff(whole(1, "10").Spec, o.Spec); diff != "" {
		t.Error(diff)
	}
	if b.seen.looked(&unseal.Input{Object: o}, unseal.Outcome{Reason: unseal.Tampered}, 0) {
		b.drop(keyOf(o))
	}
	if again := cached(t, b, whole(1, "11")); b.get(again) {
		t.Error("the sealed part of an object that was looked at is kept when its status changes")
	}
	if next := cached(t, b, whole(2, "12")); !b.get(next) || len(next.Spec.Items) != 1 {
		t.Error("that of a new generation is not kept")
	}
	if b.get(want) {
		t.Error("a generation was given the sealed part of another")
	}
	b.drop(keyOf(o))
	if b.room != 1<<20 || len(b.specs) != 0 {
		t.Errorf("%d bytes of room, %d objects", b.room, len(b.specs))
	}
}

func TestBodiesAreBounded(t *testing.T) {
	first, second := whole(1, "10"), whole(1, "11")
	second.Name = "other"
	one, err := json.Marshal(&first.Spec)
	if err != nil {
		t.Fatal(err)
	}
	b := newBodies(newMemory(func() float64 { return 0 }), len(one)+len(one)/2)
	if a, b2 := cached(t, b, first), cached(t, b, second); !b.get(a) || b.get(b2) {
		t.Error("the bound is not held, or keeps nothing")
	}
	if again := cached(t, b, second); b.get(again) {
		t.Error("an object for which there was no room was kept without its sealed part, when the informer came with it once more")
	}
	b.drop(keyOf(first))
	second = whole(1, "12")
	second.Name = "other"
	if o := cached(t, b, second); !b.get(o) {
		t.Error("room that was freed is not used")
	}
}
