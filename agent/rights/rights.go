// Package rights finds out whether a ServiceAccount may do more than the agent wants to be able to do by it.
//
// It guarantees that an account which can get at a Secret, or at a pod that could mount one, is named as such before the agent applies anything as that account: whoever
// takes the agent over can be each of them.
package rights

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// danger is a right that no account may have. A verb * stands for all verbs: any of them is too much.
type danger struct {
	group, resource string
	verbs           []string
	means           string
}

// dangers are the rights that no account may have.
func dangers() []danger {
	write := []string{"create", "update", "patch"}
	const pods, secrets = "make pods, which can mount Secrets", "read Secrets"
	list := []danger{
		// The answer to a write has the whole object in it, too.
		{"", "secrets", []string{"*"}, secrets},
		{"", "pods", write, pods},
		{"", "pods/exec", []string{"create", "get"}, "run programs in pods"},
		{"", "pods/attach", []string{"create", "get"}, "run programs in pods"},
		{"", "pods/ephemeralcontainers", []string{"update", "patch"}, "run programs in pods"},
		{"", "serviceaccounts/token", []string{"create"}, "make tokens of ServiceAccounts"},
		{"", "serviceaccounts", []string{"impersonate"}, "act as others"},
		{"", "users", []string{"impersonate"}, "act as others"},
		{"", "groups", []string{"impersonate"}, "act as others"},
		{"", "nodes/proxy", []string{"*"}, "run programs in pods"},
		{"", "replicationcontrollers", write, pods},
		{"apps", "deployments", write, pods},
		{"apps", "statefulsets", write, pods},
		{"apps", "daemonsets", write, pods},
		{"apps", "replicasets", write, pods},
		{"batch", "jobs", write, pods},
		{"batch", "cronjobs", write, pods},
	}
	for _, resource := range []string{"roles", "clusterroles"} {
		list = append(list, danger{"rbac.authorization.k8s.io", resource, []string{"escalate", "bind"}, "give itself rights"})
	}
	for _, resource := range []string{"keyrings", "secretsyncs"} {
		list = append(list, danger{"waxwing.io", resource, write, "change what keys open for, or what is taken from Git"})
	}
	return list
}

// TooMuch says which of the rights of an account, by its rules in a namespace, are too much; sorted, for people; empty: none.
func TooMuch(rules []authorizationv1.ResourceRule) []string {
	var out []string
	for _, d := range dangers() {
		if slices.ContainsFunc(rules, d.in) {
			out = append(out, d.means)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// in says whether a rule gives the right, be it for one name only.
func (d danger) in(r authorizationv1.ResourceRule) bool {
	return has(r.APIGroups, d.group) && slices.ContainsFunc(r.Resources, d.covered) &&
		slices.ContainsFunc(r.Verbs, func(v string) bool { return v == "*" || slices.Contains(d.verbs, "*") || slices.Contains(d.verbs, v) })
}

// covered says whether the resource of a rule is this one: by name, as *, or as */SUBRESOURCE.
func (d danger) covered(resource string) bool {
	if resource == "*" || resource == d.resource {
		return true
	}
	sub, any := strings.CutPrefix(resource, "*/")
	_, mine, is := strings.Cut(d.resource, "/")
	return any && is && sub == mine
}

func has(list []string, s string) bool { return slices.Contains(list, "*") || slices.Contains(list, s) }

// Check asks the API server, as the account that reviews belongs to, what it may do in namespaces, and says what of it is too much; empty: nothing.
func Check(ctx context.Context, reviews authorizationclient.AuthorizationV1Interface, namespaces []string) ([]string, error) {
	var out []string
	for _, namespace := range namespaces {
		review, err := reviews.SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
			Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
		}, metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("asking what the account may do in namespace %s: %w", namespace, err)
		}
		found := TooMuch(review.Status.ResourceRules)
		// Where an authorizer cannot list its rules, each right is asked for by itself.
		if review.Status.Incomplete {
			if found, err = each(ctx, reviews, namespace); err != nil {
				return nil, err
			}
		}
		for _, means := range found {
			out = append(out, fmt.Sprintf("in namespace %s it may %s", namespace, means))
		}
	}
	return out, nil
}

// each asks for each right by itself.
func each(ctx context.Context, reviews authorizationclient.AuthorizationV1Interface, namespace string) ([]string, error) {
	var out []string
	for _, d := range dangers() {
		resource, sub, _ := strings.Cut(d.resource, "/")
		for _, verb := range d.asked() {
			review, err := reviews.SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
				Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: namespace, Group: d.group, Resource: resource, Subresource: sub, Verb: verb,
				}},
			}, metav1.CreateOptions{})
			if err != nil {
				return nil, fmt.Errorf("asking whether the account may %s in namespace %s: %w", d.means, namespace, err)
			}
			if review.Status.Allowed {
				out = append(out, d.means)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// asked are the verbs to ask for one by one.
func (d danger) asked() []string {
	if slices.Contains(d.verbs, "*") {
		return []string{"get", "list", "watch", "create", "update", "patch"}
	}
	return d.verbs
}
