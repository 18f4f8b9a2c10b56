package chart_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// What is said of what is refused.
const (
	ofWorkloads  = "of a workload, Waxwing's agent changes nothing but the annotation waxwing.io/restart of its pods"
	ofSyncs      = "of a SecretSync, Waxwing's agent changes nothing but its status and its finalizer"
	ofConfigMaps = "Waxwing's agent writes no ConfigMap but the anchors of its own audit logs"
	ofLeases     = "Waxwing's agent holds no Lease but its own"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {note: kept}}
    spec: {containers: [{name: web, image: "registry.example.org/web:1"}]}
`

const secretSync = `apiVersion: waxwing.io/v1alpha1
kind: SecretSync
metadata: {name: infra}
spec: {source: {url: "https://git.example.com/team/infra", branch: main}, serviceAccountName: waxwing-sync}
`

// actor does things in one namespace as one user, in a dry run.
type actor struct {
	clients   dynamic.Interface
	namespace string
}

func (a actor) on(resource string) dynamic.ResourceInterface {
	group, version := map[string]string{"deployments": "apps", "statefulsets": "apps", "secretsyncs": "waxwing.io", "leases": "coordination.k8s.io"}[resource], "v1"
	if resource == "secretsyncs" {
		version = "v1alpha1"
	}
	return a.clients.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: resource}).Namespace(a.namespace)
}

func (a actor) create(ctx context.Context, resource, manifest string) error {
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &o.Object); err != nil {
		return err
	}
	_, err := a.on(resource).Create(ctx, o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

func (a actor) patch(ctx context.Context, resource, name, patch string, subresources ...string) error {
	_, err := a.on(resource).Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}, subresources...)
	return err
}

func (a actor) apply(ctx context.Context, resource, name, manifest string) error {
	force := true
	_, err := a.on(resource).Patch(ctx, name, types.ApplyPatchType, []byte(manifest), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: "waxwing-agent", Force: &force})
	return err
}

func (a actor) delete(ctx context.Context, resource, name string) error {
	return a.on(resource).Delete(ctx, name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
}

// refusedWith is nil if a request was refused by the guard, in these words.
func refusedWith(err error, words string) error {
	if err == nil {
		return errors.New("it was let through")
	}
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), words) {
		return err
	}
	return nil
}

// TestTheGuardOfTheAgent gives the agent, and an account that it applies as, all rights of the cluster, and holds that they change no workload but by its annotation, no
// SecretSync but by its finalizer, and in the controller's namespace nothing that is not theirs.
func TestTheGuardOfTheAgent(t *testing.T) {
	w := installAgent(t, "held")
	w.ApplyYAML(t, w.team, deployment)
	w.ApplyYAML(t, w.team, strings.Replace(deployment, "Deployment", "StatefulSet", 1))
	w.ApplyYAML(t, w.team, secretSync)
	for name, a := range map[string]account{"the agent": w.agent(), "an account of it": {w.team, "waxwing-sync"}} {
		t.Run(name, func(t *testing.T) {
			w.kubectl(t, "create", "clusterrolebinding", "chart-test-"+a.name, "--clusterrole", "cluster-admin", "--serviceaccount", a.namespace+":"+a.name)
			t.Cleanup(func() { w.kubectl(t, "delete", "clusterrolebinding", "chart-test-"+a.name) })
			config := rest.CopyConfig(w.Config())
			config.Impersonate = rest.ImpersonationConfig{UserName: a.user(), Groups: a.groups()}
			clients, err := dynamic.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			there, home := actor{clients, w.team}, actor{clients, w.namespace}
			harness.Eventually(t.Context(), t, "rights and guard are in force", func(ctx context.Context) error {
				return refusedWith(there.patch(ctx, "deployments", "web", `{"spec": {"replicas": 3}}`), ofWorkloads)
			})
			w.heldInWorkloads(t, there)
			w.heldInSyncs(t, there)
			w.heldAtHome(t, there, home)
		})
	}
	if err := (actor{dynamic.NewForConfigOrDie(w.Config()), w.team}).patch(t.Context(), "deployments", "web", `{"spec": {"replicas": 3}}`); err != nil {
		t.Errorf("the guard is in the way of others: %v", err)
	}
}

func (w *tenants) heldInWorkloads(t *testing.T, a actor) {
	t.Helper()
	ctx := t.Context()
	restart := `{"spec": {"template": {"metadata": {"annotations": {"waxwing.io/restart": "value"}}}}}`
	for _, kind := range []string{"deployments", "statefulsets"} {
		if err := a.patch(ctx, kind, "web", restart); err != nil {
			t.Errorf("the annotation of %s: %v", kind, err)
		}
		for what, patch := range map[string]string{
			"an image besides":           `{"spec": {"template": {"metadata": {"annotations": {"waxwing.io/restart": "value"}}, "spec": {"containers": [{"name": "web", "image": "evil:1"}]}}}}`,
			"another annotation of pods": `{"spec": {"template": {"metadata": {"annotations": {"inject": "yes"}}}}}`,
			"one annotation less":        `{"spec": {"template": {"metadata": {"annotations": {"note": null}}}}}`,
			"all annotations of pods":    `{"spec": {"template": {"metadata": {"annotations": null}}}}`,
			"a label of pods":            `{"spec": {"template": {"metadata": {"labels": {"more": "yes"}}}}}`,
			"an annotation":              `{"metadata": {"annotations": {"waxwing.io/restart": "value"}}}`,
			"a label":                    `{"metadata": {"labels": {"app": null}}}`,
			"a finalizer":                `{"metadata": {"finalizers": ["example.com/x"]}}`,
			"the number of pods":         `{"spec": {"replicas": 5}}`,
			"a service account":          `{"spec": {"template": {"spec": {"serviceAccountName": "waxwing-sync"}}}}`,
		} {
			if err := refusedWith(a.patch(ctx, kind, "web", patch), ofWorkloads); err != nil {
				t.Errorf("%s of %s: %v", what, kind, err)
			}
		}
		for what, err := range map[string]error{
			"deleting":  a.delete(ctx, kind, "web"),
			"scaling":   a.patch(ctx, kind, "web", `{"spec": {"replicas": 5}}`, "scale"),
			"a status":  a.patch(ctx, kind, "web", `{"status": {"observedGeneration": 7}}`, "status"),
			"a new one": a.create(ctx, kind, strings.NewReplacer("Deployment", map[string]string{"deployments": "Deployment", "statefulsets": "StatefulSet"}[kind], "name: web,", "name: new,").Replace(deployment)),
		} {
			if err := refusedWith(err, ofWorkloads); err != nil {
				t.Errorf("%s, of %s: %v", what, kind, err)
			}
		}
	}
	applied := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {metadata: {annotations: {waxwing.io/restart: value}}}}\n"
	if err := a.apply(ctx, "deployments", "web", applied); err != nil {
		t.Errorf("the annotation, applied: %v", err)
	}
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: pod}\nspec: {containers: [{name: a, image: \"a:1\"}]}\n"
	if err := refusedWith(a.create(ctx, "pods", pod), ofWorkloads); err != nil {
		t.Errorf("a pod: %v", err)
	}
}

func (w *tenants) heldInSyncs(t *testing.T, a actor) {
	t.Helper()
	ctx := t.Context()
	for what, err := range map[string]error{
		"the finalizer": a.patch(ctx, "secretsyncs", "infra", `{"metadata": {"finalizers": ["waxwing.io/sync"]}}`),
		"the status":    a.patch(ctx, "secretsyncs", "infra", `{"status": {"observedGeneration": 1}}`, "status"),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"the account":          a.patch(ctx, "secretsyncs", "infra", `{"spec": {"serviceAccountName": "admin"}}`),
		"the finalizer and it": a.patch(ctx, "secretsyncs", "infra", `{"metadata": {"finalizers": ["waxwing.io/sync"]}, "spec": {"suspend": true}}`),
		"an annotation":        a.patch(ctx, "secretsyncs", "infra", `{"metadata": {"annotations": {"waxwing.io/sync-at": "now"}}}`),
		"deleting":             a.delete(ctx, "secretsyncs", "infra"),
		"a new one":            a.create(ctx, "secretsyncs", strings.Replace(secretSync, "name: infra", "name: more", 1)),
	} {
		if err := refusedWith(err, ofSyncs); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func (w *tenants) heldAtHome(t *testing.T, there, home actor) {
	t.Helper()
	ctx := t.Context()
	anchor := "waxwing-audit-" + w.agent().name + "-0"
	configMap := func(name, label string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", labels: {" + label + ": \"true\"}}\n"
	}
	lease := func(name string) string {
		return "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: " + name + "}\n"
	}
	for what, err := range map[string]error{
		"its anchor": home.create(ctx, "configmaps", configMap(anchor, "waxwing.io/audit-anchor")),
		"its Lease":  home.create(ctx, "leases", lease("waxwing-agent")),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"the controller's anchor":     home.create(ctx, "configmaps", configMap("waxwing-audit-waxwing-controller-0", "waxwing.io/audit-anchor")),
		"marks":                       home.create(ctx, "configmaps", configMap("marks", "waxwing.io/marks")),
		"its anchor that reads marks": home.create(ctx, "configmaps", configMap(anchor, "waxwing.io/marks")),
		"its anchor elsewhere":        there.create(ctx, "configmaps", configMap(anchor, "waxwing.io/audit-anchor")),
	} {
		if err := refusedWith(err, ofConfigMaps); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"the controller's Lease": home.create(ctx, "leases", lease("waxwing-controller")),
		"its Lease elsewhere":    there.create(ctx, "leases", lease("waxwing-agent")),
	} {
		if err := refusedWith(err, ofLeases); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
