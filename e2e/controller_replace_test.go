package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// denyType is an admission policy that takes no Secrets of one type in one namespace; %[1]s is the namespace.
const denyType = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: %[1]s}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [secrets]}]
  validations: [{expression: "object.type != 'example.com/denied'"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: %[1]s}
spec:
  policyName: %[1]s
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[1]s}}}
`

// TestASecretIsNotDeletedForOneThatCannotBeMade changes the type, which takes a new Secret, to one that the API server refuses.
func TestASecretIsNotDeletedForOneThatCannotBeMade(t *testing.T) {
	w := newWorld(t)
	for _, o := range w.ApplyYAML(t, "", fmt.Sprintf(denyType, w.namespace)) {
		t.Cleanup(func() {
			if err := w.Delete(context.Background(), o); err != nil {
				t.Error(err)
			}
		})
	}
	harness.Eventually(w.ctx, t, "the policy holds", func(ctx context.Context) error {
		probe := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "probe"}, Type: "example.com/denied"}
		if err := w.Create(ctx, probe, client.DryRunAll); !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
			return fmt.Errorf("the answer was %v", err)
		}
		return nil
	})
	w.controller(t)
	o := w.sealed(t, "db", "user")
	w.create(t, o)
	before := w.holds(t, "db", "user")
	w.update(t, o, func() { o.Spec.Type = "example.com/denied" })
	w.eventually(t, "db", unseal.ApplyFailed)
	if after := w.holds(t, "db", "user"); after.UID != before.UID {
		t.Error("the Secret that worked was deleted")
	}
	var all corev1.SecretList
	if err := w.List(w.ctx, &all, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	for _, s := range all.Items {
		if strings.HasPrefix(s.Name, "waxwing-rehearsal-") {
			t.Error("the rehearsal left a Secret behind")
		}
	}
	w.update(t, o, func() { o.Spec.Type = "example.com/taken" })
	w.eventually(t, "db", unseal.Unsealed)
	if after := w.holds(t, "db", "user"); after.Type != "example.com/taken" {
		t.Errorf("the Secret is of type %s", after.Type)
	}
}
