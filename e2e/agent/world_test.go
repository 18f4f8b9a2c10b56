package agent_test

import (
	"context"
	"fmt"
	"net"
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
	replica   string // the agent's
	agentLog  string // folders of the audit logs
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
	health := freeAddress(w.t)
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

// agent starts the agent and waits until it is ready. Its credentials are the token's, with the forge's certificate.
func (w *world) agent() *harness.Process {
	w.t.Helper()
	health, hook := freeAddress(w.t), freeAddress(w.t)
	if w.hookURL == "" {
		w.hookURL = "http://" + hook + "/hook"
	}
	hook = strings.TrimSuffix(strings.TrimPrefix(w.hookURL, "http://"), "/hook")
	p := harness.StartProcess(w.t, harness.Command{
		Path: harness.BuildBinary(w.t, "./cmd/waxwing-agent"),
		Args: []string{
			"--kubeconfig", w.ServiceAccountKubeconfig(w.t, home, "waxwing-agent"), "--namespace", home, "--replica", w.replica, "--leader-elect=false",
			"--config", filepath.Join(w.dir, "config.yaml"), "--credentials", filepath.Join(w.dir, "credentials"), "--cache", filepath.Join(w.dir, "cache"), "--audit-log", w.agentLog,
			"--hook-bind-address", hook, "--metrics-bind-address", "0", "--health-bind-address", health, "--audit-bind-address", "0",
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

// configure writes the agent's configuration, and credentials with these files.
func (w *world) configure(files map[string]string) {
	w.t.Helper()
	config := fmt.Sprintf("credentials: [{name: %s, urls: [%q], namespaces: [%s]}]\nimpersonate: [{namespace: %s, serviceAccount: %s}]\n",
		credentials, w.forge.URL+"/"+w.alice.Name+"/", w.team, w.team, account)
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

// token are credentials with a token of the bot, and a secret for webhooks.
func (w *world) token(name string) map[string]string {
	w.t.Helper()
	token := w.bot.Token(name, "write:repository")
	return map[string]string{"username": w.bot.Name, "token": token, "forge-token": token, "ca.crt": w.forge.CA, "hook-secret": hookSecret}
}

// hookSecret is what the forge signs webhooks with.
const hookSecret = "a secret of the test, for webhooks"

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

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
	return harness.StartProcess(w.t, harness.Command{Path: program, Args: args, Dir: w.clone.Dir, Env: []string{"KUBECONFIG=" + w.Kubeconfig(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"}})
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

// initialise has the clone know the keyring.
func (w *world) initialise() {
	w.t.Helper()
	w.seal("init", "--keyring", w.keyring)
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
