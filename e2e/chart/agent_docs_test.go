package chart_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestTheAgentsRightsAreInItsTable holds docs/agent.md against what the chart gives, in both directions, and that the code which it names is there.
func TestTheAgentsRightsAreInItsTable(t *testing.T) {
	r := newHelm(t, "helm", "").render(t, teamsOfAgent+"audit: {tlsSecret: audit-tls}\n")
	given := map[string]bool{}
	for role, where := range map[string]string{
		"ClusterRole/waxwing-agent": "everywhere", "Role/waxwing-agent": "own namespace", "Role/waxwing-agent-impersonate": "accounts' namespaces", "ClusterRole/waxwing-sync": "as an account",
	} {
		for _, rule := range rulesOf(t, r, role) {
			for _, path := range rule.NonResourceURLs {
				for _, verb := range rule.Verbs {
					given[verb+" "+path+", "+where] = true
				}
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						given[strings.TrimSuffix(verb+" "+resource+"."+group, ".")+", "+where] = true
					}
				}
			}
		}
	}
	listed := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| `([a-z]+ [^`]+)` \\| (everywhere|own namespace|accounts' namespaces|as an account) \\| (.+) \\| (.+) \\|$")
	path := regexp.MustCompile("`((?:agent|audit)/[a-z_./]+)`")
	for _, m := range row.FindAllStringSubmatch(string(read(t, "docs/agent.md")), -1) {
		name := m[1] + ", " + m[2]
		if listed[name] {
			t.Errorf("docs/agent.md has %s twice", name)
		}
		listed[name] = true
		named := path.FindAllStringSubmatch(m[3], -1)
		if len(named) == 0 {
			t.Errorf("%s: no code is named in %q", name, m[3])
		}
		for _, code := range named {
			if _, err := os.Stat(filepath.Join(root, code[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(given)), slices.Sorted(maps.Keys(listed))); diff != "" {
		t.Errorf("what the chart gives (-) and what docs/agent.md lists (+): %s", diff)
	}
}

// rulesOf are the rules of KIND/NAME, in whatever namespace; of several, which are the same, those of the first.
func rulesOf(t *testing.T, r rendered, id string) []rbacv1.PolicyRule {
	t.Helper()
	for _, o := range r.objects {
		if o.GetKind()+"/"+o.GetName() != id {
			continue
		}
		var role rbacv1.ClusterRole // whose rules are those of a Role, too
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role); err != nil {
			t.Fatal(err)
		}
		return role.Rules
	}
	t.Fatalf("no %s", id)
	return nil
}
