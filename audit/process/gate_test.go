package process

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// countingReviews is a fake of the API server's reviews, to count them and to be away; e2e asks the real ones.
type countingReviews struct {
	tokens, access int
	away           bool
}

func (c *countingReviews) Create(_ context.Context, r *authenticationv1.TokenReview, _ metav1.CreateOptions) (*authenticationv1.TokenReview, error) {
	c.tokens++
	if c.away {
		return nil, errors.New("away")
	}
	r.Status.Authenticated = strings.HasPrefix(r.Spec.Token, "known")
	r.Status.User.Username = r.Spec.Token
	return r, nil
}

type countingAccess struct{ *countingReviews }

func (c countingAccess) Create(_ context.Context, r *authorizationv1.SubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error) {
	c.access++
	a := r.Spec.NonResourceAttributes
	r.Status.Allowed = r.Spec.User == "known-auditor" && a.Path == "/v1/audit/" && a.Verb == "get"
	return r, nil
}

func TestTheGateAsksOnceAndBoundsStrangers(t *testing.T) {
	reviews := &countingReviews{}
	served := 0
	g := newGate(reviews, countingAccess{reviews}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	ask := func(header string) int {
		r := httptest.NewRequest(http.MethodGet, "/v1/audit/", nil)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w.Code
	}
	for header, want := range map[string]int{
		"": 401, "Bearer ": 401, "Basic known-auditor": 401, "Bearer " + strings.Repeat("x", maxToken+1): 401,
	} {
		if got := ask(header); got != want || reviews.tokens != 0 {
			t.Errorf("%.20q: %d, %d reviews", header, got, reviews.tokens)
		}
	}
	for range 10 {
		if got := ask("bearer known-auditor"); got != 200 {
			t.Fatalf("the auditor gets %d", got)
		}
		if got := ask("Bearer known-somebody"); got != 403 {
			t.Fatalf("somebody gets %d", got)
		}
		if got := ask("Bearer stranger"); got != 401 {
			t.Fatalf("a stranger gets %d", got)
		}
	}
	if served != 10 || reviews.tokens != 3 || reviews.access != 2 {
		t.Errorf("served %d times, %d and %d reviews", served, reviews.tokens, reviews.access)
	}
	g.strangers.SetLimit(0) // what they have used up does not come back while this goes on
	busy := 0
	for i := range 10 * reviewBurst {
		if ask(fmt.Sprintf("Bearer stranger-%d", i)) == http.StatusTooManyRequests {
			busy++
		}
	}
	if busy == 0 || ask("Bearer known-auditor") != 200 {
		t.Errorf("%d strangers were put off; the auditor must not be", busy)
	}
	g.answers.Remove(sha256.Sum256([]byte("known-auditor"))) // as after a while
	if got := ask("Bearer known-auditor"); got != 200 {
		t.Errorf("the auditor, who was let through before, gets %d because of strangers", got)
	}
	g.answers.Remove(sha256.Sum256([]byte("known-somebody")))
	if got := ask("Bearer known-somebody"); got != http.StatusTooManyRequests {
		t.Errorf("somebody who never was let through gets %d", got)
	}
	away := newGate(&countingReviews{away: true}, countingAccess{reviews}, http.NotFoundHandler())
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/v1/audit/", nil)
	r.Header.Set("Authorization", "Bearer known-auditor")
	away.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("while the API server is away: %d", w.Code)
	}
}
