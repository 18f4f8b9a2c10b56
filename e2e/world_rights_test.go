package e2e_test

import (
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// may waits until the API server lets somebody do something, or does not.
func (w *world) may(t *testing.T, what authorizationv1.SubjectAccessReviewSpec, want bool) {
	t.Helper()
	w.May(w.ctx, t, what, want)
}

// asAccount is that a ServiceAccount does something.
func asAccount(namespace, name string, does authorizationv1.ResourceAttributes) authorizationv1.SubjectAccessReviewSpec {
	return authorizationv1.SubjectAccessReviewSpec{User: "system:serviceaccount:" + namespace + ":" + name, ResourceAttributes: &does}
}

// withConfigMaps is that it does something with all ConfigMaps of the controller's namespace.
func withConfigMaps(namespace, name, verb string) authorizationv1.SubjectAccessReviewSpec {
	return asAccount(namespace, name, authorizationv1.ResourceAttributes{Namespace: home, Verb: verb, Resource: "configmaps"})
}
