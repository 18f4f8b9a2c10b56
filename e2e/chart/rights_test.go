package chart_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestNoRoleHasAWildcard holds it for every role of every set of values, and that Secrets are named by the controller's roles only, in the namespaced mode by no
// ClusterRole at all.
func TestNoRoleHasAWildcard(t *testing.T) {
	h := newHelm(t, "helm", "")
	for name, s := range sets() {
		r := h.render(t, s.values)
		namespaced := strings.HasPrefix(s.values, "namespaces: [")
		for _, o := range r.objects {
			if o.GetKind() != "Role" && o.GetKind() != "ClusterRole" {
				continue
			}
			rules, _, _ := unstructured.NestedSlice(o.Object, "rules")
			if len(rules) == 0 {
				t.Errorf("%s: %s %s has no rules", name, o.GetKind(), o.GetName())
			}
			for _, rule := range rules {
				where, named := fmt.Sprintf("%s: %s %s: %s", name, o.GetKind(), o.GetName(), rule), words(fmt.Sprint(rule))
				if strings.Contains(fmt.Sprint(rule), "*") {
					t.Errorf("%s: a wildcard", where)
				}
				if slices.Contains(named, "secrets") && (!strings.HasSuffix(o.GetName(), "-controller") || (namespaced && o.GetKind() == "ClusterRole")) {
					t.Errorf("%s: Secrets", where)
				}
			}
		}
	}
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !(r >= 'a' && r <= 'z') })
}

// TestEachRightNamesTheCodeThatNeedsIt holds that each rule of the programs has a comment with the name of a file or folder that there is.
func TestEachRightNamesTheCodeThatNeedsIt(t *testing.T) {
	named := regexp.MustCompile(`(controller|keyring|audit|agent)/[a-z_/]+(\.go)?`)
	for _, c := range []struct{ values, template string }{
		{"", "rbac"}, {"namespaces: [prod]", "rbac"},
		{teamsOfAgent, "agent-rbac"}, {"agent: {enabled: true, namespaces: [team]}", "agent-rbac"},
	} {
		text := newHelm(t, "helm", "").render(t, c.values, "--show-only", "templates/"+c.template+".yaml").text
		comment, rules := "", 0
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "#"):
				comment += line
				continue
			case strings.HasPrefix(line, "- apiGroups:"):
				rules++
				paths := named.FindAllString(comment, -1)
				if len(paths) == 0 {
					t.Errorf("a rule without a comment that names its code: %s", comment)
				}
				for _, p := range paths {
					if _, err := os.Stat(filepath.Join(root, p)); err != nil {
						t.Errorf("a rule names %s: %v", p, err)
					}
				}
			}
			comment = ""
		}
		if rules < 10 {
			t.Errorf("only %d rules", rules)
		}
	}
}

// TestRolesOfPeople asks the API server what people with these roles may do.
func TestRolesOfPeople(t *testing.T) {
	r := install(t, "people", "fullnameOverride: waxwing")
	ns, other := r.Namespace(t), r.Namespace(t)
	for _, role := range []string{"view", "edit", "admin"} {
		r.kubectl(t, "-n", ns, "create", "rolebinding", role, "--clusterrole", role, "--user", role)
	}
	for _, role := range []string{"keyring-admin", "auditor"} {
		r.ApplyYAML(t, "", fmt.Sprintf(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: chart-test-%[1]s},
			roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: waxwing-%[1]s}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %[1]s}]}`, role))
		t.Cleanup(func() {
			_ = r.Clientset().RbacV1().ClusterRoleBindings().Delete(context.WithoutCancel(t.Context()), "chart-test-"+role, metav1.DeleteOptions{})
		})
	}
	r.kubectl(t, "-n", r.namespace, "create", "rolebinding", "auditors", "--role", "waxwing-auditor", "--user", "auditor")

	// kube-controller-manager adds the rules to view, edit and admin in its own time.
	ctx, cancel := context.WithTimeout(t.Context(), collectorPatience)
	defer cancel()
	for _, c := range []struct {
		user, namespace, resource, verbs string
		allowed                          bool
	}{
		{"view", ns, "gitsecrets.waxwing.io", "get list watch", true},
		{"view", ns, "gitsecrets.waxwing.io", "create update patch delete deletecollection", false},
		{"view", ns, "secrets", "get list watch", false},
		{"edit", ns, "gitsecrets.waxwing.io", "get list watch create update patch delete deletecollection", true},
		{"admin", ns, "gitsecrets.waxwing.io", "get list watch create update patch delete deletecollection", true},
		{"edit", other, "gitsecrets.waxwing.io", "get list create", false},
		{"view", ns, "secretsyncs.waxwing.io", "get list watch", true},
		{"view", ns, "secretsyncs.waxwing.io", "create update patch delete deletecollection", false},
		{"edit", ns, "secretsyncs.waxwing.io", "get list watch create update patch delete deletecollection", true},
		{"admin", ns, "secretsyncs.waxwing.io", "get list watch create update patch delete deletecollection", true},
		{"edit", other, "secretsyncs.waxwing.io", "get list create", false},
		{"edit", ns, "secretsyncs.waxwing.io/status", "update patch", false},
		{"keyring-admin", ns, "secretsyncs.waxwing.io", "get create", false},
		{"auditor", ns, "secretsyncs.waxwing.io", "get list watch", true},
		{"auditor", ns, "secretsyncs.waxwing.io", "create update patch delete", false},
		{"edit", "", "keyrings.waxwing.io", "create update patch delete", false},
		{"admin", "", "keyrings.waxwing.io", "create update patch delete", false},
		{"edit", ns, "gitsecrets.waxwing.io/status", "update patch", false},
		{"admin", ns, "gitsecrets.waxwing.io/status", "update patch", false},
		{"keyring-admin", "", "keyrings.waxwing.io", "get list watch create update patch delete", true},
		{"keyring-admin", "", "keyrings.waxwing.io/status", "update patch", false},
		{"keyring-admin", r.namespace, "secrets", "get list", false},
		{"keyring-admin", ns, "gitsecrets.waxwing.io", "create get", false},
		{"auditor", ns, "gitsecrets.waxwing.io", "get list watch", true},
		{"auditor", "", "keyrings.waxwing.io", "get list watch", true},
		{"auditor", ns, "events.events.k8s.io", "get list watch", true},
		{"auditor", ns, "events", "get list watch", true},
		{"auditor", r.namespace, "configmaps", "get list watch", true},
		{"auditor", ns, "configmaps", "get list watch", false},
		{"auditor", ns, "secrets", "get list watch", false},
		{"auditor", r.namespace, "secrets", "get list watch", false},
		{"auditor", ns, "gitsecrets.waxwing.io", "create update patch delete", false},
	} {
		for _, verb := range strings.Fields(c.verbs) {
			harness.Eventually(ctx, t, fmt.Sprintf("%s: %s %s in %q: %v", c.user, verb, c.resource, c.namespace, c.allowed), func(ctx context.Context) error {
				may, err := r.may(ctx, c.user, verb, c.resource, c.namespace)
				if err == nil && may != c.allowed {
					err = fmt.Errorf("it is %v", may)
				}
				return err
			})
		}
	}
}

// may asks the API server whether a user may do something.
func (r *release) may(ctx context.Context, user, verb, resource, namespace string) (bool, error) {
	resource, subresource, _ := strings.Cut(resource, "/")
	resource, group, _ := strings.Cut(resource, ".")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: subresource,
	}}}
	answer, err := r.Clientset().AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answer.Status.Allowed, nil
}
