package rights

import (
	"fmt"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	fakereviews "k8s.io/client-go/kubernetes/typed/authorization/v1/fake"
	fakeapi "k8s.io/client-go/testing"
)

// TestVerdictsThatStandNoMoreAreForgotten holds that a repository which names other namespaces with each commit does not fill the agent's memory.
func TestVerdictsThatStandNoMoreAreForgotten(t *testing.T) {
	api := &fakereviews.FakeAuthorizationV1{Fake: &fakeapi.Fake{}}
	api.AddReactor("create", "selfsubjectrulesreviews", func(fakeapi.Action) (bool, runtime.Object, error) {
		return true, &authorizationv1.SelfSubjectRulesReview{}, nil
	})
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c := Checker{Now: func() time.Time { return now }}
	for commit := range 20 {
		var namespaces []string
		for i := range 500 {
			namespaces = append(namespaces, fmt.Sprintf("n-%d-%d", commit, i))
		}
		if found, err := c.Check(t.Context(), types.NamespacedName{Namespace: "team", Name: "a"}, api, namespaces); err != nil || len(found) > 0 {
			t.Fatal(found, err)
		}
		now = now.Add(stands)
	}
	if len(c.known) > 2*fewKnown {
		t.Errorf("%d are known", len(c.known))
	}
}
