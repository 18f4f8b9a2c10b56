package chart_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/waxwing-io/waxwing/agent/rights"
	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestTheAgentReadsTheConfigurationThatTheChartWrites holds it for every set of values with an agent, and that it says what the values say.
func TestTheAgentReadsTheConfigurationThatTheChartWrites(t *testing.T) {
	h := newHelm(t, "helm", "")
	for name, s := range agentSets() {
		if _, err := settings.Parse([]byte(configOf(t, h.render(t, s.values)))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := settings.Parse([]byte(configOf(t, h.render(t, teamsOfAgent+"  proxy: http://proxy:3128\n  limits: {packMiB: 64, files: 7}\n"))))
	if err != nil {
		t.Fatal(err)
	}
	if !s.MayImpersonate(types.NamespacedName{Namespace: "team", Name: "waxwing-sync"}) || s.MayImpersonate(types.NamespacedName{Namespace: "team-web", Name: "waxwing-sync"}) {
		t.Error("it may impersonate others than the values say")
	}
	if err := s.Allow("infra", "prod-eu", "https://git.example.com/team/app"); err != nil {
		t.Error(err)
	}
	if s.Allow("infra", "other", "https://git.example.com/team/app") == nil || s.Allow("infra", "team", "https://git.example.com/") == nil {
		t.Error("credentials may be used by others, or for other addresses, than the values say")
	}
	if s.Proxy != "http://proxy:3128" || s.Limits.PackMiB != 64 || s.Limits.Files != 7 || s.InsecureHTTP {
		t.Errorf("it reads as %+v", s)
	}
}

func configOf(t *testing.T, r rendered) string {
	t.Helper()
	data, _ := r.only(t, "ConfigMap").Object["data"].(map[string]any)
	text, _ := data["config.yaml"].(string)
	if text == "" {
		t.Fatal("no configuration")
	}
	return text
}

// tenants are two namespaces of a team, one of another, and an agent for both.
type tenants struct {
	*release
	team, web, prod string
}

func installAgent(t *testing.T, name string) *tenants {
	t.Helper()
	c := harness.Start(t)
	w := &tenants{team: c.Namespace(t), web: c.Namespace(t), prod: c.Namespace(t)}
	values := fmt.Sprintf("agent: {enabled: true, accounts: [{namespace: %[1]s, name: waxwing-sync, targets: [%[1]s, %[2]s]}, {namespace: %[3]s, name: sync}]}", w.team, w.web, w.prod)
	w.release = install(t, name, values)
	return w
}

func (w *tenants) agent() account { return account{w.namespace, w.name + "-waxwing-agent"} }

func (w *tenants) namespaces() []string {
	return []string{w.namespace, w.team, w.web, w.prod, "default", "kube-system", ""}
}

// account is a ServiceAccount.
type account struct{ namespace, name string }

func (a account) user() string { return "system:serviceaccount:" + a.namespace + ":" + a.name }

func (a account) groups() []string {
	return []string{"system:serviceaccounts", "system:serviceaccounts:" + a.namespace, "system:authenticated"}
}

// impersonated are all accounts that the API server lets an account impersonate, by the roles of the cluster.
func (w *tenants) impersonated(t *testing.T) []account {
	t.Helper()
	var all []account
	clusterRoles, err1 := w.Clientset().RbacV1().ClusterRoles().List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + w.name})
	roles, err2 := w.Clientset().RbacV1().Roles("").List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + w.name})
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for _, role := range clusterRoles.Items {
		if slices.ContainsFunc(role.Rules, impersonates) {
			t.Errorf("ClusterRole %s lets somebody be impersonated everywhere", role.Name)
		}
	}
	for _, role := range roles.Items {
		for _, rule := range role.Rules {
			if !impersonates(rule) {
				continue
			}
			if !slices.Equal(rule.Resources, []string{"serviceaccounts"}) || len(rule.ResourceNames) == 0 {
				t.Errorf("Role %s/%s lets any account be impersonated: %+v", role.Namespace, role.Name, rule)
			}
			for _, name := range rule.ResourceNames {
				all = append(all, account{role.Namespace, name})
			}
		}
	}
	return all
}

func impersonates(rule rbacv1.PolicyRule) bool { return slices.Contains(rule.Verbs, "impersonate") }

// forbidden is what neither the agent nor an account that it applies as may do, as RESOURCE[.GROUP][/SUBRESOURCE] and verbs.
func forbidden() map[string]string {
	write := "create update patch delete deletecollection"
	all := map[string]string{
		"secrets": "get list watch " + write, "pods": write, "pods/exec": "get create", "pods/attach": "get create", "pods/portforward": "get create", "pods/ephemeralcontainers": "update patch",
		"pods/eviction": "create", "serviceaccounts/token": "create", "serviceaccounts": write, "nodes/proxy": "get create", "users": "impersonate", "groups": "impersonate", "replicationcontrollers": write,
		"keyrings.waxwing.io": write, "keyrings.waxwing.io/status": "update patch", "gitsecrets.waxwing.io/status": "update patch", "persistentvolumes": "create",
		"validatingadmissionpolicies.admissionregistration.k8s.io": write, "validatingwebhookconfigurations.admissionregistration.k8s.io": write, "customresourcedefinitions.apiextensions.k8s.io": write,
		"certificatesigningrequests.certificates.k8s.io": "create",
	}
	for _, workload := range []string{"deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps", "jobs.batch", "cronjobs.batch", "rollouts.argoproj.io"} {
		all[workload] = write
	}
	for _, resource := range []string{"roles", "clusterroles", "rolebindings", "clusterrolebindings"} {
		all[resource+".rbac.authorization.k8s.io"] = write + " bind escalate"
	}
	return all
}

// TestNobodyThatTheAgentCanBeReadsSecretsOrMakesPods asks the API server about the agent, and about every account that it may impersonate.
func TestNobodyThatTheAgentCanBeReadsSecretsOrMakesPods(t *testing.T) {
	w := installAgent(t, "reach")
	accounts := w.impersonated(t)
	if want := []account{{w.team, "waxwing-sync"}, {w.prod, "sync"}}; !sameAccounts(accounts, want) {
		t.Fatalf("it may impersonate %v, want %v", accounts, want)
	}
	for _, a := range append(accounts, w.agent()) {
		for resource, verbs := range forbidden() {
			w.mayNot(t, a, resource, verbs, w.namespaces()...)
		}
	}
	for _, a := range accounts {
		w.mayNot(t, a, "secretsyncs.waxwing.io", "get create update patch delete", w.namespaces()...)
		w.mayNot(t, a, "serviceaccounts", "impersonate", w.namespaces()...)
		w.mayNot(t, a, "tokenreviews.authentication.k8s.io", "create", "")
		w.mayNot(t, a, "configmaps", "get list create update patch", w.namespaces()...)
	}
	// They may do their work, and theirs only.
	sync, other := account{w.team, "waxwing-sync"}, account{w.prod, "sync"}
	w.mayDo(t, sync, "gitsecrets.waxwing.io", "get create patch delete", w.team, w.web)
	w.mayNot(t, sync, "gitsecrets.waxwing.io", "create update patch delete deletecollection", w.prod, w.namespace, "default", "")
	w.mayDo(t, other, "gitsecrets.waxwing.io", "get create patch delete", w.prod)
	w.mayNot(t, other, "gitsecrets.waxwing.io", "get create patch delete", w.team, w.web)
	w.mayDo(t, w.agent(), "gitsecrets.waxwing.io", "list watch", "")
	w.mayDo(t, w.agent(), "keyrings.waxwing.io", "list watch", "")
	w.mayDo(t, w.agent(), "secretsyncs.waxwing.io", "get list watch patch", "")
	w.mayDo(t, w.agent(), "secretsyncs.waxwing.io/status", "patch", "")
	w.mayNot(t, w.agent(), "gitsecrets.waxwing.io", "create update patch delete", w.namespaces()...)
	w.mayNot(t, w.agent(), "secretsyncs.waxwing.io", "create update delete", w.namespaces()...)
	w.mayNot(t, w.agent(), "serviceaccounts", "impersonate", w.namespaces()...)          // any of a namespace
	w.mayNot(t, w.agent(), "configmaps", "watch update patch delete", w.namespaces()...) // any of a namespace
	w.mayNot(t, w.agent(), "configmaps", "get list", w.team, w.web, w.prod, "default", "kube-system", "")
	w.mayNot(t, w.agent(), "leases.coordination.k8s.io", "get list watch update patch delete", w.namespaces()...)
}

func sameAccounts(a, b []account) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x account) bool { return !slices.Contains(b, x) })
}

func (w *tenants) mayDo(t *testing.T, a account, resource, verbs string, namespaces ...string) {
	t.Helper()
	w.ask(t, a, resource, verbs, true, namespaces)
}

func (w *tenants) mayNot(t *testing.T, a account, resource, verbs string, namespaces ...string) {
	t.Helper()
	w.ask(t, a, resource, verbs, false, namespaces)
}

func (w *tenants) ask(t *testing.T, a account, resource, verbs string, want bool, namespaces []string) {
	t.Helper()
	name, sub, _ := strings.Cut(resource, "/")
	name, group, _ := strings.Cut(name, ".")
	for _, namespace := range namespaces {
		for _, verb := range strings.Fields(verbs) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: a.user(), Groups: a.groups(), ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: verb, Group: group, Resource: name, Subresource: sub,
			}}}
			answer, err := w.Clientset().AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if answer.Status.Allowed != want {
				t.Errorf("%s may %s %s in namespace %q: %v", a.user(), verb, resource, namespace, answer.Status.Allowed)
			}
		}
	}
}

// TestTheAgentActsAsItsAccountsOnly has the agent's own token impersonate, as the program does, and look at what the accounts may do, as it does before it applies.
func TestTheAgentActsAsItsAccountsOnly(t *testing.T) {
	w := installAgent(t, "actor")
	own, err := clientcmd.BuildConfigFromFlags("", w.ServiceAccountKubeconfig(t, w.namespace, w.agent().name))
	if err != nil {
		t.Fatal(err)
	}
	as := func(user string) kubernetes.Interface {
		config := rest.CopyConfig(own)
		config.Impersonate.UserName = user
		return kubernetes.NewForConfigOrDie(config)
	}
	check := func(ctx context.Context, a account, namespaces ...string) ([]string, error) {
		checker := &rights.Checker{Now: time.Now} // a new one remembers nothing
		return checker.Check(ctx, types.NamespacedName{Namespace: a.namespace, Name: a.name}, as(a.user()).AuthorizationV1(), namespaces)
	}
	sync := account{w.team, "waxwing-sync"}
	found, err := check(t.Context(), sync, w.team, w.web)
	if err != nil || len(found) > 0 {
		t.Fatalf("what the chart gives is too much: %q, %v", found, err)
	}
	for _, a := range []account{{w.team, "default"}, {w.prod, "waxwing-sync"}, {w.namespace, w.name + "-waxwing-controller"}} {
		if _, err := check(t.Context(), a, w.team); !apierrors.IsForbidden(err) {
			t.Errorf("it may act as %s: %v", a.user(), err)
		}
	}
	for _, user := range []string{"system:admin", "somebody"} {
		if _, err := as(user).CoreV1().Pods(w.team).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "impersonate") {
			t.Errorf("it may act as %s: %v", user, err)
		}
	}
	// Somebody means it well.
	w.kubectl(t, "-n", w.web, "create", "rolebinding", "well-meant", "--clusterrole", "edit", "--serviceaccount", w.team+":waxwing-sync")
	harness.Eventually(t.Context(), t, "that is seen to be too much", func(ctx context.Context) error {
		found, err := check(ctx, sync, w.team, w.web)
		if err == nil && !slices.Contains(found, fmt.Sprintf("in namespace %s it may read Secrets", w.web)) {
			err = fmt.Errorf("it is %q", found)
		}
		return err
	})
}

// TestTheAgentComesAndGoes holds that a release without the agent has none of its rights any more, and that its audit log and what people wrote stay.
func TestTheAgentComesAndGoes(t *testing.T) {
	w := installAgent(t, "comes")
	w.ApplyYAML(t, w.team, secretSync)
	log := object("v1", "PersistentVolumeClaim", w.namespace, "audit-"+w.agent().name+"-0")
	harness.Eventually(t.Context(), t, "the pod and its volume are made", func(ctx context.Context) error {
		return w.present(ctx, t, object("v1", "Pod", w.namespace, w.agent().name+"-0"), log)
	})
	w.run(t, "", "upgrade", w.name, chartDir, "--namespace", w.namespace, "--set", "agent.enabled=false")
	harness.Eventually(t.Context(), t, "the agent is gone", func(ctx context.Context) error {
		const rbac, admission = "rbac.authorization.k8s.io/v1", "admissionregistration.k8s.io/v1"
		name := w.agent().name
		return w.absent(ctx, t, object("apps/v1", "StatefulSet", w.namespace, name), object("v1", "ConfigMap", w.namespace, name), object("v1", "ServiceAccount", w.namespace, name),
			object(rbac, "ClusterRole", "", name), object(rbac, "ClusterRoleBinding", "", name), object(rbac, "Role", w.namespace, name), object(rbac, "Role", w.team, name+"-impersonate"),
			object("v1", "ServiceAccount", w.team, "waxwing-sync"), object(rbac, "RoleBinding", w.web, w.name+"-waxwing-sync."+w.team+".waxwing-sync"), object(admission, "ValidatingAdmissionPolicy", "", name+"-guard"))
	})
	if err := w.present(t.Context(), t, log, object("waxwing.io/v1alpha1", "SecretSync", w.team, "infra")); err != nil {
		t.Error(err)
	}
	w.mayNot(t, account{w.team, "waxwing-sync"}, "gitsecrets.waxwing.io", "get create patch delete", w.namespaces()...)
}
