package rights_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	fakereviews "k8s.io/client-go/kubernetes/typed/authorization/v1/fake"
	fakeapi "k8s.io/client-go/testing"

	"github.com/waxwing-io/waxwing/agent/rights"
)

// fakeUnlistable stands for an API server with an authorizer that cannot list its rules, as a webhook is. Its rules are in rules where they can be listed, and in may where they cannot.
type fakeUnlistable struct {
	fakereviews.FakeAuthorizationV1
	rules []authorizationv1.ResourceRule
	may   func(a *authorizationv1.ResourceAttributes) bool
	asked int
}

func newFakeUnlistable() *fakeUnlistable {
	f := &fakeUnlistable{may: func(*authorizationv1.ResourceAttributes) bool { return false }}
	f.Fake = &fakeapi.Fake{}
	f.AddReactor("create", "selfsubjectrulesreviews", func(fakeapi.Action) (bool, runtime.Object, error) {
		return true, &authorizationv1.SelfSubjectRulesReview{Status: authorizationv1.SubjectRulesReviewStatus{Incomplete: true, ResourceRules: f.rules}}, nil
	})
	f.AddReactor("create", "selfsubjectaccessreviews", func(a fakeapi.Action) (bool, runtime.Object, error) {
		f.asked++
		review := a.(fakeapi.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview)
		return true, &authorizationv1.SelfSubjectAccessReview{Status: authorizationv1.SubjectAccessReviewStatus{Allowed: f.may(review.Spec.ResourceAttributes)}}, nil
	})
	return f
}

func TestAnAuthorizerThatCannotListItsRulesIsAskedForEach(t *testing.T) {
	f := newFakeUnlistable()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c := rights.Checker{Now: func() time.Time { return now }}
	account := types.NamespacedName{Namespace: "team", Name: "waxwing-sync"}
	check := func() []string {
		t.Helper()
		found, err := c.Check(t.Context(), account, f, nil)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := check(); len(found) != 0 || f.asked < 50 {
		t.Fatalf("found %q with %d questions", found, f.asked)
	}
	before := f.asked
	now = now.Add(9 * time.Minute)
	if check(); f.asked != before {
		t.Error("what takes many questions is asked again within ten minutes")
	}
	now = now.Add(time.Minute)
	// One right is in the rules, for one name, which no question finds; the other is not.
	f.rules = []authorizationv1.ResourceRule{rule("", "secrets", "get")}
	f.rules[0].ResourceNames = []string{"db"}
	f.may = func(a *authorizationv1.ResourceAttributes) bool {
		return a.Namespace == "team" && a.Group == "" && a.Resource == "pods" && a.Subresource == "exec" && a.Verb == "get"
	}
	if found := check(); !slices.Equal(found, []string{"in namespace team it may read Secrets", "in namespace team it may run programs in pods"}) {
		t.Errorf("found %q", found)
	}
	f.rules, f.may = nil, func(*authorizationv1.ResourceAttributes) bool { return false }
	if found := check(); len(found) != 2 {
		t.Errorf("at once: %q", found)
	}
	now = now.Add(10 * time.Second)
	if found := check(); len(found) != 0 {
		t.Errorf("who mends it waits for more than 10 s: %q", found)
	}
}

func TestAnAccountOfWhichNothingIsKnownIsNotUsed(t *testing.T) {
	f := newFakeUnlistable()
	away := errors.New("the API server is away")
	f.PrependReactor("create", "selfsubjectaccessreviews", func(fakeapi.Action) (bool, runtime.Object, error) { return true, nil, away })
	c := rights.Checker{Now: time.Now}
	if found, err := c.Check(t.Context(), types.NamespacedName{Namespace: "team", Name: "a"}, f, []string{"prod"}); !errors.Is(err, away) || found != nil {
		t.Errorf("%q, %v", found, err)
	}
}
