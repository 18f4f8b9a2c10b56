package unseal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

// declared reads the constants of type Reason from the source, so that a new one cannot be left out of the table.
func declared(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil || word != spec.Names[0].Name {
				t.Errorf("%s is the word %q", spec.Names[0].Name, word)
			}
			names = append(names, word)
		}
		return true
	})
	return names
}

func TestTableIsComplete(t *testing.T) {
	var listed []string
	for _, row := range unseal.Table() {
		listed = append(listed, string(row.Reason))
		if row.Text == "" || !strings.HasSuffix(row.Text, ".") || strings.Count(row.Text, ". ") > 0 {
			t.Errorf("%s: the text is to be one sentence: %q", row.Reason, row.Text)
		}
		if !slices.Contains([]unseal.Then{unseal.Settled, unseal.Stalled, unseal.Retrying}, row.Then) {
			t.Errorf("%s: %q", row.Reason, row.Then)
		}
		if !slices.Contains([]int{unseal.ExitOK, unseal.ExitFailed, unseal.ExitNoKey, unseal.ExitTampered, unseal.ExitFindings}, row.Exit) {
			t.Errorf("%s: exit code %d", row.Reason, row.Exit)
		}
		if (row.Ready == metav1.ConditionTrue) != (row.Then == unseal.Settled) {
			t.Errorf("%s: Ready %s", row.Reason, row.Ready)
		}
		if found, ok := row.Reason.Row(); !ok || found != row {
			t.Errorf("%s: found %+v", row.Reason, found)
		}
	}
	if diff := cmp.Diff(declared(t), listed); diff != "" {
		t.Errorf("the constants (-) and the table (+) differ: %s", diff)
	}
}

// TestEveryReasonIsReached holds the tables of this package's tests against the table of reasons.
func TestEveryReasonIsReached(t *testing.T) {
	reached := map[unseal.Reason]bool{
		unseal.Unsealed:         true, // TestDecideKeepsWhatIsUnchanged
		unseal.AuditUnavailable: true, // package controller, where the intent is written
		unseal.RollbackDenied:   true, // TestGoingBack and others of rollback_test.go
	}
	for _, c := range refusals(newKey(t, "prod-eu"), newKey(t, "breakglass")) {
		reached[c.want] = true
	}
	for _, c := range answers() {
		reached[c.want] = true
	}
	for _, row := range unseal.Table() {
		if !reached[row.Reason] {
			t.Errorf("%s is not reached", row.Reason)
		}
	}
}

func TestConditionsAreAsKstatusReadsThem(t *testing.T) {
	for _, row := range unseal.Table() {
		t.Run(string(row.Reason), func(t *testing.T) {
			old := unseal.Outcome{Reason: unseal.ApplyFailed, Message: "before"}.Status(v1alpha1.GitSecretStatus{ObservedGeneration: -1}, 1, now())
			got := unseal.Outcome{Reason: row.Reason, Message: "after"}.Status(old, 2, now().AddDate(0, 0, 1))
			kinds := map[string]metav1.ConditionStatus{}
			for _, c := range got.Conditions {
				kinds[c.Type] = c.Status
				if c.ObservedGeneration != 2 || c.Reason != string(row.Reason) || c.Message != "after" {
					t.Errorf("%+v", c)
				}
			}
			want := map[string]metav1.ConditionStatus{"Ready": row.Ready}
			switch row.Then {
			case unseal.Retrying:
				want["Reconciling"] = metav1.ConditionTrue
			case unseal.Stalled:
				want["Stalled"] = metav1.ConditionTrue
			}
			if diff := cmp.Diff(want, kinds); diff != "" {
				t.Error(diff)
			}
			if got.ObservedGeneration != 2 || unseal.ReasonOf(got) != row.Reason {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestStatusKeepsTransitionTimesAndTheSecret(t *testing.T) {
	ref := v1alpha1.SecretRef{Name: "db", UID: "u", ResourceVersion: "7", Generation: 1}
	keys := []v1alpha1.KeyUse{{Keyring: "prod-eu", ID: strings.Repeat("a", 32), Envelope: "e"}}
	first := unseal.Outcome{Reason: unseal.Unsealed, Message: "m", Keys: keys, Secret: &ref}.Status(v1alpha1.GitSecretStatus{}, 1, now())
	later := now().AddDate(0, 0, 1)
	refused := unseal.Outcome{Reason: unseal.Tampered, Message: "m"}.Status(first, 2, later)
	if diff := cmp.Diff(first.Secret, refused.Secret); diff != "" || refused.OpenedWith != first.OpenedWith || len(refused.Keys) != 1 {
		t.Errorf("a refusal forgot the Secret: %s", diff)
	}
	if !refused.Conditions[0].LastTransitionTime.Time.Equal(later) {
		t.Error("Ready went from True to False and kept its time")
	}
	again := unseal.Outcome{Reason: unseal.NoMatchingKey, Message: "m"}.Status(refused, 3, later.AddDate(0, 0, 1))
	if !again.Conditions[0].LastTransitionTime.Time.Equal(later) {
		t.Error("Ready stayed False and did not keep its time")
	}
	if first.Conditions[0].Status != metav1.ConditionTrue {
		t.Error("the old status was changed")
	}
}

func TestLongMessagesAreCutBetweenCharacters(t *testing.T) {
	got := unseal.Outcome{Reason: unseal.Tampered, Message: strings.Repeat("é", 4000) + "x"}.Status(v1alpha1.GitSecretStatus{}, 1, now()).Conditions[0].Message
	if len(got) > 1100 || strings.Trim(got, "é…") != "" {
		t.Errorf("%d bytes", len(got))
	}
}
