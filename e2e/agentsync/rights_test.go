package agentsync_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/rights"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

const oneRule = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: more, namespace: %[1]s}
rules: [%[3]s]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: more, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: more}
subjects: [{kind: ServiceAccount, name: waxwing-sync, namespace: %[2]s}]
`

const ruleEverywhere = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %[1]s-more}
rules: [%[2]s]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[1]s-more}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s-more}
subjects: [{kind: ServiceAccount, name: waxwing-sync, namespace: %[1]s}]
`

func TestAnAccountThatMayTooMuchIsFound(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	c := &rights.Checker{Always: []string{harness.WaxwingNamespace}, Now: func() time.Time { return now }}
	check := func(ctx context.Context) []string {
		t.Helper()
		now = now.Add(time.Hour) // nothing that was remembered stands
		found, err := c.Check(ctx, w.account.Name, w.account.Reviews, []string{w.prod})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := check(t.Context()); len(found) != 0 {
		t.Fatalf("an account that may only write GitSecrets may %q", found)
	}
	for name, c := range map[string]struct{ documents, want string }{
		"one Secret, where it writes":      {fmt.Sprintf(oneRule, w.prod, w.team, `{apiGroups: [""], resources: [secrets], resourceNames: [db], verbs: [get]}`), "in namespace " + w.prod + " it may read Secrets"},
		"pods, in its own namespace":       {fmt.Sprintf(oneRule, w.team, w.team, `{apiGroups: [""], resources: [pods], verbs: [create]}`), "in namespace " + w.team + " it may make pods, which can mount Secrets"},
		"Secrets, in Waxwing's":            {fmt.Sprintf(oneRule, harness.WaxwingNamespace, w.team, `{apiGroups: [""], resources: [secrets], verbs: [list]}`), "in namespace waxwing-system it may read Secrets"},
		"to be others, everywhere":         {fmt.Sprintf(ruleEverywhere, w.team, `{apiGroups: [""], resources: [users], verbs: [impersonate]}`), "in namespace " + w.prod + " it may act as others"},
		"to be others, by the newer verbs": {fmt.Sprintf(ruleEverywhere, w.team, `{apiGroups: [authentication.k8s.io], resources: [users], verbs: ["impersonate:user-info"]}`), "in namespace " + w.team + " it may act as others"},
	} {
		objects := w.ApplyYAML(t, "", c.documents)
		harness.Eventually(t.Context(), t, name, func(ctx context.Context) error {
			if found := check(ctx); !slices.Contains(found, c.want) {
				return fmt.Errorf("found %q, and %q was to be expected", found, c.want)
			}
			return nil
		})
		for _, o := range objects {
			if err := w.Delete(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		harness.Eventually(t.Context(), t, name+": it is taken away again", func(ctx context.Context) error {
			if found := check(ctx); len(found) != 0 {
				return fmt.Errorf("found %q", found)
			}
			return nil
		})
	}
}

func TestWhatAnAccountMayIsRememberedForAWhile(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	c := &rights.Checker{Now: func() time.Time { return now }}
	log := w.APILog(t)
	reviews := func() (n int) {
		t.Helper()
		for range 3 {
			if found, err := c.Check(t.Context(), w.account.Name, w.account.Reviews, []string{w.prod, w.prod}); err != nil || len(found) != 0 {
				t.Fatal(found, err)
			}
		}
		all, err := log.Next()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if r.Resource == "selfsubjectrulesreviews" || r.Resource == "selfsubjectaccessreviews" {
				n++
			}
		}
		return n
	}
	if n := reviews(); n != 2 {
		t.Errorf("%d reviews of two namespaces", n)
	}
	now = now.Add(59 * time.Second)
	if n := reviews(); n != 0 {
		t.Errorf("%d reviews within a minute", n)
	}
	now = now.Add(time.Second)
	if n := reviews(); n != 2 {
		t.Errorf("%d reviews after a minute", n)
	}
}
