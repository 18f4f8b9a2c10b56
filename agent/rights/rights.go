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

// danger is a right that no account may have. A verb * stands for all verbs: any of them is too much; one that ends with :* for those that begin so.
type danger struct {
	group, resource string
	verbs           []string
	means           string
}

// dangers are the rights that no account may have.
func dangers() []danger {
	write := []string{"create", "update", "patch"}
	const pods, secrets, programs, others = "make pods, which can mount Secrets", "read Secrets", "run programs in pods", "act as others"
	list := []danger{
		// The answer to a write has the whole object in it, too.
		{"", "secrets", []string{"*"}, secrets},
		{"", "pods", write, pods},
		{"", "pods/exec", []string{"create", "get"}, programs},
		{"", "pods/attach", []string{"create", "get"}, programs},
		{"", "pods/ephemeralcontainers", []string{"update", "patch"}, programs},
		{"", "nodes/proxy", []string{"*"}, programs},
		{"", "serviceaccounts/token", []string{"create"}, "make tokens of ServiceAccounts"},
		{"certificates.k8s.io", "certificatesigningrequests/approval", []string{"update", "patch"}, others},
		{"certificates.k8s.io", "certificatesigningrequests/status", []string{"update", "patch"}, others},
		{"", "replicationcontrollers", write, pods},
		{"apps", "deployments", write, pods},
		{"apps", "statefulsets", write, pods},
		{"apps", "daemonsets", write, pods},
		{"apps", "replicasets", write, pods},
		{"batch", "jobs", write, pods},
		{"batch", "cronjobs", write, pods},
		{"apiregistration.k8s.io", "apiservices", write, secrets},
	}
	for _, resource := range []string{"serviceaccounts", "users", "groups", "uids"} {
		list = append(list, danger{"", resource, []string{"impersonate"}, others}, danger{"authentication.k8s.io", resource, []string{"impersonate", "impersonate:*"}, others})
	}
	for _, resource := range []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} {
		list = append(list, danger{"admissionregistration.k8s.io", resource, write, secrets}) // they are sent what is written
	}
	for _, resource := range []string{"mutatingadmissionpolicies", "mutatingadmissionpolicybindings"} {
		list = append(list, danger{"admissionregistration.k8s.io", resource, write, pods}) // they change pods of others
	}
	for _, resource := range []string{"roles", "clusterroles"} {
		list = append(list, danger{"rbac.authorization.k8s.io", resource, []string{"escalate", "bind"}, "give itself rights"})
	}
	for _, resource := range []string{"keyrings", "keyrings/status", "secretsyncs", "secretsyncs/status"} {
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
		slices.ContainsFunc(r.Verbs, d.does)
}

// does says whether a verb is too much.
func (d danger) does(verb string) bool {
	return verb == "*" || slices.ContainsFunc(d.verbs, func(mine string) bool {
		begin, wild := strings.CutSuffix(mine, "*")
		return mine == verb || wild && strings.HasPrefix(verb, begin)
	})
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

// check asks the API server, as the account that reviews belongs to, what it may do in a namespace, and gives what of it is too much. whole is false where rights had to be asked
// for one by one, which costs many requests.
func check(ctx context.Context, reviews authorizationclient.AuthorizationV1Interface, namespace string) (found []string, whole bool, err error) {
	review, err := reviews.SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, false, fmt.Errorf("asking what the account may do in namespace %s: %w", namespace, err)
	}
	found = TooMuch(review.Status.ResourceRules)
	if !review.Status.Incomplete {
		return found, true, nil
	}
	// An authorizer cannot list its rules. The rules of the others tell of rights to single names, which asking does not find.
	more, err := each(ctx, reviews, namespace)
	if err != nil {
		return nil, false, err
	}
	found = append(found, more...)
	slices.Sort(found)
	return slices.Compact(found), false, nil
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
		return []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	}
	return slices.DeleteFunc(slices.Clone(d.verbs), func(verb string) bool { return strings.HasSuffix(verb, "*") })
}
