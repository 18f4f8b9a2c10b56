package vault_test

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
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
	canary = "canary-not-a-secret-83c2"
)

// world is a cluster with what ships in it, and one keyring that opens for the namespace of one test.
type world struct {
	*harness.Cluster
	client.Client
	t          *testing.T
	ctx        context.Context
	namespace  string
	keyring    string
	kubeconfig string // of the controller's ServiceAccount
	// launcher, if there is one, changes how the controller is started.
	launcher func(harness.Command) harness.Command
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := harness.Start(t)
	c.InstallWaxwing(t, "vault.enabled=true")
	w := &world{
		Cluster: c, Client: c.Client(t, v1alpha1.AddToScheme), t: t, ctx: t.Context(), namespace: c.Namespace(t),
		kubeconfig: c.ServiceAccountKubeconfig(t, home, account),
	}
	w.keyring = "of-" + w.namespace[max(0, len(w.namespace)-40):]
	t.Cleanup(func() { w.NoCanary(t, canary) })
	return w
}

// controller starts the program, and does not wait until it is ready: with a Vault that is away it may never be.
func (w *world) controller(args ...string) *harness.Process {
	w.t.Helper()
	log := filepath.Join(w.t.TempDir(), "audit")
	p := w.controllerWithLog(log, args...)
	w.t.Cleanup(func() { w.recordAudit(log) })
	return p
}

// controllerWithLog starts the program, again if it has written this audit log before.
func (w *world) controllerWithLog(log string, args ...string) *harness.Process {
	w.t.Helper()
	command := harness.Command{
		Path: harness.BuildBinary(w.t, "./cmd/waxwing-controller"),
		Args: append([]string{
			"--kubeconfig", w.kubeconfig, "--namespace", home, "--audit-log", log, "--workers", "2", "--leader-elect=false",
			"--service-account", account,
			"--metrics-bind-address", "0", "--health-bind-address", "0", "--recipients-bind-address", "0", "--audit-bind-address", "0",
			"--replica", harness.ReplicaOf(log),
		}, args...),
	}
	if w.launcher != nil {
		command = w.launcher(command)
	}
	return harness.StartProcess(w.t, command)
}

func (w *world) recordAudit(log string) {
	for _, rec := range audittest.Records(w.t, log) {
		w.Record(w.t, "audit log", fmt.Appendf(nil, "%+v", rec))
	}
}

// makeKeyring makes the test's keyring with a source; it goes with the test.
func (w *world) makeKeyring(spec v1alpha1.KeyringSpec) {
	w.t.Helper()
	w.makeKeyringFor(spec, w.namespace)
}

func (w *world) makeKeyringFor(spec v1alpha1.KeyringSpec, namespaces ...string) {
	w.t.Helper()
	spec.Namespaces = namespaces
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: w.keyring}, Spec: spec}
	if err := w.Create(w.ctx, kr); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.Delete(ctx, kr); client.IgnoreNotFound(err) != nil {
			w.t.Error(err)
		}
	})
}

// says waits until the keyring's Ready condition has this reason, and a message with all of these texts.
func (w *world) says(reason string, texts ...string) {
	w.t.Helper()
	w.saysWithin(w.ctx, reason, texts...)
}

func (w *world) saysWithin(ctx context.Context, reason string, texts ...string) {
	w.t.Helper()
	harness.Eventually(ctx, w.t, fmt.Sprintf("keyring %s says %s %q", w.keyring, reason, texts), func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := w.Get(ctx, client.ObjectKey{Name: w.keyring}, kr); err != nil {
			return err
		}
		ready := apimeta.FindStatusCondition(kr.Status.Conditions, "Ready")
		if ready == nil || ready.Reason != reason || kr.Status.ObservedGeneration != kr.Generation {
			return fmt.Errorf("generation %d of %d: it says %+v", kr.Status.ObservedGeneration, kr.Generation, ready)
		}
		return hasAll(ready.Message, texts)
	})
}

// saysNot waits until the keyring's Ready condition is of its present generation and has another reason, and a message with these texts.
func (w *world) saysNot(reason string, texts ...string) {
	w.t.Helper()
	harness.Eventually(w.ctx, w.t, fmt.Sprintf("keyring %s no longer says %s, but %q", w.keyring, reason, texts), func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := w.Get(ctx, client.ObjectKey{Name: w.keyring}, kr); err != nil {
			return err
		}
		ready := apimeta.FindStatusCondition(kr.Status.Conditions, "Ready")
		if ready == nil || ready.Reason == reason || kr.Status.ObservedGeneration != kr.Generation {
			return fmt.Errorf("generation %d of %d: it says %+v", kr.Status.ObservedGeneration, kr.Generation, ready)
		}
		w.t.Logf("it says %s: %s", ready.Reason, ready.Message)
		return hasAll(ready.Message, texts)
	})
}

func hasAll(text string, parts []string) error {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return fmt.Errorf("%q is not in: %s", part, text)
		}
	}
	return nil
}

// look has the controller look at the keyring now: its spec changes in something that is not about the source.
func (w *world) look() {
	w.t.Helper()
	harness.Eventually(w.ctx, w.t, "changing keyring "+w.keyring, func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := w.Get(ctx, client.ObjectKey{Name: w.keyring}, kr); err != nil {
			return err
		}
		kr.Spec.TemplateMetadata = []string{fmt.Sprintf("example.com/looked-at-%d", kr.Generation)}
		return w.Update(ctx, kr)
	})
}

// holder is the keyring with its present recipients, as its signed note says.
func (w *world) holder() seal.Holder {
	w.t.Helper()
	var set statement.Recipients
	harness.Eventually(w.ctx, w.t, w.keyring+" has published its recipients", func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := w.Get(ctx, client.ObjectKey{Name: w.keyring}, kr); err != nil {
			return err
		}
		var err error
		set, err = statement.OpenRecipients([]byte(kr.Status.Recipients), kr.Status.StatementKey)
		if err != nil {
			err = fmt.Errorf("%w: the status says %+v", err, kr.Status.Conditions)
		}
		return err
	})
	return set.SealHolder()
}

func (w *world) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: w.namespace, Name: name}
}

// put makes a GitSecret that is sealed to the holders; sealing needs no Vault.
func (w *world) put(name string, holders ...seal.Holder) *v1alpha1.GitSecret {
	w.t.Helper()
	sealer := seal.Sealer{Rand: crand.Reader, Now: time.Now}
	values := seal.Values{"password": seal.NewValue([]byte(canary + "-" + name))}
	spec, err := sealer.Seal(seal.For{Scope: seal.ScopeStrict, Namespace: w.namespace, Name: name}, values, holders)
	if err != nil {
		w.t.Fatal(err)
	}
	o := &v1alpha1.GitSecret{
		TypeMeta:   metav1.TypeMeta{APIVersion: seal.APIVersion, Kind: seal.Kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       *spec,
	}
	if err := w.Create(w.ctx, o); err != nil {
		w.t.Fatal(err)
	}
	return o
}

// comesTo waits until an object's status has this reason, and its message these texts.
func (w *world) comesTo(name string, reason unseal.Reason, texts ...string) {
	w.t.Helper()
	harness.Eventually(w.ctx, w.t, fmt.Sprintf("%s comes to %s", name, reason), func(ctx context.Context) error {
		o := &v1alpha1.GitSecret{}
		if err := w.Get(ctx, w.key(name), o); err != nil {
			return err
		}
		if o.Status.ObservedGeneration != o.Generation || unseal.ReasonOf(o.Status) != reason {
			return fmt.Errorf("it says %+v", o.Status.Conditions)
		}
		return hasAll(apimeta.FindStatusCondition(o.Status.Conditions, "Ready").Message, texts)
	})
}

// secret is an object's Secret, which has to hold what was sealed.
func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	s := &corev1.Secret{}
	if err := w.Get(w.ctx, w.key(name), s); err != nil {
		w.t.Fatal(err)
	}
	if string(s.Data["password"]) != canary+"-"+name {
		w.t.Errorf("Secret %s holds something else than was sealed", name)
	}
	return s
}

// opened puts an object and waits for its Secret.
func (w *world) opened(name string, holder seal.Holder) *corev1.Secret {
	w.t.Helper()
	w.put(name, holder)
	w.comesTo(name, unseal.Unsealed)
	return w.secret(name)
}

// untouched holds that nothing has written to a Secret since it was read.
func (w *world) untouched(before *corev1.Secret) {
	w.t.Helper()
	if now := w.secret(before.Name); now.UID != before.UID || now.ResourceVersion != before.ResourceVersion {
		w.t.Errorf("Secret %s was written: resource version %s was %s", before.Name, now.ResourceVersion, before.ResourceVersion)
	}
}
