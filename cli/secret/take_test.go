package secret_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/cli/secret"
)

func owner(apiVersion, kind, name string) string {
	return `"metadata":{"name":"db","namespace":"prod","ownerReferences":[{"apiVersion":"` + apiVersion + `","kind":"` + kind + `","name":"` + name + `"}]},"data":{"a":"` + canary + `"}`
}

func TestSecretsThatSomethingElseWritesAreNotTaken(t *testing.T) {
	const named = `"metadata":{"name":"db","namespace":"prod"}`
	for name, tc := range map[string]struct{ in, want string }{
		"a token of a service account":      {named + `,"type":"kubernetes.io/service-account-token"`, "a Secret of type kubernetes.io/service-account-token is not sealed"},
		"a token to join the cluster":       {named + `,"type":"bootstrap.kubernetes.io/token"`, "a Secret of type bootstrap.kubernetes.io/token is not sealed"},
		"a record of Helm":                  {named + `,"type":"helm.sh/release.v1"`, "a Secret of type helm.sh/release.v1 is not sealed"},
		"a key of Waxwing":                  {named + `,"type":"waxwing.io/statement-key"`, `it is a key of Waxwing itself (type "waxwing.io/statement-key")`},
		"one that is being deleted":         {`"metadata":{"name":"db","deletionTimestamp":"2026-11-23T02:22:00Z"}`, "it is being deleted"},
		"one with an owner":                 {owner("cert-manager.io/v1", "Certificate", "web"), "it belongs to Certificate web"},
		"one that a GitSecret made":         {owner("waxwing.io/v1alpha1", "GitSecret", "db"), "it is made from GitSecret db, which is sealed already"},
		"a GitSecret of another group":      {owner("example.com/v1", "GitSecret", "db"), "it belongs to GitSecret db"},
		"an owner that writes to terminals": {owner("v1", "A", `x\u001b[2J`), `it belongs to A "x\x1b[2J"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := secret.Take(doc(tc.in), false)
			var e *secret.Error
			if !errors.As(err, &e) || e.Error() != tc.want {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestOwnedSecretsAreTakenWhenAllowed(t *testing.T) {
	taken, err := secret.Take(doc(owner("cert-manager.io/v1", "Certificate", "web")), true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Certificate web"}, taken.Owners); diff != "" {
		t.Error(diff)
	}
}

func TestMarksOfThoseWhoAppliedASecretAreLeftOut(t *testing.T) {
	in := doc(`"metadata":{"name":"db","labels":{"team":"a","app.kubernetes.io/managed-by":"Helm","helm.toolkit.fluxcd.io/name":"shop","waxwing.io/x":"y"},
		"annotations":{"argocd.argoproj.io/tracking-id":"shop:/Secret:prod/db","waxwing.io/origin":"prod/db","meta.helm.sh/release-name":"shop","note":"kept"}},"data":{"a":"Yg=="}`)
	taken, err := secret.Take(in, false)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"v1","data":{"a":"Yg=="},"kind":"Secret","metadata":{"annotations":{"note":"kept"},"labels":{"team":"a"},"name":"db"}}`
	if string(taken.JSON) != want {
		t.Errorf("it is %s", taken.JSON)
	}
	all := strings.Join(taken.Warnings, "\n")
	for _, who := range []string{"the Helm release shop", "the HelmRelease shop", "the Application shop"} {
		if !strings.Contains(all, who) {
			t.Errorf("nothing is said of %s: %s", who, all)
		}
	}
}
