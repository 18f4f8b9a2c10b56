package rights_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

const page = "../../docs/rights.md"

// values have the chart grant everything that it ever does.
const values = "vault.enabled=true"

// right is one verb on one resource, in every namespace or in the controller's own.
type right struct {
	home                  bool
	group, resource, verb string
	// object is the name of the only one that it is for; empty: all.
	object string
}

func (r right) String() string {
	where := "everywhere"
	if r.home {
		where = "own namespace"
	}
	name := r.resource
	if r.group != "" {
		name += "." + r.group
	}
	return fmt.Sprintf("%s %s, %s", r.verb, name, where)
}

// grants are the two roles of the controller, as they ship.
type grants struct {
	cluster *rbacv1.ClusterRole
	home    *rbacv1.Role
}

func shipped(t *testing.T) grants {
	t.Helper()
	g := grants{cluster: &rbacv1.ClusterRole{}, home: &rbacv1.Role{}}
	for _, o := range harness.RenderWaxwing(t, values) {
		role, ok := map[string]any{"ClusterRole": g.cluster, "Role": g.home}[o.GetKind()]
		if !ok || o.GetName() != account {
			continue
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, role, true); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// rights lists them; a wildcard fails the test.
func (g grants) rights(t *testing.T) []right {
	t.Helper()
	all := map[right]bool{}
	add := func(home bool, rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						if slices.Contains([]string{group, resource, verb}, "*") || len(rule.NonResourceURLs) > 0 {
							t.Fatalf("a rule is not by name: %+v", rule)
						}
						r := right{home: home, group: group, resource: resource, verb: verb}
						if len(rule.ResourceNames) > 0 {
							r.object = rule.ResourceNames[0]
						}
						all[r] = true
					}
				}
			}
		}
	}
	add(false, g.cluster.Rules)
	add(true, g.home.Rules)
	return slices.SortedFunc(maps.Keys(all), func(a, b right) int { return cmp.Compare(a.String(), b.String()) })
}

// without gives the roles with one right less.
func (g grants) without(r right) grants {
	less := grants{cluster: g.cluster.DeepCopy(), home: g.home.DeepCopy()}
	rules := less.cluster.Rules
	if r.home {
		rules = less.home.Rules
	}
	for i := range rules {
		if slices.Contains(rules[i].APIGroups, r.group) && slices.Contains(rules[i].Resources, r.resource) {
			rules[i].Verbs = slices.DeleteFunc(rules[i].Verbs, func(v string) bool { return v == r.verb })
		}
	}
	drop := func(rule rbacv1.PolicyRule) bool { return len(rule.Verbs) == 0 }
	less.cluster.Rules = slices.DeleteFunc(less.cluster.Rules, drop)
	less.home.Rules = slices.DeleteFunc(less.home.Rules, drop)
	return less
}

// row is a line of the table in docs/rights.md.
type row struct{ right, code, breaks string }

func table(t *testing.T) map[string]row {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	line := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (everywhere|own namespace) \\| (.+) \\| (.+) \\|$")
	for _, m := range line.FindAllStringSubmatch(string(b), -1) {
		name := m[1] + ", " + m[2]
		if _, twice := rows[name]; twice {
			t.Errorf("docs/rights.md has %s twice", name)
		}
		rows[name] = row{name, m[3], m[4]}
	}
	return rows
}

// TestEveryRightIsInTheTable holds the page against what ships, in both directions, and that the code which it names is there.
func TestEveryRightIsInTheTable(t *testing.T) {
	rows := table(t)
	for _, r := range shipped(t).rights(t) {
		if _, ok := rows[r.String()]; !ok {
			t.Errorf("docs/rights.md has no row for: %s", r)
		}
		delete(rows, r.String())
	}
	for name := range rows {
		t.Errorf("docs/rights.md has a row for what the controller may not do: %s", name)
	}
	path := regexp.MustCompile("`([a-z]+/[a-z_./]+)`")
	for name, row := range table(t) {
		named := path.FindAllStringSubmatch(row.code, -1)
		if len(named) == 0 {
			t.Errorf("%s: no code is named in %q", name, row.code)
		}
		for _, m := range named {
			if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if strings.TrimSpace(row.breaks) == "" {
			t.Errorf("%s: what breaks without it is not said", name)
		}
	}
}
