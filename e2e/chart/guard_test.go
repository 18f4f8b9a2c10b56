package chart_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestTheGuardOfTheKinds holds that a CRD of Waxwing is deleted by nobody who has not said so on the CRD itself, one by one or all at once.
func TestTheGuardOfTheKinds(t *testing.T) {
	r := install(t, "guarded", "")
	ctx := t.Context()
	clients, err := dynamic.NewForConfig(r.Config())
	if err != nil {
		t.Fatal(err)
	}
	crds := clients.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	refused := func(err error) error {
		if err == nil {
			return errors.New("it was let through")
		}
		if !apierrors.IsForbidden(err) {
			return err
		}
		for _, want := range []string{"keyrings.waxwing.io would delete all its objects", "kubectl annotate crd keyrings.waxwing.io waxwing.io/allow-deletion=true"} {
			if !strings.Contains(err.Error(), want) {
				return harness.Permanent(err)
			}
		}
		return nil
	}
	dry := metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}} // what is let through must not happen yet
	harness.Eventually(ctx, t, "the guard is in force", func(ctx context.Context) error { return refused(crds.Delete(ctx, "keyrings.waxwing.io", dry)) })
	if err := refused(crds.Delete(ctx, "keyrings.waxwing.io", metav1.DeleteOptions{})); err != nil {
		t.Fatalf("deleting it: %v", err)
	}
	selector := metav1.ListOptions{FieldSelector: "metadata.name=keyrings.waxwing.io"}
	if err := refused(crds.DeleteCollection(ctx, metav1.DeleteOptions{}, selector)); err != nil {
		t.Fatalf("deleting a collection with it: %v", err)
	}
	r.kubectl(t, "annotate", "crd", "keyrings.waxwing.io", "waxwing.io/allow-deletion=yes")
	if err := crds.Delete(ctx, "keyrings.waxwing.io", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("with another value: %v", err)
	}

	r.ApplyDir(t, "", "../harness/testdata/crds")
	if err := crds.Delete(ctx, "widgets.harness.example.test", metav1.DeleteOptions{}); err != nil {
		t.Errorf("the guard is in the way of others: %v", err)
	}
	r.kubectl(t, "annotate", "--overwrite", "crd", "keyrings.waxwing.io", "waxwing.io/allow-deletion=true")
	if err := crds.Delete(ctx, "keyrings.waxwing.io", metav1.DeleteOptions{}); err != nil {
		t.Errorf("deleting it with the annotation: %v", err)
	}
	harness.Eventually(ctx, t, "it is gone", func(ctx context.Context) error { return r.absent(ctx, t, crd("keyrings")) })
}
