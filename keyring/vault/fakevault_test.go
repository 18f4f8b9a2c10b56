package vault_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// fakeVault stands in for a Vault's HTTP where a real one does not do what a test needs at the moment that it needs it. What a real one does is tested in e2e/vault.
type fakeVault struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	asked   []string // method, path and query
	headers []http.Header
	bodies  []string
	tokens  int             // given out so far
	valid   map[string]bool // tokens
	ttl     int             // of tokens, in seconds
	answer  func(w http.ResponseWriter, r *http.Request) bool
}

// newFakeVault speaks TLS. answer may take over any request.
func newFakeVault(t *testing.T) *fakeVault {
	f := &fakeVault{t: t, valid: map[string]bool{}, ttl: 3600}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.Server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *fakeVault) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.URL.RequestURI())
	f.headers = append(f.headers, r.Header.Clone())
	f.bodies = append(f.bodies, string(body))
	answer, known := f.answer, f.valid[r.Header.Get("X-Vault-Token")]
	f.mu.Unlock()
	switch {
	case answer != nil && answer(w, r):
	case strings.HasSuffix(r.URL.Path, "/login"):
		f.mu.Lock()
		f.tokens++
		token := fmt.Sprintf("hvs.fake-%d", f.tokens)
		f.valid[token] = true
		n, ttl := f.tokens, f.ttl
		f.mu.Unlock()
		fmt.Fprintf(w, `{"request_id":"login-%d","auth":{"client_token":%q,"lease_duration":%d,"renewable":true}}`, n, token, ttl)
	case !known:
		say(w, 403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
	case strings.HasSuffix(r.URL.Path, "/renew-self"):
		fmt.Fprintf(w, `{"auth":{"client_token":%q,"lease_duration":%d,"renewable":true}}`, r.Header.Get("X-Vault-Token"), f.ttl)
	case strings.HasSuffix(r.URL.Path, "/revoke-self"):
		f.mu.Lock()
		delete(f.valid, r.Header.Get("X-Vault-Token"))
		f.mu.Unlock()
		w.WriteHeader(204)
	default:
		fmt.Fprint(w, `{"request_id":"7d1c","data":{"keys":["a","b/"]},"warnings":["careful"]}`)
	}
}

func say(w http.ResponseWriter, status int, errs ...string) {
	if errs == nil {
		errs = []string{}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": errs})
}

// answers has every request but logins answered like this.
func (f *fakeVault) answers(answer func(w http.ResponseWriter, r *http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v1/auth/") {
			return false
		}
		answer(w, r)
		return true
	}
}

// takesOver has every request answered like this, logins too; nil ends that.
func (f *fakeVault) takesOver(answer func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// count counts the requests with part in method, path and query.
func (f *fakeVault) count(part string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, a := range f.asked {
		if strings.Contains(a, part) {
			n++
		}
	}
	return n
}

// comesToTokens waits until Vault has so many tokens: a client that gives one back does not wait long for the answer.
func (f *fakeVault) comesToTokens(want int) {
	f.t.Helper()
	left := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.valid)
	}
	for end := time.Now().Add(20 * time.Second); left() != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("%d tokens are left in Vault, want %d", left(), want)
		}
	}
}

// revokeAll has no token count any more.
func (f *fakeVault) revokeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.valid = map[string]bool{}
}

// clock is a clock that stands.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

const (
	fakeJWT      = "jwt-of-the-fake-cluster"
	fakeSecretID = "secret-id-of-the-fake-role"
)

// config is the connection to f by Kubernetes auth.
func (f *fakeVault) config() (vault.Config, *clock) {
	c := &clock{at: time.Now()}
	return vault.Config{
		Connection: v1alpha1.VaultConnection{
			Address:  f.URL,
			CABundle: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})),
			Auth:     v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Role: "waxwing"}},
		},
		ServiceAccountToken: func(_ context.Context, audience string) (string, error) { return fakeJWT + "-" + audience, nil },
		Secret: func(context.Context, string) (map[string][]byte, error) {
			return map[string][]byte{"secretID": []byte(fakeSecretID + "\n")}, nil
		},
		Now: c.now, Jitter: func() float64 { return 1 }, Log: slog.New(slog.DiscardHandler),
	}, c
}

func open(t *testing.T, cfg vault.Config) *vault.Client {
	t.Helper()
	c := vault.New(cfg)
	t.Cleanup(c.Close)
	return c
}
