package chart_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// impersonated are all whom the API server lets the agent be, in whatever namespace.
func (w *tenants) impersonated(t *testing.T) []account {
	t.Helper()
	var all []account
	for _, namespace := range w.everyNamespace(t) {
		rights, err := w.given(t.Context(), w.agent(), namespace)
		if err != nil {
			t.Fatal(err)
		}
		for right := range rights {
			if !strings.Contains(right, "impersonate") && !strings.Contains(right, "*") {
				continue
			}
			name, ok := strings.CutPrefix(right, "impersonate serviceaccounts ")
			if !ok || name == "*" {
				t.Errorf("in namespace %s the agent may %s", namespace, right)
			}
			all = append(all, account{namespace, name})
		}
	}
	return all
}

// shipped are the rights that the rendered chart gives the agent in a namespace, by its own roles, of which docs/agent.md has a table.
func (w *tenants) shipped(rendered []rbacRole, namespace string) map[string]bool {
	all := map[string]bool{}
	for _, role := range rendered {
		mine := role.name == w.agent().name || role.name == w.agent().name+"-impersonate"
		if !mine || role.namespace != "" && role.namespace != namespace {
			continue
		}
		for _, rule := range role.rules {
			addRights(all, rule)
		}
	}
	return all
}

type rbacRole struct {
	namespace, name string
	rules           []rbacv1.PolicyRule
}

// rendered are the roles of the release with these values.
func (w *tenants) rendered(t *testing.T, values string) []rbacRole {
	t.Helper()
	var all []rbacRole
	objects := parse(t, w.run(t, values, "template", w.name, chartDir, "--namespace", w.namespace))
	for _, o := range objects {
		if kind := o.GetKind(); kind == "Role" || kind == "ClusterRole" {
			id := kind + "/" + o.GetName()
			all = append(all, rbacRole{o.GetNamespace(), o.GetName(), rulesOf(t, rendered{objects: []*unstructured.Unstructured{o}}, id)})
		}
	}
	return all
}

// forbidden is what neither the agent nor an account that it applies as may do, as RESOURCE[.GROUP][/SUBRESOURCE] and verbs.
func forbidden() map[string]string {
	const write = "create update patch delete deletecollection"
	all := map[string]string{
		"secrets": "get list watch " + write, "pods": write, "pods/exec": "get create", "pods/attach": "get create", "pods/portforward": "get create", "pods/ephemeralcontainers": "update patch",
		"pods/eviction": "create", "pods/log": "get", "serviceaccounts/token": "create", "serviceaccounts": write, "nodes/proxy": "get create", "services/proxy": "get create", "pods/proxy": "get create",
		"replicationcontrollers": write, "keyrings.waxwing.io": write, "keyrings.waxwing.io/status": "update patch", "gitsecrets.waxwing.io/status": "update patch", "persistentvolumes": "create",
		"validatingadmissionpolicies.admissionregistration.k8s.io": write, "validatingwebhookconfigurations.admissionregistration.k8s.io": write,
		"mutatingadmissionpolicies.admissionregistration.k8s.io": write, "mutatingwebhookconfigurations.admissionregistration.k8s.io": write,
		"customresourcedefinitions.apiextensions.k8s.io": write, "apiservices.apiregistration.k8s.io": write,
		"certificatesigningrequests.certificates.k8s.io": "create", "certificatesigningrequests.certificates.k8s.io/approval": "update patch", "signers.certificates.k8s.io": "approve sign",
		"users": "impersonate", "groups": "impersonate", "uids": "impersonate", "uids.authentication.k8s.io": "impersonate", "userextras.authentication.k8s.io/scopes": "impersonate",
	}
	for _, workload := range []string{"deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps", "jobs.batch", "cronjobs.batch", "rollouts.argoproj.io"} {
		all[workload] = write
	}
	for _, resource := range []string{"roles", "clusterroles", "rolebindings", "clusterrolebindings"} {
		all[resource+".rbac.authorization.k8s.io"] = write + " bind escalate"
	}
	return all
}

// TestNobodyThatTheAgentCanBeReadsSecretsOrMakesPods asks the API server about the agent, and about every account that it may impersonate: what each may do at all, and one by one what
// none may. It does so for an agent of all namespaces, and of some.
func TestNobodyThatTheAgentCanBeReadsSecretsOrMakesPods(t *testing.T) {
	w := installAgent(t, "reach")
	t.Run("of all namespaces", func(t *testing.T) {
		w.reach(t, w.values(""))
		w.mayDo(t, w.agent(), "gitsecrets.waxwing.io", "list watch", "")
		w.mayDo(t, w.agent(), "secretsyncs.waxwing.io", "get list watch patch", "")
		w.mayDo(t, w.agent(), "secretsyncs.waxwing.io/status", "patch", "")
	})
	t.Run("of some", func(t *testing.T) {
		values := w.values(fmt.Sprintf("namespaces: [%s, %s, %s],", w.team, w.web, w.prod))
		w.run(t, values, "upgrade", w.name, chartDir, "--namespace", w.namespace)
		w.reach(t, values)
		for _, resource := range []string{"gitsecrets.waxwing.io", "secretsyncs.waxwing.io"} {
			w.mayDo(t, w.agent(), resource, "list watch", w.team, w.web, w.prod)
			w.mayNot(t, w.agent(), resource, "get list watch patch", w.namespace, "default", "kube-system", "")
		}
	})
}

// reach holds that the accounts of a release with these values may do what they are for, and nothing else.
func (w *tenants) reach(t *testing.T, values string) {
	t.Helper()
	roles := w.rendered(t, values)
	for _, namespace := range w.everyNamespace(t) {
		harness.Eventually(t.Context(), t, "all may do in "+namespace+" what they are for", func(ctx context.Context) error {
			if err := w.givenIs(ctx, w.agent(), namespace, w.shipped(roles, namespace)); err != nil {
				return err
			}
			for a, targets := range w.targets() {
				want := map[string]bool{}
				if slices.Contains(targets, namespace) {
					addRights(want, rbacv1.PolicyRule{Verbs: []string{"get", "create", "patch", "delete"}, APIGroups: []string{"waxwing.io"}, Resources: []string{"gitsecrets"}})
				}
				if err := w.givenIs(ctx, a, namespace, want); err != nil {
					return err
				}
			}
			return nil
		})
	}
	accounts := w.impersonated(t)
	if want := slices.Collect(maps.Keys(w.targets())); !sameAccounts(accounts, want) {
		t.Fatalf("it may impersonate %v, want %v", accounts, want)
	}
	for _, a := range append(accounts, w.agent()) {
		for resource, verbs := range forbidden() {
			w.mayNot(t, a, resource, verbs, w.namespaces()...)
		}
		w.mayNot(t, a, "serviceaccounts", "impersonate", w.namespaces()...) // any of a namespace
	}
	for _, a := range accounts {
		w.mayNot(t, a, "secretsyncs.waxwing.io", "get create update patch delete", w.namespaces()...)
		w.mayNot(t, a, "configmaps", "get list create update patch", w.namespaces()...)
		for _, namespace := range w.namespaces() {
			if slices.Contains(w.targets()[a], namespace) {
				w.mayDo(t, a, "gitsecrets.waxwing.io", "get create patch delete", namespace)
			} else {
				w.mayNot(t, a, "gitsecrets.waxwing.io", "get create update patch delete deletecollection", namespace)
			}
		}
	}
	w.mayDo(t, w.agent(), "keyrings.waxwing.io", "list watch", "")
	w.mayNot(t, w.agent(), "gitsecrets.waxwing.io", "create update patch delete", w.namespaces()...)
	w.mayNot(t, w.agent(), "secretsyncs.waxwing.io", "create update delete", w.namespaces()...)
	w.mayNot(t, w.agent(), "configmaps", "watch update patch delete", w.namespaces()...) // any of a namespace
	w.mayNot(t, w.agent(), "configmaps", "get list", w.team, w.web, w.prod, "default", "kube-system", "")
	w.mayNot(t, w.agent(), "leases.coordination.k8s.io", "get list watch update patch delete", w.namespaces()...)
}

func sameAccounts(a, b []account) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x account) bool { return !slices.Contains(b, x) })
}
