package chart_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

const (
	value = "lifecycle-not-a-secret"
	// collectorPatience is for the garbage collector, which looks for new kinds every half a minute, and waits as long for each that went meanwhile.
	collectorPatience = 4 * time.Minute
)

// TestInstallUpgradeRollbackUninstall goes a release's whole way with a running controller, and holds at each step that what people cannot get back is still there.
func TestInstallUpgradeRollbackUninstall(t *testing.T) {
	r := install(t, "waxwing", "")
	ctx := t.Context()
	controller := r.startController(t)
	tenant := r.Namespace(t)
	r.sealed(t, tenant)
	kept := r.irreplaceable(t, tenant)

	t.Run("installed", func(t *testing.T) {
		harness.Eventually(ctx, t, "the pod and its volume are made", func(ctx context.Context) error {
			return r.present(ctx, t, object("v1", "Pod", r.namespace, "waxwing-controller-0"), r.volume())
		})
	})
	kept = append(kept, r.volume())

	t.Run("upgraded, with a changed kind and other values", func(t *testing.T) {
		newer := changedChart(t)
		r.run(t, "replicas: 2\nlogLevel: DEBUG", "upgrade", r.name, newer, "--namespace", r.namespace)
		r.unchanged(t, kept)
		if got := r.field(t, crd("keyrings"), "spec", "versions"); !strings.Contains(fmt.Sprint(got), "chartTest") {
			t.Error("the kind is as it was")
		}
		if got := r.field(t, r.set(), "spec", "replicas"); got != int64(2) {
			t.Errorf("%v replicas", got)
		}
		if got := r.field(t, r.set(), "spec", "template", "spec", "containers"); !strings.Contains(fmt.Sprint(got), "--log-level=DEBUG") {
			t.Errorf("the containers are %v", got)
		}
		if err := r.present(ctx, t, r.budget(), object("v1", "Pod", r.namespace, "waxwing-controller-0")); err != nil {
			t.Error(err)
		}
	})

	t.Run("rolled back", func(t *testing.T) {
		r.run(t, "", "rollback", r.name, "1", "--namespace", r.namespace)
		r.unchanged(t, kept)
		if got := r.field(t, crd("keyrings"), "spec", "versions"); strings.Contains(fmt.Sprint(got), "chartTest") {
			t.Error("the kind is still the newer one")
		}
		if got := r.field(t, r.set(), "spec", "replicas"); got != int64(1) {
			t.Errorf("%v replicas", got)
		}
		if err := r.absent(ctx, t, r.budget()); err != nil {
			t.Error(err)
		}
	})

	controller.Kill() // as the end of its pod would
	t.Run("uninstalled", func(t *testing.T) {
		out := r.run(t, "", "uninstall", r.name, "--namespace", r.namespace)
		if !strings.Contains(out, "keyrings.waxwing.io") || !strings.Contains(out, "gitsecrets.waxwing.io") {
			t.Errorf("it does not say what stays: %s", out)
		}
		r.unchanged(t, kept)
		harness.Eventually(ctx, t, "the rest is gone", func(ctx context.Context) error {
			return r.absent(ctx, t, r.set(), object("v1", "ServiceAccount", r.namespace, "waxwing-controller"), object("v1", "Service", r.namespace, "waxwing-controller"),
				object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "waxwing-controller"), object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "waxwing-edit"),
				object("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "", "waxwing-crd-guard"))
		})
	})

	t.Run("installed again, it goes on with what was left", func(t *testing.T) {
		r.run(t, "", "install", r.name, chartDir, "--namespace", r.namespace)
		r.unchanged(t, kept)
		r.startController(t).Kill()
		r.unchanged(t, kept)
	})

	t.Run("uninstalled with the kinds, as told", func(t *testing.T) {
		out := r.run(t, "crds: {keep: false}", "upgrade", r.name, chartDir, "--namespace", r.namespace)
		if !strings.Contains(out, "WARNING: crds.keep is false") {
			t.Errorf("it does not warn: %s", out)
		}
		r.unchanged(t, kept)
		r.kubectl(t, "delete", "gitsecrets", "--all", "--namespace", tenant) // as docs/install.md says: a garbage collector that loses the kind at the same time may miss what it owned
		collecting, cancel := context.WithTimeout(ctx, collectorPatience)
		defer cancel()
		harness.Eventually(collecting, t, "what GitSecrets own is gone", func(ctx context.Context) error { return r.absent(ctx, t, object("v1", "Secret", tenant, "db")) })
		r.run(t, "", "uninstall", r.name, "--namespace", r.namespace)
		harness.Eventually(collecting, t, "the kinds are gone", func(ctx context.Context) error {
			return r.absent(ctx, t, crd("keyrings"), crd("gitsecrets"), crd("secretsyncs"))
		})
		r.unchanged(t, slices.DeleteFunc(kept, func(o *unstructured.Unstructured) bool { return o.GetNamespace() != r.namespace })) // the keys, the audit log
	})
}

func (r *release) set() *unstructured.Unstructured {
	return object("apps/v1", "StatefulSet", r.namespace, "waxwing-controller")
}

func (r *release) budget() *unstructured.Unstructured {
	return object("policy/v1", "PodDisruptionBudget", r.namespace, "waxwing-controller")
}

func (r *release) volume() *unstructured.Unstructured {
	return object("v1", "PersistentVolumeClaim", r.namespace, "audit-waxwing-controller-0")
}

// startController runs the program as the release's pod would, and waits until the default keyring is ready.
func (r *release) startController(t *testing.T) *harness.Process {
	t.Helper()
	log := filepath.Join(t.TempDir(), "audit")
	p := harness.StartProcess(t, harness.Command{Path: harness.BuildBinary(t, "./cmd/waxwing-controller"), Args: []string{
		"--kubeconfig", r.ServiceAccountKubeconfig(t, r.namespace, "waxwing-controller"), "--namespace", r.namespace, "--audit-log", log, "--replica", harness.ReplicaOf(log),
		"--metrics-bind-address", "0", "--health-bind-address", "0", "--recipients-bind-address", "0", "--audit-bind-address", "0", "--leader-elect=false",
	}})
	r.kubectl(t, "wait", "--for=create", "keyring/default", "--timeout=60s")
	r.kubectl(t, "wait", "--for=condition=Ready", "keyring/default", "--timeout=60s")
	return p
}

// sealed seals a Secret as people do, and waits until the controller has opened it.
func (r *release) sealed(t *testing.T, namespace string) {
	t.Helper()
	dir := t.TempDir()
	note, file := filepath.Join(dir, "default.note"), filepath.Join(dir, "db.yaml")
	cli := func(args ...string) {
		harness.Run(t, harness.Command{Path: harness.BuildBinary(t, "./cmd/seal"), Args: args, Env: []string{"KUBECONFIG=" + r.Kubeconfig()}, Dir: dir})
	}
	cli("keys", "fetch", "--out", note)
	write(t, file, fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: %s}\nstringData: {password: %s}\n", namespace, value))
	cli("-w", "-R", note, file)
	r.kubectl(t, "apply", "-f", file)
	r.kubectl(t, "-n", namespace, "wait", "--for=condition=Ready", "gitsecret/db", "--timeout=60s")
}

// irreplaceable are the objects that no step may touch, as they are now.
func (r *release) irreplaceable(t *testing.T, tenant string) []*unstructured.Unstructured {
	t.Helper()
	secrets, err := r.Clientset().CoreV1().Secrets(r.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "waxwing.io/keyring=default"})
	if err != nil || len(secrets.Items) != 2 {
		t.Fatalf("%d Secrets with keys, %v", len(secrets.Items), err)
	}
	kept := []*unstructured.Unstructured{
		crd("keyrings"), crd("gitsecrets"), crd("secretsyncs"), object("waxwing.io/v1alpha1", "Keyring", "", "default"), object("waxwing.io/v1alpha1", "GitSecret", tenant, "db"),
		object("v1", "Secret", tenant, "db"), object("v1", "Namespace", "", r.namespace),
	}
	for _, s := range secrets.Items {
		kept = append(kept, object("v1", "Secret", r.namespace, s.Name))
	}
	for _, o := range kept {
		if err := r.Client(t).Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			t.Fatal(err)
		}
	}
	return kept
}

// unchanged fails the test unless each object is there, is the same one, and, if a Secret, holds the same.
func (r *release) unchanged(t *testing.T, kept []*unstructured.Unstructured) {
	t.Helper()
	for _, o := range kept {
		now := o.DeepCopy()
		switch err := r.Client(t).Get(t.Context(), client.ObjectKeyFromObject(o), now); {
		case apierrors.IsNotFound(err):
			t.Errorf("%s %s is gone", o.GetKind(), o.GetName())
			continue
		case err != nil:
			t.Fatal(err)
		}
		if o.GetUID() != "" && now.GetUID() != o.GetUID() {
			t.Errorf("%s %s was made anew", o.GetKind(), o.GetName())
		}
		if now.GetDeletionTimestamp() != nil {
			t.Errorf("%s %s is being deleted", o.GetKind(), o.GetName())
		}
		if o.GetKind() == "Secret" && fmt.Sprint(now.Object["data"]) != fmt.Sprint(o.Object["data"]) {
			t.Errorf("Secret %s holds something else", o.GetName())
		}
	}
}

// field is one field of an object of the cluster.
func (r *release) field(t *testing.T, o *unstructured.Unstructured, path ...string) any {
	t.Helper()
	if err := r.Client(t).Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	got, found, err := unstructured.NestedFieldNoCopy(o.Object, path...)
	if err != nil || !found {
		t.Fatalf("%s %s has no %s: %v", o.GetKind(), o.GetName(), path, err)
	}
	return got
}

// changedChart is the chart of a later version, in which Keyrings have one more field.
func changedChart(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "waxwing")
	if err := os.CopyFS(dir, os.DirFS(chartDir)); err != nil {
		t.Fatal(err)
	}
	replace := func(file, old, replacement string) {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || strings.Count(string(b), old) != 1 {
			t.Fatalf("%s does not have %q once: %v", file, old, err)
		}
		write(t, filepath.Join(dir, file), strings.Replace(string(b), old, replacement, 1))
	}
	replace("Chart.yaml", "\nversion: 0.1.0", "\nversion: 0.2.0")
	replace("files/crds/waxwing.io_keyrings.yaml", "              class:\n                default: postquantum", "              chartTest:\n                type: string\n              class:\n                default: postquantum")
	return dir
}

// TestNotes holds that what helm says after an install is what one can do then, with the real names.
func TestNotes(t *testing.T) {
	h := newHelm(t, "helm", harness.Start(t).Kubeconfig())
	for values, wants := range map[string][]string{
		"fullnameOverride: seals": {"-n default rollout status statefulset/seals-controller", "--controller-namespace default", "WARNING: Private keys lie in default", "--clusterrole seals-auditor"},
		"replicas: 0":             {"WARNING: replicas is 0"},
		"namespaces: [prod]\npersistence: {enabled: false}":   {"these namespaces only: prod", "WARNING: persistence.enabled is false"},
		"agent: {enabled: true}":                              {"The sync agent runs as notes-waxwing-agent", "WARNING: agent.accounts is empty"},
		teamsOfAgent:                                          {"create secret generic git-infra --from-file=DIR"},
		teamsOfAgent + "  proxy: http://proxy:3128":           {"WARNING: agent.git.ports lacks the port of http://proxy:3128"},
		strings.Replace(teamsOfAgent, "com/", "com:8443/", 1): {"WARNING: agent.git.ports lacks the port of https://git.example.com:8443/team/"},
	} {
		out := h.run(t, values, "install", "notes", chartDir, "--dry-run=client", "--namespace", corev1.NamespaceDefault)
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in: %s", want, out)
			}
		}
		if values == teamsOfAgent && strings.Contains(out, "agent.git.ports") {
			t.Errorf("a warning without a reason: %s", out)
		}
	}
}
