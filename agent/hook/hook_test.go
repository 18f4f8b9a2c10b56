package hook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/waxwing-io/waxwing/agent/hook"
)

const (
	secret = "not-a-real-secret"
	body   = `{"repository": {"clone_url": "https://git.example.com/team/app.git"}, "ref": "refs/heads/main"}`
)

func mac(key, text string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

type woken struct {
	credentials, addresses []string
	result                 string
}

func send(t *testing.T, r *http.Request, secrets ...hook.Secret) (*httptest.ResponseRecorder, woken) {
	t.Helper()
	var got woken
	h := &hook.Handler{
		Secrets: func() []hook.Secret { return secrets },
		Wake:    func(credentials, addresses []string) { got.credentials, got.addresses = credentials, addresses },
		Result:  func(s string) { got.result = s },
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w, got
}

func post(text string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(text))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestHooksOfEachKindOfServer(t *testing.T) {
	infra, other := hook.Secret{Credentials: "infra", Secret: []byte(secret)}, hook.Secret{Credentials: "other", Secret: []byte("another-secret")}
	for name, header := range map[string][]string{
		"GitHub":  {"X-Hub-Signature-256", "sha256=" + mac(secret, body)},
		"Gitea":   {"X-Gitea-Signature", mac(secret, body)},
		"GitLab":  {"X-Gitlab-Token", secret},
		"generic": {"X-Signature", "sha256=" + mac(secret, body)},
	} {
		w, got := send(t, post(body, header...), other, infra)
		if w.Code != http.StatusAccepted || !slices.Equal(got.credentials, []string{"infra"}) || !slices.Equal(got.addresses, []string{"https://git.example.com/team/app.git"}) || got.result != "taken" {
			t.Errorf("%s: %d, %+v", name, w.Code, got)
		}
	}
}

func TestForgedHooksWakeNobody(t *testing.T) {
	infra := hook.Secret{Credentials: "infra", Secret: []byte(secret)}
	short := hook.Secret{Credentials: "short", Secret: []byte("abc")}
	none := hook.Secret{Credentials: "none"}
	refused := map[string]*http.Request{
		"no signature":           post(body),
		"another secret":         post(body, "X-Hub-Signature-256", "sha256="+mac("guessed-secret", body)),
		"another body":           post(body+" ", "X-Hub-Signature-256", "sha256="+mac(secret, body)),
		"SHA-1":                  post(body, "X-Hub-Signature", "sha1="+mac(secret, body)),
		"without prefix":         post(body, "X-Hub-Signature-256", mac(secret, body)),
		"half of it":             post(body, "X-Hub-Signature-256", "sha256="+mac(secret, body)[:32]),
		"empty":                  post(body, "X-Hub-Signature-256", "sha256=", "X-Gitea-Signature", "", "X-Gitlab-Token", ""),
		"GitLab, another":        post(body, "X-Gitlab-Token", secret+"x"),
		"a secret that is short": post(body, "X-Gitlab-Token", "abc"),
		"no secret":              post(body, "X-Hub-Signature-256", "sha256="+mac("", body)),
	}
	for name, r := range refused {
		if w, got := send(t, r, infra, short, none); w.Code != http.StatusUnauthorized || got.credentials != nil || got.result != "refused" || strings.Contains(w.Body.String(), "infra") {
			t.Errorf("%s: %d %s, %+v", name, w.Code, w.Body, got)
		}
	}
	large := strings.Repeat("x", hook.MaxBody+1)
	if w, got := send(t, post(large, "X-Gitea-Signature", mac(secret, large)), infra); w.Code != http.StatusRequestEntityTooLarge || got.credentials != nil {
		t.Errorf("a large body: %d", w.Code)
	}
	if w, got := send(t, httptest.NewRequest(http.MethodGet, "/hook", nil), infra); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost || got.credentials != nil {
		t.Errorf("GET: %d", w.Code)
	}
}

func TestABodyThatNamesNothingWakesAll(t *testing.T) {
	infra := hook.Secret{Credentials: "infra", Secret: []byte(secret)}
	for _, text := range []string{"", "not json", `{"repository": 1}`, `{}`} {
		if w, got := send(t, post(text, "X-Gitea-Signature", mac(secret, text)), infra); w.Code != http.StatusAccepted || got.credentials == nil || got.addresses != nil {
			t.Errorf("%q: %d, %+v", text, w.Code, got)
		}
	}
}

// TestBodiesTakeNoMoreMemoryThanThereIs has many send large bodies at a time, none of them to its end.
func TestBodiesTakeNoMoreMemoryThanThereIs(t *testing.T) {
	var mu sync.Mutex
	results := map[string]int{}
	h := &hook.Handler{
		Secrets: func() []hook.Secret { return []hook.Secret{{Credentials: "infra", Secret: []byte(secret)}} },
		Wake:    func(_, _ []string) {},
		Result: func(s string) {
			mu.Lock()
			defer mu.Unlock()
			results[s]++
		},
	}
	const many = 24
	var senders, read sync.WaitGroup
	end := make(chan struct{})
	read.Add(many)
	for range many {
		senders.Go(func() {
			once := sync.OnceFunc(read.Done)
			r := httptest.NewRequest(http.MethodPost, "/hook", &slow{left: hook.MaxBody, end: end, all: once})
			h.ServeHTTP(httptest.NewRecorder(), r)
			once()
		})
	}
	read.Wait()
	mu.Lock()
	if results["busy"] < many-16 {
		t.Errorf("with %d MiB of bodies in memory: %v", many, results)
	}
	mu.Unlock()
	close(end)
	senders.Wait()
	text := mac(secret, body)
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, post(body, "X-Gitea-Signature", text)); w.Code != http.StatusAccepted {
		t.Errorf("after all of them have gone: %d", w.Code)
	}
}

// slow is a body that does not end before it is let.
type slow struct {
	left int
	end  chan struct{}
	all  func()
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		s.all()
		<-s.end
		return 0, io.ErrUnexpectedEOF
	}
	n := min(len(p), s.left)
	s.left -= n
	return n, nil
}
