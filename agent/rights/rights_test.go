package rights_test

import (
	"slices"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/waxwing-io/waxwing/agent/rights"
)

func rule(group, resource string, verbs ...string) authorizationv1.ResourceRule {
	return authorizationv1.ResourceRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
}

func TestRightsThatAreTooMuch(t *testing.T) {
	const secrets, pods, programs = "read Secrets", "make pods, which can mount Secrets", "run programs in pods"
	named := rule("", "secrets", "get")
	named.ResourceNames = []string{"db"}
	for name, c := range map[string]struct {
		rule authorizationv1.ResourceRule
		want []string
	}{
		"GitSecrets":         {rule("waxwing.io", "gitsecrets", "get", "list", "watch", "create", "update", "patch", "delete"), nil},
		"all of GitSecrets":  {rule("waxwing.io", "gitsecrets", "*"), nil},
		"asking for itself":  {rule("authorization.k8s.io", "selfsubjectaccessreviews", "create"), nil},
		"looking at pods":    {rule("", "pods", "get", "list"), nil},
		"secrets":            {rule("", "secrets", "get"), []string{secrets}},
		"one secret":         {named, []string{secrets}},
		"patching secrets":   {rule("", "secrets", "patch"), []string{secrets}},
		"deployments":        {rule("apps", "deployments", "patch"), []string{pods}},
		"jobs in any group":  {rule("*", "jobs", "create"), []string{pods}},
		"exec":               {rule("", "pods/exec", "create"), []string{programs}},
		"exec, of anything":  {rule("", "*/exec", "create"), []string{programs}},
		"tokens":             {rule("", "serviceaccounts/token", "create"), []string{"make tokens of ServiceAccounts"}},
		"being others":       {rule("", "users", "impersonate"), []string{"act as others"}},
		"roles":              {rule("rbac.authorization.k8s.io", "clusterroles", "bind"), []string{"give itself rights"}},
		"keyrings":           {rule("waxwing.io", "*", "patch"), []string{"change what keys open for, or what is taken from Git"}},
		"being others, new":  {rule("authentication.k8s.io", "serviceaccounts", "impersonate:serviceaccount"), []string{"act as others"}},
		"webhooks":           {rule("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "create"), []string{secrets}},
		"a keyring's status": {rule("waxwing.io", "keyrings/status", "patch"), []string{"change what keys open for, or what is taken from Git"}},
		"a status":           {rule("waxwing.io", "gitsecrets/status", "get"), nil},
		"deleting secrets":   {rule("", "secrets", "deletecollection"), []string{secrets}},
		"reading everything": {rule("*", "*", "get"), []string{secrets, programs}},
		"another group's":    {rule("example.com", "secrets", "get"), nil},
	} {
		got := rights.TooMuch([]authorizationv1.ResourceRule{rule("waxwing.io", "gitsecrets", "get"), c.rule})
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	all := rights.TooMuch([]authorizationv1.ResourceRule{rule("*", "*", "*")})
	if len(all) != 7 {
		t.Errorf("cluster-admin: %q", all)
	}
}
