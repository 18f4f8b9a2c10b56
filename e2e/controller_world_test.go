package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	home    = harness.WaxwingNamespace
	account = "waxwing-controller"
	// canary begins every value that these tests seal. It must turn up nowhere but in Secrets.
	canary = "canary-not-a-secret-7d1e"
)

// world is a cluster with Waxwing's kinds and rights in it, and the controller of one test.
type world struct {
	*harness.Cluster
	client.Client
	ctx        context.Context
	namespace  string
	kubectl    string
	kubeconfig string // of the controller's ServiceAccount
	// launcher, if there is one, says what to start instead of the controller.
	launcher func(program string, args ...string) (path string, arguments, env []string)
}

// newWorld installs what ships, and at the end of the test looks for the canary in everything that the test has left behind.
func newWorld(t *testing.T) *world {
	t.Helper()
	c := harness.Start(t)
	c.InstallWaxwing(t)
	kubectl, err := harness.Tool(t.Context(), "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		Cluster: c, Client: c.Client(t, v1alpha1.AddToScheme), ctx: t.Context(), namespace: c.Namespace(t), kubectl: kubectl,
		kubeconfig: c.ServiceAccountKubeconfig(t, home, account),
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w.leavings(ctx, t)
		w.NoCanary(t, canary)
	})
	return w
}

// leavings records what the API server holds besides Secrets.
func (w *world) leavings(ctx context.Context, t *testing.T) {
	for _, list := range []client.ObjectList{&v1alpha1.GitSecretList{}, &v1alpha1.KeyringList{}, &corev1.EventList{}, &corev1.ConfigMapList{}} {
		if err := w.List(ctx, list); err != nil {
			t.Errorf("listing %T: %v", list, err)
			continue
		}
		b, err := json.Marshal(list)
		if err != nil {
			t.Error(err)
		}
		w.Record(t, fmt.Sprintf("%T", list), b)
	}
}

// replica is a running controller.
type replica struct {
	*harness.Process
	t       *testing.T
	w       *world
	log     string // path of the audit log
	metrics string
	health  string
	args    []string // those that not all have
}

// controller starts the real program under the ServiceAccount and the RBAC that ship, and waits until it is ready.
func (w *world) controller(t *testing.T, args ...string) *replica {
	t.Helper()
	return w.controllerWithLog(t, filepath.Join(t.TempDir(), "audit"), args...)
}

func (w *world) controllerWithLog(t *testing.T, log string, args ...string) *replica {
	t.Helper()
	r := w.start(t, log, args...)
	r.ready(t)
	return r
}

func (r *replica) ready(t *testing.T) {
	t.Helper()
	r.WaitForHTTP(t, "http://"+r.health+"/readyz")
}

// start starts the program without waiting for it.
func (w *world) start(t *testing.T, log string, args ...string) *replica {
	t.Helper()
	r := &replica{t: t, w: w, log: log, metrics: harness.FreeAddress(t), health: harness.FreeAddress(t), args: args}
	command := harness.Command{
		Path: harness.BuildBinary(t, "./cmd/waxwing-controller"),
		Args: append([]string{
			"--kubeconfig", w.kubeconfig, "--namespace", home, "--audit-log", log, "--workers", "2",
			"--metrics-bind-address", r.metrics, "--health-bind-address", r.health, "--recipients-bind-address", "0", "--audit-bind-address", "0", "--replica", harness.ReplicaOf(log),
		}, slices.Concat(patient, args)...),
	}
	if w.launcher != nil {
		command.Name = "waxwing-controller"
		command.Path, command.Args, command.Env = w.launcher(command.Path, command.Args...)
	}
	r.Process = harness.StartProcess(t, command)
	t.Cleanup(func() {
		if body, err := get("http://" + r.metrics + "/metrics"); err == nil {
			w.Record(t, "metrics", body)
		}
		for _, r := range audittest.Records(t, log) {
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			w.Record(t, "audit log", b)
		}
	})
	return r
}

func get(url string) ([]byte, error) {
	resp, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// records reads the audit log.
func (r *replica) records(t *testing.T) []audit.Record {
	t.Helper()
	return audittest.Records(t, r.log)
}

// intents counts the times that the object was to be opened.
func (r *replica) intents(t *testing.T, name string) int {
	t.Helper()
	n := 0
	for _, rec := range r.records(t) {
		if rec.Phase == audit.PhaseIntent && rec.Operation.Action.Opens() && rec.Operation.Object.Namespace == r.w.namespace && rec.Operation.Object.Name == name {
			n++
		}
	}
	return n
}

// holder is the default keyring with its present recipients, as its signed note says.
func (w *world) holder(t *testing.T) seal.Holder {
	t.Helper()
	var holder seal.Holder
	harness.Eventually(w.ctx, t, "the default keyring has published its recipients", func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := w.Get(ctx, client.ObjectKey{Name: "default"}, kr); err != nil {
			return err
		}
		set, err := statement.OpenRecipients([]byte(kr.Status.Recipients), kr.Status.StatementKey)
		holder = set.SealHolder()
		return err
	})
	return holder
}

// sealer has each call of Seal and Put later than the one before by a millisecond: a rollback is told by the order of ids that have no finer time in them.
func sealer() seal.Sealer {
	return seal.Sealer{Rand: rand.Reader, Now: func() time.Time {
		next := time.Now().Truncate(time.Millisecond).Add(time.Millisecond)
		time.Sleep(time.Until(next))
		return next
	}}
}

// values makes the canary's values: each item's own name follows it.
func values(names ...string) seal.Values {
	v := seal.Values{}
	for _, name := range names {
		v[name] = seal.NewValue([]byte(canary + "-" + name))
	}
	return v
}

// sealed is a GitSecret of the test's namespace with these items, for the default keyring.
func (w *world) sealed(t *testing.T, name string, items ...string) *v1alpha1.GitSecret {
	t.Helper()
	spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: w.namespace, Name: name}, values(items...), []seal.Holder{w.holder(t)})
	if err != nil {
		t.Fatal(err)
	}
	return w.object(name, spec)
}

func (w *world) object(name string, spec *seal.Spec) *v1alpha1.GitSecret {
	return &v1alpha1.GitSecret{
		TypeMeta:   metav1.TypeMeta{APIVersion: seal.APIVersion, Kind: seal.Kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       *spec,
	}
}

// create creates and update updates an object; both fail the test, and fill in what the API server answers.
func (w *world) create(t *testing.T, o client.Object) {
	t.Helper()
	if err := w.Create(w.ctx, o); err != nil {
		t.Fatalf("creating %s: %v", o.GetName(), err)
	}
}

func (w *world) update(t *testing.T, o client.Object, change func()) {
	t.Helper()
	harness.Eventually(w.ctx, t, "updating "+o.GetName(), func(ctx context.Context) error {
		if err := w.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return harness.Permanent(err)
		}
		change()
		err := w.Update(ctx, o)
		if apierrors.IsConflict(err) {
			return err
		}
		return harness.Permanent(err)
	})
}

// eventually waits until the object's present generation has the reason, and gives the object.
func (w *world) eventually(t *testing.T, name string, reason unseal.Reason) *v1alpha1.GitSecret {
	t.Helper()
	o := &v1alpha1.GitSecret{}
	harness.Eventually(w.ctx, t, name+" is "+string(reason), func(ctx context.Context) error {
		if err := w.Get(ctx, w.key(name), o); err != nil {
			return err
		}
		if o.Status.ObservedGeneration != o.Generation || unseal.ReasonOf(o.Status) != reason {
			return fmt.Errorf("generation %d: the status of generation %d says %+v", o.Generation, o.Status.ObservedGeneration, o.Status.Conditions)
		}
		return nil
	})
	return o
}

func (w *world) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: w.namespace, Name: name}
}

// holds waits until the Secret has exactly the canary's values for these items.
func (w *world) holds(t *testing.T, name string, items ...string) *corev1.Secret {
	t.Helper()
	s := &corev1.Secret{}
	harness.Eventually(w.ctx, t, fmt.Sprintf("Secret %s holds %s", name, items), func(ctx context.Context) error {
		*s = corev1.Secret{}
		if err := w.Get(ctx, w.key(name), s); err != nil {
			return err
		}
		return holdsExactly(s, items)
	})
	return s
}

// holdsExactly never quotes a value.
func holdsExactly(s *corev1.Secret, items []string) error {
	var have []string
	for key, v := range s.Data {
		have = append(have, key)
		if want := canary + "-" + key; slices.Contains(items, key) && string(v) != want {
			return fmt.Errorf("another value of %s", key)
		}
	}
	slices.Sort(have)
	if want := slices.Sorted(slices.Values(items)); !slices.Equal(have, want) {
		return fmt.Errorf("it has the keys %s", have)
	}
	return nil
}

// absent fails the test if there is a Secret.
func (w *world) absent(t *testing.T, name string) {
	t.Helper()
	if err := w.Get(w.ctx, w.key(name), &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("there is a Secret %s (%v)", name, err)
	}
}

// run runs kubectl as the administrator. What it prints is searched for the canary, so it must not be asked for the data of a Secret.
func (w *world) run(t *testing.T, args ...string) string {
	t.Helper()
	return harness.Run(t, harness.Command{Path: w.kubectl, Args: append([]string{"--kubeconfig", w.Kubeconfig(), "-n", w.namespace}, args...)})
}

// file writes an object as YAML's subset JSON, for kubectl.
func file(t *testing.T, o any) string {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "object.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// until waits for a condition without a reason of its own.
func until(ctx context.Context, t *testing.T, what string, holds func() bool) {
	t.Helper()
	harness.Eventually(ctx, t, what, func(context.Context) error {
		if !holds() {
			return errors.New("it does not hold yet")
		}
		return nil
	})
}

// has says whether text has all parts.
func has(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
}
