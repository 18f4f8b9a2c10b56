package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// attribute installs the policies of the chart that stamp who wrote a GitSecret, for the time of the test.
func (w *world) attribute(t *testing.T) {
	t.Helper()
	t.Cleanup(w.nobodyStamps(t)) // after the deletions, which are registered later
	kinds := map[string]bool{"MutatingAdmissionPolicy": true, "MutatingAdmissionPolicyBinding": true, "ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true}
	n := 0
	for _, o := range harness.RenderWaxwing(t, "audit.attribution=true") {
		if o.GetName() != "waxwing-applied-by" || !kinds[o.GetKind()] {
			continue
		}
		n++
		w.create(t, o)
		t.Cleanup(func() {
			if err := w.Delete(context.WithoutCancel(w.ctx), o); err != nil {
				t.Error(err)
			}
		})
	}
	if n != len(kinds) {
		t.Fatalf("the chart has %d of them", n)
	}
}

// nobodyStamps gives a wait until the policies are not in force any more: the API server hears of their end a moment later, of each kind for itself, and would stamp what the next test
// writes.
func (w *world) nobodyStamps(t *testing.T) func() {
	t.Helper()
	holder, _ := lateKey(t, "nobody")
	probe := w.sealedFor(t, "unstamped", w.strict("unstamped"), holder)
	return func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), time.Minute)
		defer cancel()
		harness.Eventually(ctx, t, "the policies are gone", func(ctx context.Context) error {
			o := probe.DeepCopy()
			o.Annotations = map[string]string{v1alpha1.AnnotationAppliedBy: "root"}
			if err := w.Create(ctx, o, client.DryRunAll); err != nil {
				return err
			}
			if by := o.Annotations[v1alpha1.AnnotationAppliedBy]; by != "root" {
				return fmt.Errorf("it says %q", by)
			}
			return nil
		})
	}
}

// as is a client of a user who may write GitSecrets in the test's namespace.
func (w *world) as(t *testing.T, user string) client.Client {
	t.Helper()
	w.create(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "waxwing-edit"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})
	cfg := w.Config()
	cfg.Impersonate = rest.ImpersonationConfig{UserName: user}
	c, err := client.New(cfg, client.Options{Scheme: w.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRecordsNameWhoWroteAnObject has two people write an object, each of whom tries to pass for another.
func TestRecordsNameWhoWroteAnObject(t *testing.T) {
	w := newWorld(t)
	w.attribute(t)
	alice, bob := w.as(t, "alice"), w.as(t, "bob")
	ctl := w.controller(t, "--audit-applied-by")
	forged := map[string]string{v1alpha1.AnnotationAppliedBy: "root"}
	harness.Eventually(w.ctx, t, "the policies are in force", func(ctx context.Context) error {
		probe := w.sealed(t, "probe", "user")
		probe.Annotations = forged
		if err := alice.Create(ctx, probe, client.DryRunAll); err != nil {
			return err
		}
		if by := probe.Annotations[v1alpha1.AnnotationAppliedBy]; by != "alice" {
			return fmt.Errorf("it says %q", by)
		}
		return nil
	})
	stamped := func(want string) {
		t.Helper()
		o := &v1alpha1.GitSecret{}
		if err := w.Get(w.ctx, w.key("db"), o); err != nil {
			t.Fatal(err)
		}
		if by := o.Annotations[v1alpha1.AnnotationAppliedBy]; by != want {
			t.Errorf("it was applied by %q, not %q", by, want)
		}
	}
	patch := func(by client.Client, body string) error {
		o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}
		return by.Patch(w.ctx, o, client.RawPatch(types.MergePatchType, []byte(body)))
	}
	o := w.sealed(t, "db", "user")
	o.Annotations = forged
	if err := alice.Create(w.ctx, o, client.FieldOwner("flux")); err != nil {
		t.Fatal(err)
	}
	stamped("alice")
	w.seen(t, "db")
	// What is not the spec leaves the name as it is, whatever is said of it.
	for _, body := range []string{
		`{"metadata": {"labels": {"a": "b"}}}`, `{"metadata": {"annotations": {"audit.waxwing.io/applied-by": "root"}}}`, `{"metadata": {"annotations": {"audit.waxwing.io/applied-by": null}}}`,
		`{"metadata": {"annotations": null}}`,
	} {
		if err := patch(bob, body); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		stamped("alice")
	}
	if err := patch(bob, `{"metadata": {"annotations": {"audit.waxwing.io/applied-by": "root"}}, "spec": {"template": {"data": {"n": "1"}}}}`); err != nil {
		t.Error(err)
	}
	stamped("bob")
	w.eventually(t, "db", unseal.Unsealed) // the object is bob's when it is looked at, not alice's already
	if err := patch(alice, `{"metadata": {"annotations": {"waxwing.io/rollback-from": "x"}}}`); err != nil {
		t.Error(err)
	}
	stamped("alice")
	applied := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "waxwing.io/v1alpha1", "kind": "GitSecret", "metadata": map[string]any{"namespace": w.namespace, "name": "db"}, "spec": map[string]any{"suspend": false, "type": "example.com/x"},
	}}
	if err := bob.Apply(w.ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("argocd"), client.ForceOwnership); err != nil {
		t.Error(err)
	}
	stamped("bob")
	harness.Eventually(w.ctx, t, "the records name all three", func(context.Context) error {
		var actors []audit.Actor
		for _, r := range ctl.records(t) {
			if r.Phase == audit.PhaseIntent && r.Operation.Action == audit.ActionUnseal && r.Operation.Object.Namespace == w.namespace {
				actors = append(actors, r.Operation.Actor)
			}
		}
		if len(actors) < 3 {
			return fmt.Errorf("%+v", actors)
		}
		first, last := actors[0], actors[len(actors)-1]
		if first.User != "alice" || first.Manager != "flux" || actors[1].User != "bob" || last.User != "bob" || last.Manager != "argocd" {
			return fmt.Errorf("they name %+v", actors) // what alice has annotated is opened as well, before or after
		}
		return nil
	})
}

// TestNobodyIsNamedWithoutAPolicy holds that an annotation that anybody can write is not believed.
func TestNobodyIsNamedWithoutAPolicy(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	o := w.sealed(t, "db", "user")
	o.Annotations = map[string]string{v1alpha1.AnnotationAppliedBy: "root"}
	if err := w.Create(w.ctx, o, client.FieldOwner("flux")); err != nil {
		t.Fatal(err)
	}
	w.seen(t, "db")
	for _, r := range ctl.records(t) {
		if r.Phase == audit.PhaseIntent && r.Operation.Action == audit.ActionUnseal && (r.Operation.Actor != audit.Actor{User: audit.Unattributed, Manager: "flux"}) {
			t.Errorf("it names %+v", r.Operation.Actor)
		}
	}
}
