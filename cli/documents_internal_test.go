package cli

import (
	"strings"
	"testing"
)

func TestTheLastLookFindsWhatAPassBeforeItMissed(t *testing.T) {
	const sealed = "apiVersion: waxwing.io/v1alpha1\nkind: GitSecret\nmetadata: {name: a}\n"
	cases := map[string]struct {
		in    string
		found bool
	}{
		"a Secret":                  {"apiVersion: v1\nkind: Secret\nstringData: {a: b}\n", true},
		"a Secret after others":     {sealed + "---\napiVersion: v1\nkind: Secret\n", true},
		"a Secret in a list":        {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n", true},
		"a Secret in a nested list": {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Secret, data: {}}\n", true},
		"a misspelled Secret":       {"kind: SECRET\n", true},
		"what is sealed":            {sealed, false},
		"a reference to a Secret":   {"kind: HelmRelease\nvaluesFrom:\n- {kind: Secret, name: a}\n", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := secretsLeft("f.yaml", []byte(tc.in))
			if (err != nil) != tc.found {
				t.Errorf("the error is %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), "was not sealed") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
