package agent_test

import (
	"context"
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
	"github.com/waxwing-io/waxwing/e2e/harness/giteatest"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	home = harness.WaxwingNamespace
	// canary begins every value that these tests seal. It must turn up nowhere but in Secrets.
	canary = "canary-not-a-secret-5b7d"
	// account is the ServiceAccount that the agent applies as, syncName the SecretSync's name, and credentials those that it uses.
	account, syncName, credentials = "waxwing-sync", "infra", "infra"
	// patience bounds a test's waits as a whole; each has a bound of its own unless it says otherwise.
	patience = 10 * time.Minute
)

// world is a cluster with what ships in it, a forge with one repository, and the namespace of a team that follows it.
type world struct {
	*harness.Cluster
	client.Client
	t       *testing.T
	ctx     context.Context
	team    string // the namespace
	keyring string

	forge      *giteatest.Gitea
	alice, bot *giteatest.User // who commits, and who the agent is
	repo       *giteatest.Repository
	clone      *giteatest.Clone // alice's

	ctl       *harness.Process // the controller
	dir, safe string           // the agent's folder, and one of what people keep elsewhere
	hookURL   string
	metrics   string   // where the agent's are
	elsewhere []string // addresses besides the forge's that the agent's credentials are for
	replica   string   // the agent's
	agentLog  string   // folders of the audit logs
	ctlLog    string
}

// newWorld starts the forge and the controller, with the team's keyring and an empty repository. The agent is started by the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	c := harness.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	w := &world{Cluster: c, Client: c.Client(t, v1alpha1.AddToScheme), t: t, ctx: ctx, team: c.Namespace(t), dir: harness.Folder(t, "agent"), safe: t.TempDir()}
	c.InstallWaxwing(t, "agent.enabled=true", "agent.accounts[0].namespace="+w.team, "agent.accounts[0].name="+account)
	w.replica = c.AgentReplica(t)
	w.keyring = "of-" + w.team[max(0, len(w.team)-40):]
	w.agentLog, w.ctlLog = filepath.Join(w.dir, "audit"), filepath.Join(t.TempDir(), "audit")
	w.forge = giteatest.Start(t, giteatest.Options{})
	w.alice, w.bot = w.forge.User("alice"), w.forge.User("waxwing")
	w.repo = w.alice.Repository("infra")
	w.repo.Collaborator(w.bot, "write")
	w.clone = w.alice.Clone(w.repo)
	w.ctl = w.controller()
	w.makeKeyring()
	t.Cleanup(func() { w.NoCanary(t, canary) })
	return w
}

// controller starts the controller and waits until it is ready.
func (w *world) controller() *harness.Process {
	w.t.Helper()
	health := harness.FreeAddress(w.t)
	p := harness.StartProcess(w.t, harness.Command{
		Path: harness.BuildBinary(w.t, "./cmd/waxwing-controller"),
		Args: []string{
			"--kubeconfig", w.ServiceAccountKubeconfig(w.t, home, "waxwing-controller"), "--namespace", home, "--audit-log", w.ctlLog, "--replica", harness.ReplicaOf(w.ctlLog),
			"--workers", "2", "--leader-elect=false", "--metrics-bind-address", "0", "--health-bind-address", health, "--recipients-bind-address", "0", "--audit-bind-address", "0",
		},
	})
	w.recorded(w.ctlLog)
	p.WaitForHTTP(w.t, "http://"+health+"/readyz")
	return p
}

// agent starts the agent and waits until it is ready.
func (w *world) agent() *harness.Process {
	w.t.Helper()
	health, hook, metrics := harness.FreeAddress(w.t), harness.FreeAddress(w.t), harness.FreeAddress(w.t)
	w.metrics = "http://" + metrics + "/metrics"
	if w.hookURL == "" {
		w.hookURL = "http://" + hook + "/hook"
	}
	hook = strings.TrimSuffix(strings.TrimPrefix(w.hookURL, "http://"), "/hook")
	p := harness.StartProcess(w.t, harness.Command{
		Path: harness.BuildBinary(w.t, "./cmd/waxwing-agent"),
		Args: []string{
			"--kubeconfig", w.ServiceAccountKubeconfig(w.t, home, "waxwing-agent"), "--namespace", home, "--replica", w.replica, "--leader-elect=false",
			"--config", filepath.Join(w.dir, "config.yaml"), "--credentials", filepath.Join(w.dir, "credentials"), "--cache", filepath.Join(w.dir, "cache"), "--audit-log", w.agentLog,
			"--hook-bind-address", hook, "--metrics-bind-address", metrics, "--health-bind-address", health, "--audit-bind-address", "0",
		},
	})
	w.recorded(w.agentLog)
	p.WaitForHTTP(w.t, "http://"+health+"/readyz")
	return p
}

// recorded has what is in an audit log searched for values when the test ends.
func (w *world) recorded(log string) {
	w.t.Cleanup(func() {
		for _, rec := range audittest.Records(w.t, log) {
			w.Record(w.t, "audit log", fmt.Appendf(nil, "%+v", rec))
		}
	})
}

// configure writes the agent's configuration, and credentials with these files; others stay as they are.
func (w *world) configure(files map[string]string) {
	w.t.Helper()
	var urls []string
	for _, server := range append([]string{w.forge.URL, "ssh://git@" + w.forge.SSH}, w.elsewhere...) {
		urls = append(urls, fmt.Sprintf("%q", server+"/"+w.alice.Name+"/"))
	}
	config := fmt.Sprintf("credentials: [{name: %s, urls: [%s], namespaces: [%s]}]\nimpersonate: [{namespace: %s, serviceAccount: %s}]\n",
		credentials, strings.Join(urls, ", "), w.team, w.team, account)
	for name, text := range files {
		w.file(filepath.Join("credentials", credentials, name), text)
	}
	w.file("config.yaml", config)
}

// file writes a file of the agent's folder in one step, as the kubelet does.
func (w *world) file(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.t.Fatal(err)
	}
}

// token are credentials with a token of the bot, for Git over HTTPS and for pull requests, and a secret for webhooks.
func (w *world) token(name string) map[string]string {
	w.t.Helper()
	token := w.bot.Token(name, "write:repository")
	return map[string]string{"username": w.bot.Name, "token": token, "forge-token": token, "ca.crt": w.forge.CA, "hook-secret": hookSecret}
}

// sshKey are credentials with a key of the bot, for Git over SSH, a token for pull requests, and a secret for webhooks.
func (w *world) sshKey() map[string]string {
	w.t.Helper()
	return map[string]string{
		"identity": w.bot.SSHKey("sync"), "known_hosts": w.forge.KnownHosts, "forge-token": w.bot.Token("forge", "write:repository"), "ca.crt": w.forge.CA, "hook-secret": hookSecret,
	}
}

// newKey makes an SSH key that nobody knows.
func (w *world) newKey(name string) (private string) {
	w.t.Helper()
	path := filepath.Join(w.safe, name)
	harness.Run(w.t, harness.Command{Path: "ssh-keygen", Args: []string{"-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path}})
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

// deployKey are credentials with a key that is for the repository alone, and a secret for webhooks. There is nothing for pull requests among them.
func (w *world) deployKey() map[string]string {
	w.t.Helper()
	return map[string]string{"identity": w.repo.DeployKey("sync", false), "known_hosts": w.forge.KnownHosts, "hook-secret": hookSecret}
}

// hookSecret is what the forge signs webhooks with.
const hookSecret = "a secret of the test, for webhooks"

// makeKeyring makes the team's keyring; it goes with the test.
func (w *world) makeKeyring() {
	w.t.Helper()
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: w.keyring}, Spec: v1alpha1.KeyringSpec{Namespaces: []string{w.team}}}
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
		kr, err := w.ring(ctx)
		if err == nil && !apimeta.IsStatusConditionTrue(kr.Status.Conditions, v1alpha1.ConditionReady) {
			err = fmt.Errorf("it says %+v", kr.Status.Conditions)
		}
		return err
	})
}

func (w *world) ring(ctx context.Context) (*v1alpha1.Keyring, error) {
	kr := &v1alpha1.Keyring{}
	return kr, w.Get(ctx, client.ObjectKey{Name: w.keyring}, kr)
}

// key shows one key of the keyring, and active is the one that is.
func (w *world) key(id string) v1alpha1.KeyStatus {
	w.t.Helper()
	return w.keyThat("is "+id, func(k v1alpha1.KeyStatus) bool { return k.ID == id })
}

func (w *world) active() v1alpha1.KeyStatus {
	w.t.Helper()
	return w.keyThat("is active", func(k v1alpha1.KeyStatus) bool { return k.State == "Active" })
}

func (w *world) keyThat(what string, holds func(v1alpha1.KeyStatus) bool) v1alpha1.KeyStatus {
	w.t.Helper()
	kr, err := w.ring(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range kr.Status.Keys {
		if holds(k) {
			return k
		}
	}
	w.t.Fatalf("the keyring shows no key that %s: %+v", what, kr.Status.Keys)
	return v1alpha1.KeyStatus{}
}

func (w *world) eventually(what string, cond func(ctx context.Context) error) {
	w.t.Helper()
	harness.Eventually(w.ctx, w.t, what, cond)
}

// run is what a program that has to succeed prints, run in alice's clone by a person who administers the cluster.
func (w *world) run(program string, args ...string) string {
	w.t.Helper()
	p := w.try(program, args...)
	if code := p.Wait(w.t); code != 0 {
		w.t.Fatalf("%s %s: %s: %s", filepath.Base(program), strings.Join(args, " "), p.State(), p.Stderr())
	}
	return p.Stdout()
}

func (w *world) try(program string, args ...string) *harness.Process {
	w.t.Helper()
	return w.started(w.Kubeconfig(), "", program, args...)
}

// started runs a program with a kubeconfig and what it reads.
func (w *world) started(kubeconfig, stdin, program string, args ...string) *harness.Process {
	w.t.Helper()
	return harness.StartProcess(w.t, harness.Command{
		Path: program, Args: args, Dir: w.clone.Dir, Stdin: strings.NewReader(stdin), Env: []string{"KUBECONFIG=" + kubeconfig, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"},
	})
}

func (w *world) seal(args ...string) string {
	w.t.Helper()
	return w.run(harness.BuildBinary(w.t, "./cmd/seal"), args...)
}

// manifest is a Secret before it is sealed.
func (w *world) manifest(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\nstringData:\n  user: %s-user\n  password: %s-%s\n", name, w.team, canary, canary, name)
}

// sealed writes a file of the clone with objects that are sealed for the keyring, one document each.
func (w *world) sealed(path string, names ...string) {
	w.t.Helper()
	var documents []string
	for _, name := range names {
		documents = append(documents, w.manifest(name))
	}
	w.clone.Write(map[string]string{path: strings.Join(documents, "---\n")})
	w.seal("-w", path)
}

// renewed puts another value into a sealed file of the clone.
func (w *world) renewed(path, key, value string) {
	w.t.Helper()
	if p := w.started(w.Kubeconfig(), value, harness.BuildBinary(w.t, "./cmd/seal"), "set", path, key); p.Wait(w.t) != 0 {
		w.t.Fatalf("seal set: %s: %s", p.State(), p.Stderr())
	}
}

// initialise has the clone know the keyring, and others.
func (w *world) initialise(others ...string) {
	w.t.Helper()
	args := []string{"init", "--keyring", w.keyring}
	for _, name := range others {
		args = append(args, "--keyring", name)
	}
	w.seal(args...)
}

func (w *world) named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: w.team, Name: name}
}

// secret waits until an object is unsealed and gives its Secret, which has to hold what was sealed.
func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	o, s := &v1alpha1.GitSecret{}, &corev1.Secret{}
	w.eventually("Secret "+name+" is there", func(ctx context.Context) error {
		if err := w.Get(ctx, w.named(name), o); err != nil {
			return err
		}
		if o.Status.ObservedGeneration != o.Generation || unseal.ReasonOf(o.Status) != unseal.Unsealed {
			return fmt.Errorf("it says %+v", o.Status.Conditions)
		}
		return w.Get(ctx, w.named(name), s)
	})
	if string(s.Data["user"]) != canary+"-user" || string(s.Data["password"]) != canary+"-"+name {
		w.t.Errorf("Secret %s holds something else than was sealed", name)
	}
	return s
}
