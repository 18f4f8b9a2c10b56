package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestWhatACreatedSecretLosesIsGone holds that the first change after a Secret was created, not applied, takes out all that the object has no more.
func TestWhatACreatedSecretLosesIsGone(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	for name, c := range map[string]struct {
		change func(*v1alpha1.GitSecret) error
		items  []string
		left   func(*corev1.Secret) bool
	}{
		"item": {func(o *v1alpha1.GitSecret) error { return seal.Remove(&o.Spec, "password") }, []string{"user"}, func(*corev1.Secret) bool { return false }},
		"label": {func(o *v1alpha1.GitSecret) error {
			o.Spec.Template.Metadata.Labels = map[string]string{"other": "b"}
			return nil
		}, []string{"user", "password"}, func(s *corev1.Secret) bool { return s.Labels["team"] != "" || s.Labels["other"] != "b" }},
		"annotation": {func(o *v1alpha1.GitSecret) error {
			o.Spec.Template = nil
			return nil
		}, []string{"user", "password"}, func(s *corev1.Secret) bool { return s.Annotations["note"] != "" }},
		"owner": {func(o *v1alpha1.GitSecret) error {
			o.Spec.DeletionPolicy = seal.DeletionRetain
			return nil
		}, []string{"user", "password"}, func(s *corev1.Secret) bool { return len(s.OwnerReferences) > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			o := w.sealed(t, name, "user", "password")
			o.Spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Labels: map[string]string{"team": "a"}, Annotations: map[string]string{"note": "b"}}}
			w.create(t, o)
			if s := w.seen(t, name); owners(s) != "Update" {
				t.Errorf("a new Secret is owned by %q of ours", owners(s))
			}
			w.update(t, o, func() {
				if err := c.change(o); err != nil {
					t.Fatal(err)
				}
			})
			w.eventually(t, name, unseal.Unsealed)
			s := w.holds(t, name, c.items...)
			if c.left(s) || owners(s) != "Apply" {
				t.Errorf("labels %v, annotations %v, owners %v, fields owned by %q of ours", s.Labels, s.Annotations, s.OwnerReferences, owners(s))
			}
		})
	}
}

// owners joins the operations of our entries among the managed fields.
func owners(s *corev1.Secret) string {
	ops := ""
	for _, m := range s.ManagedFields {
		if m.Manager == unseal.FieldManager {
			ops += string(m.Operation)
		}
	}
	return ops
}

// TestDriftOfACreatedSecretIsRepaired changes Secrets with kubectl that were created and never applied.
func TestDriftOfACreatedSecretIsRepaired(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	for name, patch := range map[string]string{
		"value": `{"data":{"user":"ZHJpZnQ="}}`,
		"more":  `{"data":{"extra":"ZHJpZnQ="}}`,
		"less":  `{"data":{"user":null}}`,
		"owner": `{"metadata":{"ownerReferences":null}}`,
		"label": `{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w.create(t, w.sealed(t, name, "user", "password"))
			w.seen(t, name)
			w.run(t, "patch", "secret", name, "--type=merge", "-p", patch)
			harness.Eventually(w.ctx, t, "it is repaired", func(ctx context.Context) error {
				o, s := &v1alpha1.GitSecret{}, &corev1.Secret{}
				if err := errors.Join(w.Get(ctx, w.key(name), o), w.Get(ctx, w.key(name), s), holdsExactly(s, []string{"user", "password"})); err != nil {
					return err
				}
				if metav1.GetControllerOf(s) == nil || s.Labels[v1alpha1.LabelManagedBy] != v1alpha1.ManagedBy || o.Status.Secret.ResourceVersion != s.ResourceVersion {
					return fmt.Errorf("labels %v, owners %v, version %s, the status knows %s", s.Labels, s.OwnerReferences, s.ResourceVersion, o.Status.Secret.ResourceVersion)
				}
				return nil
			})
		})
	}
	t.Run("a note of somebody", func(t *testing.T) {
		w.create(t, w.sealed(t, "note", "user"))
		s := w.seen(t, "note")
		if err := w.Patch(w.ctx, s, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"somebody/note":"x"}}}`))); err != nil {
			t.Fatal(err)
		}
		if s := w.seen(t, "note"); owners(s) != "Update" || ctl.intents(t, "note") != 1 {
			t.Errorf("fields owned by %q of ours, opened %d times", owners(s), ctl.intents(t, "note"))
		}
	})
}
