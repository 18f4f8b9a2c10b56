package chart_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// tenants are two namespaces of a team, one of another, and an agent for both.
type tenants struct {
	*release
	team, web, prod string
}

func installAgent(t *testing.T, name string) *tenants {
	t.Helper()
	c := harness.Start(t)
	w := &tenants{team: c.Namespace(t), web: c.Namespace(t), prod: c.Namespace(t)}
	w.release = install(t, name, w.values(""))
	return w
}

// values have an agent for the tenants; more are further values of the agent, each with a comma after it.
func (w *tenants) values(more string) string {
	return fmt.Sprintf("agent: {enabled: true, %[4]s accounts: [{namespace: %[1]s, name: waxwing-sync, targets: [%[1]s, %[2]s]}, {namespace: %[3]s, name: sync}]}", w.team, w.web, w.prod, more)
}

func (w *tenants) agent() account { return account{w.namespace, w.name + "-waxwing-agent"} }

// targets are the accounts of the values, with the namespaces where they may write.
func (w *tenants) targets() map[account][]string {
	return map[account][]string{{w.team, "waxwing-sync"}: {w.team, w.web}, {w.prod, "sync"}: {w.prod}}
}

func (w *tenants) namespaces() []string {
	return []string{w.namespace, w.team, w.web, w.prod, "default", "kube-system", ""}
}

// account is a ServiceAccount.
type account struct{ namespace, name string }

func (a account) user() string { return "system:serviceaccount:" + a.namespace + ":" + a.name }

func (a account) groups() []string {
	return []string{"system:serviceaccounts", "system:serviceaccounts:" + a.namespace, "system:authenticated"}
}

// given are the rights of an account in a namespace, as the API server lists them to it, without those that each account has: "get secrets", "get secrets NAME", "get /metrics".
func (w *tenants) given(ctx context.Context, a account, namespace string) (map[string]bool, error) {
	own, err := w.listed(ctx, a, namespace)
	if err != nil {
		return nil, err
	}
	anybody, err := w.listed(ctx, account{a.namespace, "somebody-without-a-role"}, namespace)
	if err != nil {
		return nil, err
	}
	if len(anybody) == 0 {
		return nil, fmt.Errorf("nothing is listed for %s", a.namespace)
	}
	maps.DeleteFunc(own, func(right string, _ bool) bool { return anybody[right] })
	return own, nil
}

func (w *tenants) listed(ctx context.Context, a account, namespace string) (map[string]bool, error) {
	config := rest.CopyConfig(w.Config())
	config.Impersonate = rest.ImpersonationConfig{UserName: a.user(), Groups: a.groups()}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	answer, err := clients.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	if answer.Status.Incomplete {
		return nil, fmt.Errorf("the API server does not list all rights: %s", answer.Status.EvaluationError)
	}
	all := map[string]bool{}
	for _, r := range answer.Status.ResourceRules {
		addRights(all, rbacv1.PolicyRule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames})
	}
	for _, r := range answer.Status.NonResourceRules {
		addRights(all, rbacv1.PolicyRule{Verbs: r.Verbs, NonResourceURLs: r.NonResourceURLs})
	}
	return all, nil
}

// addRights adds what a rule gives, one by one.
func addRights(to map[string]bool, rule rbacv1.PolicyRule) {
	var what []string
	for _, resource := range rule.Resources {
		for _, group := range rule.APIGroups {
			name := strings.TrimSuffix(resource+"."+group, ".")
			if len(rule.ResourceNames) == 0 {
				what = append(what, name)
			}
			for _, one := range rule.ResourceNames {
				what = append(what, name+" "+one)
			}
		}
	}
	for _, one := range append(what, rule.NonResourceURLs...) {
		for _, verb := range rule.Verbs {
			to[verb+" "+one] = true
		}
	}
}

// everyNamespace are those of the cluster, those of other tests included.
func (w *tenants) everyNamespace(t *testing.T) []string {
	t.Helper()
	list, err := w.Clientset().CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			all = append(all, list.Items[i].Name)
		}
	}
	if len(all) < 6 {
		t.Fatalf("only the namespaces %q", all)
	}
	return all
}

// givenIs is nil if an account has these rights in a namespace, besides those that each account has.
func (w *tenants) givenIs(ctx context.Context, a account, namespace string, want map[string]bool) error {
	got, err := w.given(ctx, a, namespace)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		return fmt.Errorf("%s, in namespace %s: what it is to have (-), and has (+): %s", a.user(), namespace, diff)
	}
	return nil
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
	if err := w.asked(t.Context(), a, resource, verbs, want, namespaces); err != nil {
		t.Error(err)
	}
}

// asked is nil if the API server answers as it is wanted, for each of the verbs in each of the namespaces.
func (w *tenants) asked(ctx context.Context, a account, resource, verbs string, want bool, namespaces []string) error {
	var others []error
	name, sub, _ := strings.Cut(resource, "/")
	name, group, _ := strings.Cut(name, ".")
	for _, namespace := range namespaces {
		for _, verb := range strings.Fields(verbs) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: a.user(), Groups: a.groups(), ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: verb, Group: group, Resource: name, Subresource: sub,
			}}}
			answer, err := w.Clientset().AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
			if err != nil {
				return err
			}
			if answer.Status.Allowed != want {
				others = append(others, fmt.Errorf("%s may %s %s in namespace %q: %v", a.user(), verb, resource, namespace, answer.Status.Allowed))
			}
		}
	}
	return errors.Join(others...)
}
