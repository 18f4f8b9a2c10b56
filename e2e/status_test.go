package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// checkout is a folder with sealed files, and somebody who asks for their status.
type checkout struct {
	w          *world
	dir        string
	kubeconfig string
}

func (w *world) checkout(t *testing.T) *checkout {
	t.Helper()
	c := &checkout{w: w, dir: t.TempDir(), kubeconfig: w.Kubeconfig()}
	if err := os.Mkdir(filepath.Join(c.dir, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

// commit writes an object into NAME.json; apply gives it to the cluster, too.
func (c *checkout) commit(t *testing.T, o *v1alpha1.GitSecret) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": map[string]any{"name": o.Name, "namespace": o.Namespace}, "spec": o.Spec})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, o.Name+".json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *checkout) apply(t *testing.T, o *v1alpha1.GitSecret) {
	t.Helper()
	c.commit(t, o)
	c.w.create(t, o.DeepCopy())
}

// run runs seal in the folder and checks its exit code.
func (c *checkout) run(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	p := harness.StartProcess(t, harness.Command{Path: harness.BuildBinary(t, "./cmd/seal"), Args: args, Dir: c.dir, Env: []string{"KUBECONFIG=" + c.kubeconfig, "NO_COLOR=1"}})
	if code := p.Wait(t); code != want {
		t.Fatalf("seal %s exits with %d, not %d: %s%s", strings.Join(args, " "), code, want, p.Stdout(), p.Stderr())
	}
	return p.Stdout(), p.Stderr()
}

var gaps = regexp.MustCompile(` {2,}`)

// table runs seal status and compares its lines, with NS for the test's namespace and two spaces between columns.
func (c *checkout) table(t *testing.T, code int, want string, args ...string) (stderr string) {
	t.Helper()
	stdout, stderr := c.run(t, code, append([]string{"status"}, args...)...)
	got := gaps.ReplaceAllString(strings.ReplaceAll(stdout, c.w.namespace, "NS"), "  ")
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("seal status %s shows\n%s\nnot\n%s", strings.Join(args, " "), got, want)
	}
	return stderr
}

// sealedAnHourAgo is a GitSecret as sealed does it, but for its date; renewed is a later version of an object.
func (w *world) sealedAnHourAgo(t *testing.T, name string) *v1alpha1.GitSecret {
	t.Helper()
	early := seal.Sealer{Rand: rand.Reader, Now: func() time.Time { return time.Now().Add(-time.Hour) }}
	spec, err := early.Seal(seal.For{Scope: seal.ScopeStrict, Namespace: w.namespace, Name: name}, values("user"), []seal.Holder{w.holder(t)})
	if err != nil {
		t.Fatal(err)
	}
	return w.object(name, spec)
}

func (w *world) renewed(t *testing.T, o *v1alpha1.GitSecret) *v1alpha1.GitSecret {
	t.Helper()
	next := o.DeepCopy()
	if err := sealer().Put(&next.Spec, values("password"), []seal.Holder{w.holder(t)}); err != nil {
		t.Fatal(err)
	}
	return next
}

// everyState puts an object of each state into folder and cluster, and waits until the controller has looked at all.
func (c *checkout) everyState(t *testing.T) {
	t.Helper()
	w := c.w
	c.apply(t, w.sealed(t, "synced", "user"))

	older := w.sealedAnHourAgo(t, "changed-in-git")
	w.create(t, older.DeepCopy())
	c.commit(t, w.renewed(t, older))

	older = w.sealedAnHourAgo(t, "changed-in-cluster")
	c.commit(t, older)
	w.create(t, w.renewed(t, older))

	tampered := w.sealed(t, "tampered", "user", "password")
	items := tampered.Spec.Items
	items["user"], items["password"] = items["password"], items["user"]
	c.apply(t, tampered)

	suspended := w.sealed(t, "suspended", "user")
	suspended.Spec.Suspend = true
	c.apply(t, suspended)

	c.commit(t, w.sealed(t, "not-applied", "user"))
	w.create(t, w.sealed(t, "only-in-cluster", "user"))

	elsewhere := w.sealed(t, "elsewhere", "user")
	for _, e := range elsewhere.Spec.Envelopes {
		e.Wraps["staging"] = e.Wraps["default"]
		delete(e.Wraps, "default")
	}
	c.commit(t, elsewhere)

	for _, name := range []string{"synced", "changed-in-git", "changed-in-cluster", "only-in-cluster"} {
		w.eventually(t, name, unseal.Unsealed)
	}
	w.eventually(t, "tampered", unseal.Tampered)
	w.eventually(t, "suspended", unseal.Suspended)
}

func TestStatusShowsEveryStateOfGitAndCluster(t *testing.T) {
	w := newWorld(t)
	controller := w.controller(t)
	c := w.checkout(t)
	c.everyState(t)
	c.table(t, 5, `
OBJECT  GIT  READY  SECRET  SEALED FOR  FILE
NS/changed-in-cluster  cluster newer  yes  ok  default  changed-in-cluster.json
NS/changed-in-git  cluster older  yes  ok  default  changed-in-git.json
NS/elsewhere  elsewhere  -  -  staging (no keyring)  elsewhere.json
NS/not-applied  not applied  -  -  default  not-applied.json
NS/only-in-cluster  cluster only  yes  ok  default  -
NS/suspended  in sync  suspended  none  default  suspended.json
NS/synced  in sync  yes  ok  default  synced.json
NS/tampered  in sync  stalled Tampered  none  default  tampered.json

NS/tampered: Tampered: spec.items.password: the value was changed, or moved here from another item, object or envelope
hint: cluster newer: somebody applied what is not in this checkout; git pull, or commit it
hint: cluster older: let your delivery tool sync, or kubectl apply -f FILE
hint: not applied: let your delivery tool sync, or kubectl apply -f FILE

8 objects: 2 ready, 1 not applied, 2 not in sync, 1 stalled, 1 suspended, 1 for another cluster
`)
	c.table(t, 0, `
OBJECT  GIT  READY  SECRET  SEALED FOR  FILE
NS/suspended  in sync  suspended  none  default  suspended.json
NS/synced  in sync  yes  ok  default  synced.json

2 objects: 1 ready, 1 suspended
`, "synced.json", "suspended.json")

	t.Run("the controller is away", func(t *testing.T) {
		controller.Kill()
		c.withoutController(t)
	})
}

// withoutController shows what nobody puts right: the Secrets are changed, and the status is made by hand.
func (c *checkout) withoutController(t *testing.T) {
	w := c.w
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "synced"}}
	w.update(t, s, func() { s.Labels["somebody"] = "else" })
	c.table(t, 5, `
OBJECT  GIT  READY  SECRET  SEALED FOR  FILE
NS/synced  in sync  yes  changed  default  synced.json

hint: Secret changed: the controller puts it right by itself; if it stays so, seal doctor --cluster

1 object: 1 with a Secret that is not as it was written
`, "synced.json")
	if err := w.Delete(w.ctx, s); err != nil {
		t.Fatal(err)
	}
	w.sayOfTheKey(w.ctx, t, "Deactivated")
	t.Cleanup(func() { w.sayOfTheKey(context.Background(), t, "Active") }) // all tests share the keyring
	c.table(t, 5, `
OBJECT  GIT  READY  SECRET  SEALED FOR  FILE
NS/synced  in sync  yes  missing  default (rewrap)  synced.json

hint: Secret missing: the controller puts it right by itself; if it stays so, seal doctor --cluster

1 object: 1 with a Secret that is not as it was written; 1 to rewrap
`, "synced.json")

	next := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "suspended"}}
	w.update(t, next, func() { next.Spec.Suspend = false })
	c.table(t, 5, `
OBJECT  GIT  READY  SECRET  SEALED FOR  FILE
NS/suspended  differs  unseen  ?  default (rewrap)  suspended.json

hint: differs: the same age, and other content; apply the one that is meant

1 object: 1 not in sync; 1 to rewrap
`, "suspended.json")
}

// sayOfTheKey writes a state into the status of the default keyring's key, as a rotation would. No controller may run.
func (w *world) sayOfTheKey(ctx context.Context, t *testing.T, state string) {
	t.Helper()
	kr := &v1alpha1.Keyring{}
	if err := w.Get(ctx, client.ObjectKey{Name: "default"}, kr); err != nil {
		t.Fatal(err)
	}
	before := kr.DeepCopy()
	kr.Status.Keys[0].State = state
	if err := w.Status().Patch(ctx, kr, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// person is a ServiceAccount with these rights in the test's namespace; its kubeconfig is what a person would have.
func (w *world) person(t *testing.T, name string, rules ...rbacv1.PolicyRule) string {
	t.Helper()
	config := w.ServiceAccountKubeconfig(t, w.namespace, name)
	meta := metav1.ObjectMeta{Namespace: w.namespace, Name: name}
	w.create(t, &rbacv1.Role{ObjectMeta: meta, Rules: rules})
	w.create(t, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.namespace, Name: name}}})
	if len(rules) > 0 {
		r := rules[0]
		w.may(t, asAccount(w.namespace, name, authorizationv1.ResourceAttributes{Verb: r.Verbs[0], Group: r.APIGroups[0], Resource: r.Resources[0], Namespace: w.namespace}), true)
	}
	return config
}

func TestStatusGoesAsFarAsRightsAndNetworkDo(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	c := w.checkout(t)
	c.apply(t, w.sealed(t, "db", "user"))
	w.eventually(t, "db", unseal.Unsealed)

	c.kubeconfig = w.person(t, "viewer", rbacv1.PolicyRule{APIGroups: []string{"waxwing.io"}, Resources: []string{"gitsecrets"}, Verbs: []string{"list"}})
	said := c.table(t, 0, `
OBJECT  GIT  READY  SECRET  SEALED FOR  FILE
NS/db  in sync  yes  ok?  default?  db.json

1 object: 1 ready
`)
	for _, what := range []string{"the Secrets themselves could not be looked at", "keyrings could not be looked at"} {
		if strings.Count(said, what) != 1 {
			t.Errorf("it does not say once that %s: %s", what, said)
		}
	}

	unknown := `
OBJECT  GIT  READY  SECRET  SEALED FOR  FILE
NS/db  ?  -  -  default?  db.json

1 object: 1 not known
`
	c.kubeconfig = w.person(t, "nobody")
	if said := c.table(t, 1, unknown); !has(said, "gitsecrets.waxwing.io is forbidden", "hint: ask for the right to list gitsecrets.waxwing.io") {
		t.Errorf("without rights it says %s", said)
	}
	c.kubeconfig = elsewhere(t, w.Kubeconfig(), "https://127.0.0.1:1", nil)
	if said := c.table(t, 1, unknown); !has(said, "seal: asking the API server 127.0.0.1:", "connection refused") {
		t.Errorf("without a cluster it says %s", said)
	}
}

// elsewhere is a kubeconfig that leads to another server, with this certificate if it is not nil.
func elsewhere(t *testing.T, kubeconfig, server string, ca []byte) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Clusters {
		c.Server = server
		if ca != nil {
			c.CertificateAuthority, c.CertificateAuthorityData = "", ca
		}
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}
