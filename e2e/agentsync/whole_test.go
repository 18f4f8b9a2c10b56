package agentsync_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// rightsOfTheAgent are those that the whole program needs besides.
const rightsOfTheAgent = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: test-agent-whole}
rules:
- {apiGroups: [waxwing.io], resources: [secretsyncs], verbs: [get, list, watch, patch]}
- {apiGroups: [waxwing.io], resources: [secretsyncs/status], verbs: [patch]}
- {apiGroups: [waxwing.io], resources: [keyrings], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [namespaces], resourceNames: [kube-system], verbs: [get]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-agent-whole}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-agent-whole}
subjects: [{kind: ServiceAccount, name: test-agent, namespace: %[1]s}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: test-agent-whole, namespace: %[1]s}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, create, patch, list]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: test-agent-whole, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: test-agent-whole}
subjects: [{kind: ServiceAccount, name: test-agent, namespace: %[1]s}]
`

const hookSecret = "not-a-real-secret"

// whole is a world in which the program runs, and follows a repository that git serves.
type whole struct {
	*world
	*testing.T
	repo     *githttp.Repo
	dir      string
	hook     string
	agent    *harness.Process
	log      string
	replica  string // the controller's, where there is one
	sync     *v1alpha1.SecretSync
	allNames []string
}

func newWhole(t *testing.T, change func(*v1alpha1.SecretSync)) *whole {
	t.Helper()
	w := &whole{world: newWorld(t), T: t, dir: harness.Folder(t, "agent")}
	w.ApplyYAML(t, "", fmt.Sprintf(rightsOfTheAgent, harness.WaxwingNamespace))
	w.repo = githttp.Start(t, githttp.Options{Username: "bot", Password: "not-a-real-password"}).Repo(t, "infra")
	w.log = filepath.Join(w.dir, "audit")
	for name, text := range map[string]string{
		"credentials/infra/username": "bot\n", "credentials/infra/password": "not-a-real-password\n", "credentials/infra/hook-secret": hookSecret,
		"agent.yaml": fmt.Sprintf("credentials: [{name: infra, urls: [%q], namespaces: [%s]}]\nimpersonate: [{namespace: %s, serviceAccount: waxwing-sync}]\ninsecureHTTP: true\n",
			strings.TrimSuffix(w.repo.URL, "infra.git"), w.team, w.team),
	} {
		path := filepath.Join(w.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	w.sync = &v1alpha1.SecretSync{ObjectMeta: metav1.ObjectMeta{Namespace: w.team, Name: "infra"}, Spec: v1alpha1.SecretSyncSpec{
		Source:             v1alpha1.SyncSource{URL: w.repo.URL, Branch: "main", Credentials: "infra", Interval: &metav1.Duration{Duration: 3600e9}},
		ServiceAccountName: "waxwing-sync", Prune: &v1alpha1.SyncPrune{},
	}}
	change(w.sync)
	return w
}

// start starts the agent, with further flags, and waits until it is ready.
func (w *whole) start(flags ...string) {
	w.Helper()
	health, hook := harness.FreeAddress(w.T), harness.FreeAddress(w.T)
	w.hook = "http://" + hook + "/hook"
	w.agent = harness.StartProcess(w.T, harness.Command{
		Path: harness.BuildBinary(w.T, "./cmd/waxwing-agent"),
		Args: append([]string{
			"--kubeconfig", w.ServiceAccountKubeconfig(w.T, harness.WaxwingNamespace, "test-agent"), "--namespace", harness.WaxwingNamespace, "--replica", harness.ReplicaOf(w.log),
			"--config", filepath.Join(w.dir, "agent.yaml"), "--credentials", filepath.Join(w.dir, "credentials"), "--cache", filepath.Join(w.dir, "cache"),
			"--audit-log", w.log, "--hook-bind-address", hook, "--metrics-bind-address", "0", "--health-bind-address", health, "--audit-bind-address", "0",
			// A process that loses the lead ends, as it may on a machine that is busy for ten seconds.
			"--leader-elect=false",
		}, flags...),
	})
	w.agent.WaitForHTTP(w.T, "http://"+health+"/readyz")
}

func (w *whole) stop() {
	w.Helper()
	w.agent.Signal(w.T, os.Interrupt)
	if code := w.agent.Wait(w.T); code != 0 {
		w.Errorf("the agent ends with %d: %s", code, w.agent.Stderr())
	}
}

// push has Git hold these objects, and no others.
func (w *whole) push(names ...string) string {
	w.Helper()
	for _, name := range w.allNames {
		if !slices.Contains(names, name) {
			w.repo.Git("rm", "--quiet", name+".json")
		}
	}
	for _, name := range names {
		if slices.Contains(w.allNames, name) {
			continue
		}
		o := w.manifest(w.T, name)
		o.APIVersion, o.Kind = seal.APIVersion, seal.Kind
		b, err := json.Marshal(map[string]any{
			"apiVersion": seal.APIVersion, "kind": seal.Kind, "metadata": map[string]any{"name": name, "namespace": w.prod, "labels": o.Labels, "annotations": o.Annotations}, "spec": o.Spec,
		})
		if err != nil {
			w.Fatal(err)
		}
		w.repo.Write(map[string]string{name + ".json": string(b)})
	}
	w.allNames = names
	id := w.repo.Commit("change")
	w.repo.Push()
	return id
}

// post sends a webhook that names the repository.
func (w *whole) post(secret string) int {
	w.Helper()
	body := fmt.Sprintf(`{"repository": {"clone_url": %q}}`, w.repo.URL)
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.hook, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(m.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// patience bounds a wait for the program, on a busy machine.
const patience = 5 * time.Minute

// eventually waits for as long as patience lets it.
func (w *whole) eventually(what string, cond func(ctx context.Context) error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	harness.Eventually(ctx, w.T, what, cond)
}

// until waits for a status.
func (w *whole) until(what string, holds func(*v1alpha1.SecretSync) bool) *v1alpha1.SecretSync {
	w.Helper()
	o := &v1alpha1.SecretSync{}
	w.eventually(what, func(ctx context.Context) error {
		if err := w.Get(ctx, client.ObjectKeyFromObject(w.sync), o); err != nil {
			return err
		}
		if o.Status.ObservedGeneration != o.Generation || !holds(o) {
			return fmt.Errorf("it says %+v", o.Status)
		}
		return nil
	})
	return o
}

func (w *whole) synced(commit string) *v1alpha1.SecretSync {
	w.Helper()
	return w.until("the cluster has "+commit, func(o *v1alpha1.SecretSync) bool {
		return o.Status.Applied != nil && strings.HasSuffix(o.Status.Applied.Revision, commit) && apimeta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionReady)
	})
}

// there are the objects of the namespace, by name.
func (w *whole) there() (names []string) {
	w.Helper()
	var all v1alpha1.GitSecretList
	if err := w.List(w.Context(), &all, client.InNamespace(w.prod)); err != nil {
		w.Fatal(err)
	}
	for _, o := range all.Items {
		names = append(names, o.Name)
	}
	slices.Sort(names)
	return names
}

// TestTheWholeAgent has the program follow a repository: webhooks, drift, pruning, a start in between, and the end of the SecretSync with all of its objects.
func TestTheWholeAgent(t *testing.T) {
	w := newWhole(t, func(o *v1alpha1.SecretSync) { o.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
	first := w.push("a", "b", "c")
	elect := []string{"--leader-elect=true", "--leader-elect-lease-duration", "60s", "--leader-elect-renew-deadline", "45s"}
	w.start(elect...)
	if err := w.Create(t.Context(), w.sync); err != nil {
		t.Fatal(err)
	}
	o := w.synced(first)
	if got := w.there(); !slices.Equal(got, []string{"a", "b", "c"}) || o.Status.Objects != 3 || len(o.Finalizers) != 1 {
		t.Errorf("there are %q; %+v", got, o.Status)
	}

	second := w.push("a", "b", "c", "d")
	if code := w.post("a-guessed-secret"); code != http.StatusUnauthorized {
		t.Errorf("a forged webhook: %d", code)
	}
	if code := w.post(hookSecret); code != http.StatusAccepted {
		t.Errorf("a webhook: %d", code)
	}
	w.synced(second)

	// Somebody changes one object, and deletes another.
	changed, _ := w.live(t, "a")
	changed.Labels["app"] = "mine"
	gone, _ := w.live(t, "b")
	if err := errors.Join(w.Update(t.Context(), changed), w.Delete(t.Context(), gone)); err != nil {
		t.Fatal(err)
	}
	w.eventually("they are as in Git again", func(ctx context.Context) error {
		a, b := &v1alpha1.GitSecret{}, &v1alpha1.GitSecret{}
		if err := errors.Join(w.Get(ctx, w.key("a"), a), w.Get(ctx, w.key("b"), b)); err != nil {
			return err
		}
		if a.Labels["app"] != "db" || b.UID == gone.UID {
			return fmt.Errorf("labels %v, UID %s", a.Labels, b.UID)
		}
		return nil
	})

	w.stop()
	third := w.push("a", "b", "c")
	w.start(elect...)
	w.synced(third)
	w.until("it is to be pruned", func(o *v1alpha1.SecretSync) bool { return o.Status.Pruning != nil && o.Status.Pruning.Count == 1 })
	w.eventually("what Git lacks is gone", func(context.Context) error {
		if names := w.there(); slices.Contains(names, "d") {
			return fmt.Errorf("there are %q", names)
		}
		return nil
	})

	if err := w.Delete(t.Context(), w.sync); err != nil {
		t.Fatal(err)
	}
	w.eventually("the SecretSync is gone", func(ctx context.Context) error {
		err := w.Get(ctx, client.ObjectKeyFromObject(w.sync), &v1alpha1.SecretSync{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %v", err)
		}
		return nil
	})
	if names := w.there(); len(names) > 0 {
		t.Errorf("it has left %q", names)
	}
	w.stop()
	w.told()
}

// told holds that the audit log has all of it, and that neither it nor what the agent said has a credential.
func (w *whole) told() {
	w.Helper()
	found := map[string]bool{}
	open := map[string]bool{}
	for _, r := range audittest.Records(w.T, w.log) {
		if r.Operation != nil {
			found[string(r.Operation.Action)] = true
			if strings.HasPrefix(string(r.Operation.Action), "sync.") && (r.Term == nil || r.ClockOffset == nil || r.Replica != harness.ReplicaOf(w.log)) {
				w.Errorf("a record is of no term, does not tell the API server's clock, or is of another replica: %+v", r)
			}
		}
		switch r.Phase {
		case "intent":
			open[r.ID] = true
		case "outcome":
			delete(open, r.ID)
		}
		if text := fmt.Sprintf("%+v", r); strings.Contains(text, "not-a-real") {
			w.Errorf("a record has a credential: %s", text)
		}
	}
	for _, action := range []string{"sync.synced", "sync.applied", "sync.pruned", "term.began"} {
		if !found[action] {
			w.Errorf("the log has no %s", action)
		}
	}
	if len(open) > 0 {
		w.Errorf("%d intents have no outcome", len(open))
	}
	if strings.Contains(w.agent.Output(), "not-a-real") {
		w.Error("the agent's log has a credential")
	}
}
