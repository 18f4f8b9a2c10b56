package vaultrights_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
)

// right is one capability on one path of a policy, as the file has it.
type right struct{ policy, path, capability string }

func (r right) String() string { return r.policy + ": " + r.capability + " " + r.path }

var (
	rule         = regexp.MustCompile(`(?ms)^path "([^"]+)" \{\n  capabilities = \[([^\]]*)\]\n.*?^\}\n`)
	capabilities = regexp.MustCompile(`"([a-z]+)"`)
)

// rightsOf lists those of a policy.
func rightsOf(t *testing.T, policy, text string) []right {
	t.Helper()
	var all []right
	for _, m := range rule.FindAllStringSubmatch(text, -1) {
		for _, c := range capabilities.FindAllStringSubmatch(m[2], -1) {
			all = append(all, right{policy, m[1], c[1]})
		}
	}
	if n := strings.Count(text, "\npath "); len(rule.FindAllString(text, -1)) != n {
		t.Fatalf("policy %s has %d rules, and not all could be read", policy, n)
	}
	return all
}

// without gives the policy with one right less; path is as it stands in text.
func without(t *testing.T, text, path, capability string) string {
	t.Helper()
	found := false
	less := rule.ReplaceAllStringFunc(text, func(block string) string {
		m := rule.FindStringSubmatch(block)
		if m[1] != path {
			return block
		}
		var left []string
		for _, c := range capabilities.FindAllStringSubmatch(m[2], -1) {
			if c[1] != capability {
				left = append(left, c[0])
			} else {
				found = true
			}
		}
		if len(left) == 0 {
			return ""
		}
		return strings.Replace(block, "["+m[2]+"]", "["+strings.Join(left, ", ")+"]", 1)
	})
	if !found {
		t.Fatalf("there is no %s on %s in:\n%s", capability, path, text)
	}
	return less
}

// shipped are the files as they are, by name.
func shipped(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", vaultpolicy.Dir, "*.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(f), ".hcl")] = string(b)
	}
	return texts
}

// TestEachRuleHasAReason holds that every policy is known to the tests, that a comment stands over each rule (or a group of them), and that no rule is for everything.
func TestEachRuleHasAReason(t *testing.T) {
	texts := shipped(t)
	if len(texts) != len(vaultpolicy.Names()) {
		t.Errorf("there are %d policies, and the tests know %v", len(texts), vaultpolicy.Names())
	}
	for name, text := range texts {
		if !slices.Contains(vaultpolicy.Names(), name) {
			t.Errorf("no test knows of policy %s", name)
		}
		if err := unreasoned(text); err != nil {
			t.Errorf("policy %s: %v", name, err)
		}
		for _, r := range rightsOf(t, name, text) {
			if first, _, _ := strings.Cut(r.path, "/"); strings.ContainsAny(first, "*+") {
				t.Errorf("%s is for every engine", r)
			}
		}
	}
}

// unreasoned finds the first rule without a comment.
func unreasoned(text string) error {
	reason := false
	for line := range strings.Lines(text) {
		switch {
		case line == "\n":
			reason = false
		case strings.HasPrefix(line, "#"):
			reason = true
		case strings.HasPrefix(line, "path ") && !reason:
			return fmt.Errorf("no comment over %s", strings.TrimSpace(line))
		}
	}
	return nil
}
