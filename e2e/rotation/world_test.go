package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	home    = harness.WaxwingNamespace
	account = "waxwing-controller"
	// canary begins every value that these tests seal. It must turn up nowhere but in Secrets.
	canary = "canary-not-a-secret-c9e4"
	// hour bounds the waits of what has to do with keys of RSA, which a busy machine takes long to make.
	hour = time.Hour
)

// world is a cluster with what ships in it, one keyring, and a Git repository with what is sealed for it.
type world struct {
	*harness.Cluster
	client.Client
	t          *testing.T
	ctx        context.Context
	namespace  string
	keyring    string
	kubeconfig string // of the controller's ServiceAccount
	kubectl    string
	log        string // the folder of the controller's audit log
	repo       string // the folder of the Git repository
	safe       string // a folder of what people keep elsewhere: break glass, backups
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := harness.Start(t)
	c.InstallWaxwing(t, "vault.enabled=true")
	kubectl, err := harness.Tool(t.Context(), "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	// Longer than a wait's own bound: a key of RSA takes what it takes.
	ctx, cancel := context.WithTimeout(t.Context(), hour)
	t.Cleanup(cancel)
	w := &world{
		Cluster: c, Client: c.Client(t, v1alpha1.AddToScheme), t: t, ctx: ctx, namespace: c.Namespace(t), kubectl: kubectl,
		kubeconfig: c.ServiceAccountKubeconfig(t, home, account), log: filepath.Join(t.TempDir(), "audit"), repo: t.TempDir(), safe: t.TempDir(),
	}
	w.keyring = "of-" + w.namespace[max(0, len(w.namespace)-40):]
	t.Cleanup(func() { w.NoCanary(t, canary) })
	return w
}

// controller starts the program and waits until it is ready.
func (w *world) controller(args ...string) *harness.Process {
	w.t.Helper()
	health := harness.FreeAddress(w.t)
	p := harness.StartProcess(w.t, harness.Command{
		Path: harness.BuildBinary(w.t, "./cmd/waxwing-controller"),
		Args: append([]string{
			"--kubeconfig", w.kubeconfig, "--namespace", home, "--audit-log", w.log, "--workers", "2", "--leader-elect=false", "--service-account", account,
			"--metrics-bind-address", "0", "--health-bind-address", health, "--recipients-bind-address", "0", "--audit-bind-address", "0", "--replica", harness.ReplicaOf(w.log),
		}, args...),
	})
	w.t.Cleanup(func() {
		for _, rec := range audittest.Records(w.t, w.log) {
			w.Record(w.t, "audit log", fmt.Appendf(nil, "%+v", rec))
		}
	})
	p.WaitForHTTP(w.t, "http://"+health+"/readyz")
	return p
}

// makeKeyring makes the test's keyring, with somebody to break the glass whose key is in the safe; it goes with the test.
func (w *world) makeKeyring(spec v1alpha1.KeyringSpec) {
	w.t.Helper()
	args := []string{"keys", "generate", "--out", w.breakGlass()}
	if spec.Class == "classical" {
		args = append(args, "--classical")
	}
	w.seal(args...)
	spec.Namespaces, spec.BreakGlass = []string{w.namespace}, &v1alpha1.BreakGlass{Recipients: []string{w.publicOf(w.breakGlass())}}
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
	w.eventually("the keyring is ready", func(ctx context.Context) error {
		kr, err := w.look(ctx)
		if err == nil && !apimeta.IsStatusConditionTrue(kr.Status.Conditions, v1alpha1.ConditionReady) {
			err = fmt.Errorf("it says %+v", kr.Status.Conditions)
		}
		return err
	})
}

func (w *world) breakGlass() string { return filepath.Join(w.safe, "breakglass.txt") }

// publicOf is the recipient of an identity file.
func (w *world) publicOf(file string) string {
	w.t.Helper()
	for line := range strings.Lines(w.read(file)) {
		if recipient, ok := strings.CutPrefix(line, "# public key: "); ok {
			return strings.TrimSpace(recipient)
		}
	}
	w.t.Fatalf("%s names no public key", filepath.Base(file))
	return ""
}

func (w *world) eventually(what string, cond func(ctx context.Context) error) {
	w.t.Helper()
	harness.Eventually(w.ctx, w.t, what, cond)
}

func (w *world) look(ctx context.Context) (*v1alpha1.Keyring, error) {
	kr := &v1alpha1.Keyring{}
	return kr, w.Get(ctx, client.ObjectKey{Name: w.keyring}, kr)
}

// status is the keyring's as it is.
func (w *world) status() v1alpha1.KeyringStatus {
	w.t.Helper()
	kr, err := w.look(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return kr.Status
}

// key shows one key of the keyring.
func (w *world) key(id string) v1alpha1.KeyStatus {
	w.t.Helper()
	for _, k := range w.status().Keys {
		if k.ID == id {
			return k
		}
	}
	w.t.Fatalf("the keyring does not show key %s", id)
	return v1alpha1.KeyStatus{}
}

// activeKey is the id of the one key that is active.
func (w *world) activeKey() string {
	w.t.Helper()
	var active []string
	for _, k := range w.status().Keys {
		if k.State == "Active" {
			active = append(active, k.ID)
		}
	}
	if len(active) != 1 {
		w.t.Fatalf("active are %q", active)
	}
	return active[0]
}

// run is what a program that has to succeed prints, run in the repository by a person who administers the cluster.
func (w *world) run(program string, args ...string) string {
	w.t.Helper()
	p := w.try(program, args...)
	if code := p.Wait(w.t); code != 0 {
		w.t.Fatalf("%s %s: %s: %s", filepath.Base(program), strings.Join(args, " "), p.State(), p.Stderr())
	}
	return p.Stdout()
}

// try runs a program that may fail.
func (w *world) try(program string, args ...string) *harness.Process {
	w.t.Helper()
	return harness.StartProcess(w.t, harness.Command{Path: program, Args: args, Dir: w.repo, Env: []string{
		"KUBECONFIG=" + w.Kubeconfig(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=dev", "GIT_AUTHOR_EMAIL=dev@example.invalid", "GIT_COMMITTER_NAME=dev", "GIT_COMMITTER_EMAIL=dev@example.invalid",
	}})
}

func (w *world) seal(args ...string) string {
	w.t.Helper()
	return w.run(harness.BuildBinary(w.t, "./cmd/seal"), args...)
}

// refused holds that seal ends with an exit code, and says something; it gives what it says.
func (w *world) refused(code int, args ...string) string {
	w.t.Helper()
	p := w.try(harness.BuildBinary(w.t, "./cmd/seal"), args...)
	if got := p.Wait(w.t); got != code || p.Stderr() == "" {
		w.t.Errorf("seal %s: exit code %d, not %d: %s", strings.Join(args, " "), got, code, p.Stderr())
	}
	return p.Stderr()
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	return w.run("/usr/bin/env", append([]string{"git"}, args...)...)
}

// repository makes the Git repository, whose files are sealed for the keyring, and for its break glass too if that is to be.
func (w *world) repository(glass bool) {
	w.t.Helper()
	w.git("init", "-q", "-b", "main")
	if glass {
		w.seal("init", "--keyring", w.keyring)
		return
	}
	note := filepath.Join(w.safe, "recipients.note")
	w.seal("keys", "fetch", "--keyring", w.keyring, "--out", note)
	w.seal("init", "-R", note, "--statement-key", w.status().StatementKey)
}

// commit commits all of the repository and gives the commit's id.
func (w *world) commit(message string) string {
	w.t.Helper()
	w.git("add", "-A")
	w.git("commit", "-q", "-m", message)
	return strings.TrimSpace(w.git("rev-parse", "HEAD"))
}

func (w *world) read(path string) string {
	w.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

// write writes a file of the repository.
func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.repo, name), []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// apply applies a file of the repository as it is, as a sync from Git does.
func (w *world) apply(name string) {
	w.t.Helper()
	w.run(w.kubectl, "apply", "-f", name)
}

// manifest is a Secret before it is sealed. What is in it never leaves the repository's folder but sealed.
func (w *world) manifest(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\nstringData:\n  user: %s-user\n  password: %s-%s\n", name, w.namespace, canary, canary, name)
}

func (w *world) named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: w.namespace, Name: name}
}

// comesTo waits until an object's status is of its present generation and has this reason.
func (w *world) comesTo(name string, reason unseal.Reason) *v1alpha1.GitSecret {
	w.t.Helper()
	o := &v1alpha1.GitSecret{}
	w.eventually(fmt.Sprintf("%s comes to %s", name, reason), func(ctx context.Context) error {
		if err := w.Get(ctx, w.named(name), o); err != nil {
			return err
		}
		if o.Status.ObservedGeneration != o.Generation || unseal.ReasonOf(o.Status) != reason {
			return fmt.Errorf("it says %+v", o.Status.Conditions)
		}
		return nil
	})
	return o
}

// secret is an object's Secret, which has to hold what was sealed.
func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	s := &corev1.Secret{}
	if err := w.Get(w.ctx, w.named(name), s); err != nil {
		w.t.Fatal(err)
	}
	if string(s.Data["user"]) != canary+"-user" || string(s.Data["password"]) != canary+"-"+name {
		w.t.Errorf("Secret %s holds something else than was sealed", name)
	}
	return s
}

// untouched holds that nothing has written to a Secret since it was read.
func (w *world) untouched(before *corev1.Secret) {
	w.t.Helper()
	if now := w.secret(before.Name); now.UID != before.UID || now.ResourceVersion != before.ResourceVersion {
		w.t.Errorf("Secret %s was written: resource version %s was %s", before.Name, now.ResourceVersion, before.ResourceVersion)
	}
}

// nudge has the controller look at the keyring now: its spec changes in something that is of no concern here.
func (w *world) nudge(ctx context.Context) error {
	kr, err := w.look(ctx)
	if err != nil {
		return err
	}
	kr.Spec.TemplateMetadata = []string{fmt.Sprintf("example.com/looked-at-%d", kr.Generation)}
	return w.Update(ctx, kr)
}

// uses waits until the keyring's status says of a key what holds wants to see.
func (w *world) uses(id, what string, holds func(*v1alpha1.KeyUses) bool) {
	w.t.Helper()
	since := metav1.Now()
	w.eventually("the uses of the key are "+what, func(ctx context.Context) error {
		kr, err := w.look(ctx)
		if err != nil {
			return err
		}
		for _, k := range kr.Status.Keys {
			if k.ID == id {
				if k.Uses == nil || k.Uses.Counted.Before(&since) || !holds(k.Uses) {
					return errors.Join(fmt.Errorf("it says %+v", k.Uses), w.nudge(ctx))
				}
				return nil
			}
		}
		return errors.New("the keyring does not show the key")
	})
}
