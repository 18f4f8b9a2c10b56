package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// may waits until the API server lets somebody do something, or does not: it hears of roles and bindings a moment after they are written.
func (w *world) may(t *testing.T, what authorizationv1.SubjectAccessReviewSpec, want bool) {
	t.Helper()
	b, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	harness.Eventually(w.ctx, t, fmt.Sprintf("it is %t that they may: %s", want, b), func(ctx context.Context) error {
		review := &authorizationv1.SubjectAccessReview{Spec: what}
		if err := w.Create(ctx, review); err != nil {
			return err
		}
		if review.Status.Allowed != want {
			return fmt.Errorf("%t: %s", review.Status.Allowed, review.Status.Reason)
		}
		return nil
	})
}

// asAccount is that a ServiceAccount does something.
func asAccount(namespace, name string, does authorizationv1.ResourceAttributes) authorizationv1.SubjectAccessReviewSpec {
	return authorizationv1.SubjectAccessReviewSpec{User: "system:serviceaccount:" + namespace + ":" + name, ResourceAttributes: &does}
}

// configMaps is that it does something with all ConfigMaps of the controller's namespace.
func configMaps(namespace, name, verb string) authorizationv1.SubjectAccessReviewSpec {
	return asAccount(namespace, name, authorizationv1.ResourceAttributes{Namespace: home, Verb: verb, Resource: "configmaps"})
}
