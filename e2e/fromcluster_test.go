package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// seal runs the program as the administrator and gives what it says on standard error.
func (w *world) seal(t *testing.T, dir string, args ...string) string {
	t.Helper()
	p := harness.StartProcess(t, harness.Command{
		Path: harness.BuildBinary(t, "./cmd/seal"), Args: args, Dir: dir, Env: []string{"KUBECONFIG=" + w.Kubeconfig(), "SEAL_RECIPIENTS_FILE=default.note"},
	})
	if code := p.Wait(t); code != 0 {
		t.Fatalf("seal %s exits with %d: %s", args[0], code, p.Stderr())
	}
	return p.Stderr()
}

// existing makes Secrets as they were before Waxwing came: applied by kubectl, which keeps a copy of the plaintext in an annotation.
func (w *world) existing(t *testing.T) (names []string, before map[string]types.UID) {
	t.Helper()
	before = map[string]types.UID{}
	yes := true
	for i := range 7 { // more than one page of a list
		s := &corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fmt.Sprintf("db-%d", i), Labels: map[string]string{"team": "a"}},
			StringData: map[string]string{"user": canary + "-user", "password": canary + "-password"},
		}
		switch i {
		case 5:
			s.Type = "example.com/database"
		case 6:
			s.Immutable = &yes
		}
		w.run(t, "apply", "-f", file(t, s))
		if err := w.Get(w.ctx, w.key(s.Name), s); err != nil {
			t.Fatal(err)
		}
		names = append(names, s.Name)
		before[s.Name] = s.UID
	}
	return names, before
}

// TestSecretsOfAClusterAreTakenOver is the way of a team that comes with Secrets: sealed from the cluster, handed over with the command that is printed, applied.
func TestSecretsOfAClusterAreTakenOver(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	w.holder(t)
	names, before := w.existing(t)
	w.create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: "owned",
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "kube-root-ca.crt", UID: w.uidOfRootCA(t)}},
		},
		StringData: map[string]string{"user": canary + "-user"},
	})
	w.create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "release"}, Type: "helm.sh/release.v1", StringData: map[string]string{"release": canary}})

	dir := t.TempDir()
	w.seal(t, dir, "keys", "fetch", "--out", "default.note")
	said := w.seal(t, dir, "from-cluster", "--all", "-n", w.namespace, "--out-dir", "sealed")
	if !has(said, w.namespace+"/owned is left out: it belongs to ConfigMap kube-root-ca.crt") {
		t.Errorf("it says %s", said)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "sealed"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, "sealed", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if form, found := harness.FindCanary(canary, b); found {
			t.Errorf("%s holds the value (%s)", e.Name(), form)
		}
		files = append(files, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	if !slices.Equal(files, names) {
		t.Fatalf("files for %s", files)
	}

	w.run(t, "apply", "-f", filepath.Join(dir, "sealed"))
	w.eventually(t, names[0], unseal.TargetConflict)
	_, command, found := strings.Cut(said, "hand over with: kubectl ")
	if !found {
		t.Fatalf("no way to hand over in %s", said)
	}
	command, _, _ = strings.Cut(command, "\n")
	w.run(t, strings.Fields(command)...)
	for i, name := range names {
		o := w.eventually(t, name, unseal.Unsealed)
		s := w.holds(t, name, "user", "password")
		if owner := metav1.GetControllerOf(s); owner == nil || owner.UID != o.UID || s.UID != before[name] || s.Labels["team"] != "a" {
			t.Errorf("%s was not taken over as it was: owners %+v, labels %v", name, s.OwnerReferences, s.Labels)
		}
		if (i == 5) != (s.Type == "example.com/database") || (i == 6) != (s.Immutable != nil && *s.Immutable) {
			t.Errorf("%s: type %s, immutable %v", name, s.Type, s.Immutable)
		}
		if s.Annotations[v1alpha1.AnnotationOrigin] != w.namespace+"/"+name {
			t.Errorf("%s: annotations %v", name, len(s.Annotations))
		}
	}
}
