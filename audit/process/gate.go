package process

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
)

const (
	// auditPath is the path that is asked about: who may get it may get all below.
	auditPath = "/v1/audit/"
	// reviewStands is how long an answer of the API server about a token stands, and reviewsKept how many are remembered.
	reviewStands = 10 * time.Second
	reviewsKept  = 1024
	// reviewRate and reviewBurst bound the requests that strangers can have us make, and those whom they do not hold up: who was let through in the last guestStands.
	reviewRate, reviewBurst = 5, 20
	guestStands             = time.Hour
	reviewPatience          = 10 * time.Second
	maxToken                = 16 << 10
)

// tokenReviews and accessReviews are client-go's interfaces of these names, as far as they are needed.
type tokenReviews interface {
	Create(ctx context.Context, review *authenticationv1.TokenReview, opts metav1.CreateOptions) (*authenticationv1.TokenReview, error)
}

type accessReviews interface {
	Create(ctx context.Context, review *authorizationv1.SubjectAccessReview, opts metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error)
}

// gate lets through who the API server says may get auditPath. It keeps no token, only a digest of it, for a while.
type gate struct {
	tokens  tokenReviews
	access  accessReviews
	answers *cache.LRUExpireCache // of [32]byte to int, a status; 200 is yes
	guests  *cache.LRUExpireCache // of [32]byte, whose latest answer was yes
	next    http.Handler
	// strangers and known bound reviews, each for themselves.
	strangers, known *rate.Limiter
}

func newGate(tokens tokenReviews, access accessReviews, next http.Handler) *gate {
	return &gate{
		tokens: tokens, access: access, answers: cache.NewLRUExpireCache(reviewsKept), guests: cache.NewLRUExpireCache(reviewsKept), next: next,
		strangers: rate.NewLimiter(reviewRate, reviewBurst), known: rate.NewLimiter(reviewRate, reviewBurst),
	}
}

// ServeHTTP implements http.Handler.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch status := g.ask(r); status {
	case http.StatusOK:
		g.next.ServeHTTP(w, r)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="waxwing-audit"`)
		http.Error(w, "a bearer token of the cluster is needed", status)
	case http.StatusForbidden:
		http.Error(w, "this needs the right to get "+auditPath+" (a nonResourceURL), which the ClusterRole waxwing-auditor has", status)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many who are not known yet ask at once", status)
	default:
		http.Error(w, "the API server cannot be asked who may read the audit log", status)
	}
}

// ask gives the status to answer with, OK for letting through.
func (g *gate) ask(r *http.Request) int {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return http.StatusUnauthorized
	}
	key := sha256.Sum256([]byte(token))
	if known, ok := g.answers.Get(key); ok {
		return known.(int)
	}
	limit := g.strangers
	if _, ok := g.guests.Get(key); ok {
		limit = g.known
	}
	if !limit.Allow() {
		return http.StatusTooManyRequests
	}
	ctx, cancel := context.WithTimeout(r.Context(), reviewPatience)
	defer cancel()
	status, err := g.review(ctx, token)
	if err != nil {
		return http.StatusServiceUnavailable
	}
	g.answers.Add(key, status, reviewStands)
	if status == http.StatusOK {
		g.guests.Add(key, nil, guestStands)
	} else {
		g.guests.Remove(key)
	}
	return status
}

func (g *gate) review(ctx context.Context, token string) (int, error) {
	who, err := g.tokens.Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("reviewing a token: %w", err)
	}
	if !who.Status.Authenticated {
		return http.StatusUnauthorized, nil
	}
	user := who.Status.User
	extra := map[string]authorizationv1.ExtraValue{}
	for k, v := range user.Extra {
		extra[k] = authorizationv1.ExtraValue(v)
	}
	may, err := g.access.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: auditPath, Verb: "get"},
	}}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("reviewing access: %w", err)
	}
	if !may.Status.Allowed {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}
