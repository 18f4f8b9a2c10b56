package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

const namespacedAccount = "waxwing-namespaced"

func rule(group string, resources []string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs}
}

// The rights of namespaced mode. The kinds of the whole cluster are Keyrings alone; all that is about Secrets stands in Roles.
func namespacedRights() (cluster, inHome, inDefault, inEach []rbacv1.PolicyRule) {
	cluster = []rbacv1.PolicyRule{
		rule("waxwing.io", []string{"keyrings"}, "get", "list", "watch", "create"),
		rule("waxwing.io", []string{"secretsyncs"}, "list"),
		rule("waxwing.io", []string{"keyrings/status"}, "patch"),
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}}, // names the audit log
	}
	inHome = []rbacv1.PolicyRule{
		rule("", []string{"secrets"}, "get", "list", "watch", "create", "update"), // the keys
		rule("", []string{"configmaps"}, "create", "patch", "get", "list"),        // their recipients, and the audit log's anchor
		rule("coordination.k8s.io", []string{"leases"}, "create", "get", "update"),
		rule("", []string{"events"}, "create", "patch"), // who leads
	}
	inDefault = []rbacv1.PolicyRule{
		rule("events.k8s.io", []string{"events"}, "create", "patch"), // events about Keyrings, which are in no namespace
	}
	inEach = []rbacv1.PolicyRule{
		rule("waxwing.io", []string{"gitsecrets"}, "get", "list", "watch"),
		rule("waxwing.io", []string{"gitsecrets/status"}, "patch"),
		rule("", []string{"secrets"}, "get", "list", "watch", "create", "patch", "delete"),
		rule("events.k8s.io", []string{"events"}, "create", "patch"),
	}
	return cluster, inHome, inDefault, inEach
}

// grant gives the rules to the ServiceAccount of namespaced mode, in one namespace or, if that is empty, in the cluster.
func (w *world) grant(t *testing.T, name, namespace string, rules []rbacv1.PolicyRule) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: name, Namespace: namespace}
	to := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: home, Name: namespacedAccount}}
	objects := []client.Object{
		&rbacv1.Role{ObjectMeta: meta, Rules: rules},
		&rbacv1.RoleBinding{ObjectMeta: meta, Subjects: to, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}},
	}
	if namespace == "" {
		objects = []client.Object{
			&rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules},
			&rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: to, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}},
		}
	}
	for _, o := range objects {
		w.create(t, o)
		t.Cleanup(func() {
			if err := w.Delete(context.WithoutCancel(w.ctx), o); client.IgnoreNotFound(err) != nil {
				t.Error(err)
			}
		})
	}
}

// in is the same world with another namespace.
func (w *world) in(namespace string) *world {
	other := *w
	other.namespace = namespace
	return &other
}

// namespaced is a world whose controller has the rights of namespaced mode, in the world's own namespace.
func namespacedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: namespacedAccount}}
	if err := w.Create(w.ctx, sa); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	cluster, inHome, inDefault, inEach := namespacedRights()
	w.grant(t, "waxwing-namespaced-test", "", cluster)
	w.grant(t, "waxwing-namespaced-test", home, inHome)
	w.grant(t, "waxwing-namespaced-test", "default", inDefault)
	w.grant(t, "waxwing-namespaced-test", w.namespace, inEach)
	w.kubeconfig = w.ServiceAccountKubeconfig(t, home, namespacedAccount)
	return w
}

// TestNamespacedModeNeedsNoRightInTheCluster runs the controller with Roles only. A namespace without rights and one that there is not hold up nobody, and are
// served once they can be.
func TestNamespacedModeNeedsNoRightInTheCluster(t *testing.T) {
	w := namespacedWorld(t)
	closed, elsewhere := w.in(w.Namespace(t)), w.in(w.Namespace(t))
	missing := w.namespace + "-missing"
	for _, verb := range []string{"get", "list", "watch", "create", "patch", "delete"} {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               "system:serviceaccount:" + home + ":" + namespacedAccount,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Resource: "secrets"},
		}}
		if err := w.Create(w.ctx, review); err != nil || review.Status.Allowed {
			t.Fatalf("the account may %s Secrets of the cluster (%v)", verb, err)
		}
	}
	ctl := w.controller(t, "--namespaces", w.namespace+","+closed.namespace+","+missing)
	w.create(t, w.sealed(t, "db", "user"))
	closed.create(t, closed.sealed(t, "db", "user"))
	elsewhere.create(t, elsewhere.sealed(t, "db", "user"))
	w.eventually(t, "db", unseal.Unsealed)
	w.holds(t, "db", "user")

	reachable := func(namespace string, yes int) string {
		return fmt.Sprintf("waxwing_namespace_reachable{namespace=%q} %d", namespace, yes)
	}
	metrics := func(parts ...string) {
		t.Helper()
		until(w.ctx, t, fmt.Sprintf("the metrics have %q", parts), func() bool {
			body, err := get("http://" + ctl.metrics + "/metrics")
			return err == nil && has(string(body), parts...)
		})
	}
	metrics(reachable(w.namespace, 1), reachable(closed.namespace, 0), reachable(missing, 0), `waxwing_gitsecrets{ready="True",reason="Unsealed"} 1`)
	until(w.ctx, t, "the log names the namespaces that cannot be read", func() bool { // a moment after the metrics
		return has(ctl.Output(), "a namespace cannot be read; the others are served", closed.namespace, missing, "no right to list")
	})
	closed.absent(t, "db")

	_, _, _, inEach := namespacedRights()
	w.grant(t, "waxwing-namespaced-test", closed.namespace, inEach)
	closed.eventually(t, "db", unseal.Unsealed)
	w.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: missing}})
	late := w.in(missing)
	w.grant(t, "waxwing-namespaced-test", missing, inEach)
	late.create(t, late.sealed(t, "db", "user"))
	late.eventually(t, "db", unseal.Unsealed)
	metrics(reachable(closed.namespace, 1), reachable(missing, 1))

	// What the cluster-wide mode does is done here too: drift is repaired, objects wake when their key comes.
	if err := w.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: missing, Name: "db"}}); err != nil {
		t.Fatal(err)
	}
	late.holds(t, "db", "user")
	holder, secret := lateKey(t, "late-namespaced")
	closed.create(t, closed.sealedFor(t, "waits", closed.strict("waits"), holder))
	closed.eventually(t, "waits", unseal.NoMatchingKey)
	w.create(t, secret)
	w.keyringOf(t, "late-namespaced", "*")
	closed.eventually(t, "waits", unseal.Unsealed)

	o := &v1alpha1.GitSecret{}
	if err := w.Get(w.ctx, elsewhere.key("db"), o); err != nil || o.Status.ObservedGeneration != -1 {
		t.Errorf("an object outside of the list was looked at (%v)", err)
	}
	elsewhere.absent(t, "db")

	// A namespace that is being deleted is known by the API server's refusal.
	held := late.sealed(t, "held", "user")
	held.Finalizers = []string{"example.com/held"}
	late.create(t, held)
	late.eventually(t, "held", unseal.Unsealed)
	if err := w.Delete(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: missing}}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(w.ctx, t, "the namespace controller has deleted the Secret", func(ctx context.Context) error {
		if err := w.Get(ctx, late.key("held"), &corev1.Secret{}); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("it is still there"), err)
		}
		return nil
	})
	late.absent(t, "held")
	late.update(t, held, func() { held.Finalizers = nil })
}

// TestEveryReplicaServesTheRecipients asks the leader, one that waits, and one that waits in namespaced mode.
func TestEveryReplicaServesTheRecipients(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	w.holder(t)
	kr := &v1alpha1.Keyring{}
	if err := w.Get(w.ctx, client.ObjectKey{Name: "default"}, kr); err != nil {
		t.Fatal(err)
	}
	address := harness.FreeAddress(t)
	standby := w.controller(t, "--recipients-bind-address", address)
	url := "http://" + address + "/v1/recipients/default"
	until(w.ctx, t, "the replica that waits serves the note", func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK && resp.Header.Get("ETag") != ""
	})
	body, err := get(url)
	if err != nil {
		t.Fatal(err)
	}
	set, err := statement.OpenRecipients(body, kr.Status.StatementKey)
	if err != nil {
		t.Fatalf("the note does not verify: %v", err)
	}
	if got, want := set.SealHolder().Recipients[0].KeyID(), w.holder(t).Recipients[0].KeyID(); got != want {
		t.Errorf("key %s, want %s", got, want)
	}
	for _, rec := range standby.records(t) {
		if rec.Phase == audit.PhaseIntent {
			t.Errorf("the replica that waits was about to do something: %+v", rec.Operation)
		}
	}
	if resp, err := http.Get(url + "-not"); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("a keyring that there is not: %v", err)
	}
}

// TestAnAuditLogThatDoesNotLastShows holds that every Keyring says so, and stops saying so.
func TestAnAuditLogThatDoesNotLastShows(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t, "--audit-ephemeral")
	w.holder(t)
	until(w.ctx, t, "the keyring is degraded", func() bool {
		return has(w.run(t, "get", "keyring", "default", "-o", "wide"), "DEGRADED", v1alpha1.ReasonAuditNotPersistent, "True")
	})
	w.run(t, "wait", "--for=condition=Degraded", "--timeout=60s", "keyring/default")
	kr := &v1alpha1.Keyring{}
	if err := w.Get(w.ctx, client.ObjectKey{Name: "default"}, kr); err != nil {
		t.Fatal(err)
	}
	for _, c := range kr.Status.Conditions {
		if c.Type == v1alpha1.ConditionDegraded && !strings.Contains(c.Message, "records from before it are lost") {
			t.Errorf("it says %q", c.Message)
		}
	}
	if body, err := get("http://" + ctl.metrics + "/metrics"); err != nil || !has(string(body), `waxwing_degraded{reason="AuditNotPersistent"} 1`, `waxwing_build_info{version=`) {
		t.Errorf("the metrics do not say so (%v)", err)
	}
	ctl.Kill()
	w.controller(t)
	until(w.ctx, t, "the keyring is not degraded any more", func() bool {
		return !strings.Contains(w.run(t, "get", "keyring", "default", "-o", "wide"), v1alpha1.ReasonAuditNotPersistent)
	})
	w.create(t, w.sealedFor(t, "db", seal.For{Scope: seal.ScopeNamespace, Namespace: w.namespace}, w.holder(t)))
	w.eventually(t, "db", unseal.Unsealed)
}
