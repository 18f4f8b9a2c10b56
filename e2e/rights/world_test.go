package rights_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	home    = harness.WaxwingNamespace
	account = "waxwing-controller"
	user    = "system:serviceaccount:" + home + ":" + account
)

// world is a cluster in which controllers with different rights do the same work, one after the other.
type world struct {
	*harness.Cluster
	client.Client
	holder seal.Holder
	calls  int
	audit  string // address of the audit log's endpoint
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := harness.Start(t)
	c.InstallWaxwing(t, values)
	return &world{Cluster: c, Client: c.Client(t, v1alpha1.AddToScheme), audit: harness.FreeAddress(t)}
}

// grant makes the controller's roles what g says, which differs in r from what they were, and waits until the API server goes by it.
func (w *world) grant(t *testing.T, g grants, r right, allowed bool) {
	t.Helper()
	for _, role := range []client.Object{g.cluster.DeepCopy(), g.home.DeepCopy()} {
		role.SetResourceVersion("")
		if err := w.Update(t.Context(), role); err != nil {
			t.Fatal(err)
		}
	}
	resource, sub, _ := strings.Cut(r.resource, "/")
	of := &authorizationv1.ResourceAttributes{Verb: r.verb, Group: r.group, Resource: resource, Subresource: sub, Name: r.object}
	if r.home {
		of.Namespace = home
	}
	w.May(t.Context(), t, authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: of}, allowed)
}

func (w *world) controller(t *testing.T) *harness.Process {
	t.Helper()
	log := filepath.Join(t.TempDir(), "audit")
	return harness.StartProcess(t, harness.Command{
		Path: harness.BuildBinary(t, "./cmd/waxwing-controller"),
		Args: []string{
			"--kubeconfig", w.ServiceAccountKubeconfig(t, home, account), "--namespace", home, "--service-account", account, "--audit-log", log, "--replica", harness.ReplicaOf(log),
			"--metrics-bind-address", "0", "--health-bind-address", "0", "--recipients-bind-address", "0", "--audit-bind-address", w.audit,
			"--leader-elect-lease-duration", "30s", "--leader-elect-renew-deadline", "25s", "--leader-elect-retry-period", "500ms", // a busy machine ends no term
		},
	})
}

// recipients waits until values can be sealed for the default keyring.
func (w *world) recipients(t *testing.T) {
	t.Helper()
	harness.Eventually(t.Context(), t, "the default keyring has published its recipients", func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := w.Get(ctx, client.ObjectKey{Name: "default"}, kr); err != nil {
			return err
		}
		set, err := statement.OpenRecipients([]byte(kr.Status.Recipients), kr.Status.StatementKey)
		w.holder = set.SealHolder()
		return err
	})
}

// objects are the GitSecrets that one run works on.
func objects() []string { return []string{"flip", "edit", "drift", "type"} }

// prepare makes a namespace with the objects of one run, sealed.
func (w *world) prepare(t *testing.T) string {
	t.Helper()
	ns := w.Namespace(t)
	for _, name := range objects() {
		if err := w.Create(t.Context(), w.sealed(t, ns, name)); err != nil {
			t.Fatal(err)
		}
	}
	return ns
}

func (w *world) sealed(t *testing.T, ns, name string) *v1alpha1.GitSecret {
	t.Helper()
	values := seal.Values{"user": seal.NewValue([]byte("value-of-a-test"))}
	spec, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(seal.For{Scope: seal.ScopeStrict, Namespace: ns, Name: name}, values, []seal.Holder{w.holder})
	if err != nil {
		t.Fatal(err)
	}
	return &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: *spec}
}

func (w *world) unsealed(t *testing.T, ns string) {
	t.Helper()
	for _, name := range objects() {
		harness.Eventually(t.Context(), t, ns+"/"+name+" is unsealed", func(ctx context.Context) error {
			o := &v1alpha1.GitSecret{}
			if err := w.Get(ctx, types.NamespacedName{Namespace: ns, Name: name}, o); err != nil {
				return err
			}
			if got := unseal.ReasonOf(o.Status); got != unseal.Unsealed {
				return fmt.Errorf("it is %q", got)
			}
			return nil
		})
	}
}

// afresh makes the next controller start as the first one did: without a Lease and without Keyrings. The keys stay.
func (w *world) afresh(t *testing.T) {
	t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: "waxwing-controller"}}
	if err := w.Delete(t.Context(), lease); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err := w.DeleteAllOf(t.Context(), &v1alpha1.Keyring{}); err != nil {
		t.Fatal(err)
	}
}

// every is how many looks at the API server's log there are to a poke: the controller must be able to follow.
const every = 8

// poke gives the controller, at the first of some calls, one more reason for everything that it ever does. It makes no Keyring before the controller has made the first.
func (w *world) poke(ctx context.Context, t *testing.T, ns string) error {
	w.calls++
	if w.calls%every != 1 {
		return nil
	}
	n := w.calls
	var rings v1alpha1.KeyringList
	if err := w.List(ctx, &rings); err != nil {
		return err
	}
	if len(rings.Items) > 0 {
		ring := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("ring-%d", n)}}
		ring.Spec.Source.Secret = &v1alpha1.SecretSource{}
		if err := w.Create(ctx, ring); err != nil {
			return err
		}
		// Nobody is at its address: it is the token to log in with that is asked for.
		vault := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("vault-%d", n)}}
		vault.Spec.Source.VaultKV = &v1alpha1.VaultKVSource{Path: "waxwing", Vault: v1alpha1.VaultConnection{
			Address: "https://127.0.0.1:1", Auth: v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Role: v1alpha1.VaultName(vault.Name)}},
		}}
		if err := w.Create(ctx, vault); err != nil {
			return err
		}
	}
	if err := w.Create(ctx, w.sealed(t, ns, fmt.Sprintf("new-%d", n))); err != nil {
		return err
	}
	for name, change := range map[string]string{
		"flip": fmt.Sprintf(`{"spec": {"suspend": %t}}`, n%(2*every) == 1),
		"edit": fmt.Sprintf(`{"spec": {"template": {"data": {"n": "%d"}}}}`, n),
		"type": fmt.Sprintf(`{"spec": {"type": "example.com/number-%d"}}`, n),
	} {
		o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
		if err := w.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(change))); err != nil {
			return err
		}
	}
	if err := w.readAudit(ctx); err != nil {
		return err
	}
	// Somebody edits marks: the controller reads them again.
	var marks corev1.ConfigMapList
	if err := w.List(ctx, &marks, client.InNamespace(home), client.MatchingLabels{"waxwing.io/marks": "true"}); err != nil {
		return err
	}
	for i := range marks.Items {
		edit := fmt.Sprintf(`{"data": {"nobody_%d": "1"}}`, n)
		if err := w.Patch(ctx, &marks.Items[i], client.RawPatch(types.MergePatchType, []byte(edit))); err != nil {
			return err
		}
	}
	drift := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "drift"}}
	patch := fmt.Sprintf(`{"stringData": {"foreign-%d": "x", "user": "changed"}}`, n)
	return client.IgnoreNotFound(w.Patch(ctx, drift, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner("somebody")))
}

// readAudit asks the controller for its audit log with a token that it does not know yet.
func (w *world) readAudit(ctx context.Context) error {
	token, err := w.Clientset().CoreV1().ServiceAccounts(home).CreateToken(ctx, account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return askForLog(ctx, w.audit, token.Status.Token)
}

// askForLog asks a program for its audit log. What it answers is not looked at, and it may not listen yet.
func askForLog(ctx context.Context, address, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/v1/audit/", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	anybody := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} // it made the certificate itself
	if resp, err := (&http.Client{Transport: anybody}).Do(req); err == nil {
		return resp.Body.Close()
	}
	return nil
}
