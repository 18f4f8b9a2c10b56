package agent

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/agent/live"
	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// configuration of the tests' agent.
const configuration = `
impersonate: [{namespace: team, serviceAccount: waxwing-sync}]
insecureHTTP: true
`

// world is a SecretSync team/infra that follows a real Git repository. The API server is a fake, and so are the hands that write GitSecrets; e2e has the real ones.
type world struct {
	*testing.T
	*syncs
	git     *githttp.Server
	repo    *githttp.Repo
	key     types.NamespacedName
	hands   *fakeHands
	store   *live.Store
	kube    client.Client
	logDir  string
	log     *audit.Recorder
	events  *events.FakeRecorder
	sealTo  seal.Holder
	mu      gosync.Mutex
	at      time.Time
	confDir string
}

func newWorld(t *testing.T, change ...func(*v1alpha1.SecretSync)) *world {
	t.Helper()
	w := &world{T: t, key: types.NamespacedName{Namespace: "team", Name: "infra"}, at: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), confDir: t.TempDir(), events: events.NewFakeRecorder(1000)}
	w.git = githttp.Start(t, githttp.Options{})
	w.repo = w.git.Repo(t, "infra")
	w.sealTo = newHolder(t)
	o := &v1alpha1.SecretSync{ObjectMeta: metav1.ObjectMeta{Namespace: w.key.Namespace, Name: w.key.Name, UID: "0f9d3a10-0000-4000-8000-000000000001", Generation: 1}}
	o.Spec = v1alpha1.SecretSyncSpec{Source: v1alpha1.SyncSource{URL: w.repo.URL, Branch: "main"}, ServiceAccountName: "waxwing-sync", Prune: &v1alpha1.SyncPrune{}}
	o.Status.ObservedGeneration = -1
	for _, c := range change {
		c(o)
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w.kube = fake.NewClientBuilder().WithScheme(scheme).WithObjects(o).WithStatusSubresource(o).Build()
	w.logDir = audittest.Dir(t)
	w.log = audittest.Open(t, w.logDir)
	t.Cleanup(func() { _ = w.log.Close() })
	w.configure(configuration)
	w.store = live.NewStore(nil, func(live.Change) {}, w.now)
	w.hands = &fakeHands{store: w.store, now: w.now, at: map[types.NamespacedName]*v1alpha1.GitSecret{}}
	repos, err := openRepositories(filepath.Join(t.TempDir(), "cache"), func() source.Limits { return source.Limits{} }, openSource)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repos.Close() })
	conf, err := settings.OpenFile(filepath.Join(w.confDir, "agent.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	counters, err := newMetrics(prometheus.NewPedanticRegistry(), conf, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.syncs = &syncs{
		reader: w.kube, cluster: w.kube, settings: conf, repos: repos, live: func() sync.Cluster { return w.store }, marked: w.store.Marked, synced: func() bool { return true },
		accounts: func(string, types.NamespacedName) (hands, error) { return w.hands, nil },
		memory:   newMemory(newReader), audit: w.log, metrics: counters, events: w.events, room: rate.NewLimiter(rate.Inf, 1), lane: newLane(2),
		log: slog.New(slog.DiscardHandler), now: w.now, jitter: func() float64 { return 0 },
		quick: 4 * time.Minute, // git-http-backend takes what a busy machine gives it
	}
	return w
}

func newHolder(t *testing.T) seal.Holder {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	return seal.Holder{Name: "prod", Recipients: []seal.Recipient{r}}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) configure(text string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.confDir, "agent.yaml"), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// through has repositories that are opened from now on be another's.
func (w *world) through(wrap func(repository) repository) {
	w.repos.open = func(dir string, limits source.Limits) (repository, error) {
		repo, err := openSource(dir, limits)
		return wrap(repo), err
	}
}

// sealed is a GitSecret of namespace prod, as JSON.
func (w *world) sealed(name string) string {
	w.Helper()
	spec, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(
		seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: name}, seal.Values{"a": seal.NewValue([]byte("canary-not-a-secret"))}, []seal.Holder{w.sealTo})
	if err != nil {
		w.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind, "metadata": map[string]any{"name": name, "namespace": "prod"}, "spec": spec})
	if err != nil {
		w.Fatal(err)
	}
	return string(b)
}

// push commits and pushes files, or removes those that are empty, and gives the commit.
func (w *world) push(files map[string]string) string {
	w.Helper()
	for path, content := range files {
		if content == "" {
			w.repo.Git("rm", "--quiet", path)
			delete(files, path)
		}
	}
	w.repo.Write(files)
	id := w.repo.Commit("change")
	w.repo.Push()
	return id
}

// look has the SecretSync looked at once.
func (w *world) look() reconcile.Result {
	w.Helper()
	res, err := w.Reconcile(w.Context(), reconcile.Request{NamespacedName: w.key})
	if err != nil {
		w.Fatal(err)
	}
	return res
}

// due looks again when the repository is due, and not before.
func (w *world) due() *v1alpha1.SecretSync {
	w.Helper()
	w.pass(time.Minute)
	w.look()
	return w.object()
}

func (w *world) object() *v1alpha1.SecretSync {
	w.Helper()
	o := &v1alpha1.SecretSync{}
	if err := w.kube.Get(w.Context(), w.key, o); err != nil {
		w.Fatal(err)
	}
	return o
}

// change changes the spec, as its user does.
func (w *world) change(do func(o *v1alpha1.SecretSync)) {
	w.Helper()
	o := w.object()
	do(o)
	o.Generation++
	if err := w.kube.Update(w.Context(), o); err != nil {
		w.Fatal(err)
	}
}

// ready holds the conditions, and that they are what kstatus wants.
func (w *world) ready(o *v1alpha1.SecretSync, reason string, says ...string) {
	w.Helper()
	c := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		w.Fatalf("there is no condition Ready; the reason should be %s", reason)
	}
	for _, text := range append([]string{""}, says...) {
		if c.Reason != reason || !strings.Contains(c.Message, text) {
			w.Errorf("Ready is %s, %s: %q; it should be %s with %q", c.Status, c.Reason, c.Message, reason, text)
		}
	}
	is := func(kind string) bool { return apimeta.IsStatusConditionTrue(o.Status.Conditions, kind) }
	then := outcome{reason: reason}.then()
	if is(v1alpha1.ConditionReady) != (then == settled) || is(v1alpha1.ConditionReconciling) != (then == retrying) || is(v1alpha1.ConditionStalled) != (then == stalled) {
		w.Errorf("the conditions do not go together: %+v", o.Status.Conditions)
	}
	if o.Status.ObservedGeneration != o.Generation || c.ObservedGeneration != o.Generation {
		w.Errorf("they are of generation %d, not %d", o.Status.ObservedGeneration, o.Generation)
	}
}

// recorded are the audit records so far, as "ACTION PHASE ITEMS REASON".
func (w *world) recorded() []string {
	w.Helper()
	if err := w.log.Close(); err != nil {
		w.Fatal(err)
	}
	actions := map[string]string{}
	var all []string
	for _, r := range audittest.Records(w.T, w.logDir) {
		text := ""
		if r.Operation != nil {
			text = string(r.Operation.Action)
			actions[r.ID] = text
			if strings.HasPrefix(text, "log.") {
				continue
			}
			text += " " + string(r.Phase) + " " + strings.Join(r.Operation.Items, " ")
		} else {
			text = actions[r.ID] + " " + string(r.Phase)
		}
		if r.Outcome != nil && r.Outcome.Reason != "" {
			text += " " + r.Outcome.Reason
		}
		all = append(all, strings.TrimSpace(text))
	}
	return all
}

// told are the events so far.
func (w *world) told() (all []string) {
	for {
		select {
		case e := <-w.events.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

// fakeHands keep what is applied in memory, and decide nothing; e2e writes to a real API server.
type fakeHands struct {
	store *live.Store
	now   func() time.Time

	mu      gosync.Mutex
	at      map[types.NamespacedName]*v1alpha1.GitSecret // what is there
	applied []string
	deleted []string
	much    []string
	fail    map[string]*sync.Failure // by NAMESPACE/NAME
	version int
}

func (h *fakeHands) TooMuch(context.Context, []string) ([]string, error) { return h.much, nil }

func (h *fakeHands) Carry(ctx context.Context, p sync.Plan, records sync.Records, manifests sync.Manifests, memory *sync.Memory) ([]sync.Result, error) {
	var keys []types.NamespacedName
	for _, a := range p.Apply {
		keys = append(keys, a.Object.Key)
	}
	var results []sync.Result
	if len(keys) > 0 {
		id, err := records.Intent(ctx, audit.ActionSyncApplied, keys)
		if err != nil {
			return nil, err
		}
		for _, a := range p.Apply {
			res := sync.Result{Key: a.Object.Key, Why: a.Why, Failure: h.fail[a.Object.Key.String()]}
			if res.Failure == nil {
				if _, err := manifests.Manifest(ctx, a.Object); err != nil {
					return nil, err
				}
				h.put(a.Object.Key, a.Object.Digest, a.Object.SpecDigest, "team/infra")
				h.applied = append(h.applied, a.Object.Key.Name)
			}
			memory.Done(a, res.Failure, h.now())
			results = append(results, res)
		}
		if err := records.Outcome(ctx, id, results); err != nil {
			return results, err
		}
	}
	if len(p.Delete) == 0 {
		return results, nil
	}
	deleted, err := h.Prune(ctx, p.Delete, records)
	return append(results, deleted...), err
}

func (h *fakeHands) Prune(ctx context.Context, all []sync.Delete, records sync.Records) ([]sync.Result, error) {
	var keys []types.NamespacedName
	var results []sync.Result
	for _, d := range all {
		keys = append(keys, d.Key)
	}
	id, err := records.Intent(ctx, audit.ActionSyncPruned, keys)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		results = append(results, sync.Result{Key: key, Failure: h.fail[key.String()]})
		if h.fail[key.String()] == nil {
			h.remove(key)
			h.deleted = append(h.deleted, key.Name)
		}
	}
	return results, records.Outcome(ctx, id, results)
}

// put has an object be in the cluster, as live.Transform leaves it.
func (h *fakeHands) put(key types.NamespacedName, digest, spec, by string) {
	h.mu.Lock()
	h.version++
	o := &v1alpha1.GitSecret{Spec: seal.Spec{Format: -1}}
	o.Namespace, o.Name, o.UID, o.ResourceVersion = key.Namespace, key.Name, types.UID("uid-"+key.Name), fmt.Sprint(h.version)
	o.Annotations = map[string]string{"digest": digest, "spec": spec, "sync": by}
	h.at[key] = o
	h.mu.Unlock()
	h.store.OnAdd(o, false)
}

func (h *fakeHands) remove(key types.NamespacedName) {
	h.mu.Lock()
	o := h.at[key]
	delete(h.at, key)
	h.mu.Unlock()
	h.store.OnDelete(o)
}

func (h *fakeHands) there() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for key := range h.at {
		all = append(all, key.Name)
	}
	slices.Sort(all)
	return all
}

// same holds a list.
func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, and should be %q", what, got, want)
	}
}
