package bench_test

import (
	"bytes"
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
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

const (
	syncer   = "waxwing-sync" // the ServiceAccount that objects are applied as, by the agent and by the plain client
	syncName = "infra"
	hookKey  = "a secret of the benchmark, for webhooks"
	// inFolder is how many files are in a folder of a repository.
	inFolder = 100
)

// agentWorld is a cluster with two namespaces: one that the agent keeps as a Git repository has it, and one in which a plain client does.
type agentWorld struct {
	*coldWorld
	git         *githttp.Server
	team, plain string // the namespaces
	dir         string // the agent's
	hook        string
}

func newAgentWorld(b *testing.B) *agentWorld {
	b.Helper()
	w := &agentWorld{coldWorld: newColdWorld(b), git: githttp.Start(b, githttp.Options{}), dir: harness.Folder(b, "agent")}
	w.team, w.plain = w.Namespace(b), w.Namespace(b)
	w.InstallWaxwing(b, "agent.enabled=true", "agent.accounts[0].namespace="+w.team, "agent.accounts[0].name="+syncer, "agent.accounts[1].namespace="+w.plain, "agent.accounts[1].name="+syncer)
	writeFile(b, filepath.Join(w.dir, "credentials", "infra", "hook-secret"), hookKey)
	writeFile(b, filepath.Join(w.dir, "config.yaml"), fmt.Sprintf("credentials: [{name: infra, urls: [%q], namespaces: [%s]}]\nimpersonate: [{namespace: %s, serviceAccount: %s}]\ninsecureHTTP: true\n",
		w.git.URL+"/", w.team, w.team, syncer))
	return w
}

// startAgent runs the agent as it ships.
func (w *agentWorld) startAgent(b *testing.B) *controller {
	b.Helper()
	address, hook := harness.FreeAddress(b), harness.FreeAddress(b)
	w.hook = "http://" + hook + "/hook"
	run := &controller{address: address, Process: harness.StartProcess(b, harness.Command{Path: harness.BuildBinary(b, "./cmd/waxwing-agent"), Args: []string{
		"--kubeconfig", w.ServiceAccountKubeconfig(b, home, "waxwing-agent"), "--namespace", home, "--replica", w.AgentReplica(b), "--leader-elect=false", "--log-level", "WARN",
		"--config", filepath.Join(w.dir, "config.yaml"), "--credentials", filepath.Join(w.dir, "credentials"), "--cache", filepath.Join(w.dir, "cache"), "--audit-log", filepath.Join(w.dir, "audit"),
		"--hook-bind-address", hook, "--metrics-bind-address", address, "--health-bind-address", "0", "--audit-bind-address", "0",
	}})}
	run.until(b, "the agent runs", func(metrics) bool { return true })
	return run
}

// end stops programs and takes away what they had to do with, so that the next benchmark's do not look at it.
func (w *agentWorld) end(b *testing.B, running ...*controller) {
	b.Helper()
	for _, run := range running {
		run.Kill()
	}
	if err := w.kube.DeleteAllOf(b.Context(), &v1alpha1.SecretSync{}, client.InNamespace(w.team)); err != nil {
		b.Fatal(err)
	}
	w.removeAll(b, w.team, w.plain)
}

// repository makes a repository of n sealed files of a namespace.
func (w *agentWorld) repository(b *testing.B, name, ns string, n int) *githttp.Repo {
	b.Helper()
	all := make([]string, n)
	parallel(b, n, func(_ context.Context, i int) (err error) {
		all[i], err = w.file(ns, i, fiveValues())
		return err
	})
	repo, files := w.git.Repo(b, name), map[string]string{}
	for i, text := range all {
		files[pathOf(i)] = text
	}
	repo.Write(files)
	repo.Commit("begin")
	repo.Push()
	return repo
}

func pathOf(i int) string { return fmt.Sprintf("apps/%03d/%s.yaml", i/inFolder, objectName(i)) }

// file is a sealed file for an object, with these values.
func (w *agentWorld) file(ns string, i int, values seal.Values) (string, error) {
	spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: ns, Name: objectName(i)}, values, w.holders)
	if err != nil {
		return "", err
	}
	text, err := yaml.Marshal(map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind, "metadata": map[string]string{"namespace": ns, "name": objectName(i)}, "spec": spec})
	return string(text), err
}

// changed has one object of a repository hold another value, and pushes that.
func (w *agentWorld) changed(b *testing.B, repo *githttp.Repo, ns string, i int, value string) (commit string) {
	b.Helper()
	values := fiveValues()
	values["key0"] = seal.NewValue([]byte(value))
	text, err := w.file(ns, i, values)
	if err != nil {
		b.Fatal(err)
	}
	repo.Write(map[string]string{pathOf(i): text})
	repo.Git("commit", "--quiet", "-m", "one", pathOf(i))
	repo.Push()
	return repo.Git("rev-parse", "HEAD")
}

// follow has the agent follow a repository. It asks it once an hour, so that what comes sooner comes by webhook.
func (w *agentWorld) follow(b *testing.B, repo *githttp.Repo) {
	b.Helper()
	err := w.kube.Create(b.Context(), &v1alpha1.SecretSync{ObjectMeta: metav1.ObjectMeta{Namespace: w.team, Name: syncName}, Spec: v1alpha1.SecretSyncSpec{
		Source:             v1alpha1.SyncSource{URL: repo.URL, Branch: "main", Path: "apps", Credentials: "infra", Interval: &metav1.Duration{Duration: time.Hour}},
		ServiceAccountName: syncer, Prune: &v1alpha1.SyncPrune{},
	}})
	if err != nil {
		b.Fatal(err)
	}
}

// applied watches the SecretSync; the function that it gives returns when the cluster has the commit.
func (w *agentWorld) applied(b *testing.B, commit string) func() {
	b.Helper()
	watcher, err := client.NewWithWatch(w.Config(), client.Options{Scheme: w.kube.Scheme()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
	events, err := watcher.Watch(ctx, &v1alpha1.SecretSyncList{}, client.InNamespace(w.team), client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", syncName)})
	if err != nil {
		cancel()
		b.Fatal(err)
	}
	return func() {
		defer cancel()
		defer events.Stop()
		said := "nothing"
		for e := range events.ResultChan() {
			o, ok := e.Object.(*v1alpha1.SecretSync)
			if ok {
				said = fmt.Sprintf("%+v", o.Status.Conditions)
			}
			if ok && o.Status.Applied != nil && strings.HasSuffix(o.Status.Applied.Revision, commit) && meta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionReady) {
				return
			}
		}
		b.Fatalf("the cluster has not got commit %s; the SecretSync says %s", commit, said)
	}
}

// push tells the agent of a push, as a Git server does.
func (w *agentWorld) push(b *testing.B, repo *githttp.Repo) {
	b.Helper()
	body := fmt.Appendf(nil, `{"ref": "refs/heads/main", "repository": {"clone_url": %q}}`, repo.URL)
	mac := hmac.New(sha256.New, []byte(hookKey))
	mac.Write(body)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, w.hook, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		b.Fatalf("the agent answers a webhook with %s", resp.Status)
	}
}

// applier is a plain client that applies files server-side, as kubectl apply --server-side does.
type applier struct{ kube client.Client }

func (w *agentWorld) applier(b *testing.B) applier {
	b.Helper()
	kube, err := client.New(w.ServiceAccountConfig(b, w.plain, syncer), client.Options{Scheme: w.kube.Scheme()})
	if err != nil {
		b.Fatal(err)
	}
	return applier{kube}
}

// apply applies one manifest.
func (a applier) apply(ctx context.Context, text []byte) error {
	body, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	o := &v1alpha1.GitSecret{}
	var named struct {
		Metadata struct{ Namespace, Name string }
	}
	if err := json.Unmarshal(body, &named); err != nil {
		return err
	}
	o.Namespace, o.Name = named.Metadata.Namespace, named.Metadata.Name
	return a.kube.Patch(ctx, o, client.RawPatch(types.ApplyPatchType, body), client.ForceOwnership, client.FieldOwner("bench-plain"))
}

// folder applies the files of some objects, with coldWorkers workers, and gives the time that it took.
func (a applier) folder(b *testing.B, dir string, from, to int) time.Duration {
	b.Helper()
	start := time.Now()
	parallel(b, to-from, func(ctx context.Context, i int) error {
		text, err := os.ReadFile(filepath.Join(dir, pathOf(from+i)))
		return errors.Join(err, a.apply(ctx, text))
	})
	return time.Since(start)
}

// served are the API server's counts of the requests that it has answered.
func (w *agentWorld) served(b *testing.B) metrics {
	b.Helper()
	body, err := w.Clientset().Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// writes are how many requests have changed, or asked to change, objects of a resource (RESOURCE or RESOURCE/SUBRESOURCE).
func (m metrics) writes(resource string) (n float64) {
	resource, sub, _ := strings.Cut(resource, "/")
	for _, verb := range []string{"APPLY", "PATCH", "POST", "PUT", "DELETE", "DELETECOLLECTION"} {
		n += m.sum("apiserver_request_total", `resource="`+resource+`"`, `subresource="`+sub+`"`, `verb="`+verb+`"`)
	}
	return n
}

// writesSince lists the writes of what an agent, or a client in its place, has to do with; it leaves out what the API server writes for itself.
func (m metrics) writesSince(before metrics) string {
	var parts []string
	for _, resource := range []string{"gitsecrets", "gitsecrets/status", "secretsyncs", "secretsyncs/status", "secrets", "events", "configmaps", "selfsubjectrulesreviews", "selfsubjectaccessreviews"} {
		if n := m.writes(resource) - before.writes(resource); n > 0 {
			parts = append(parts, fmt.Sprintf("%.0f %s", n, resource))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}
