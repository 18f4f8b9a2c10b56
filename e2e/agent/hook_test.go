package agent_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/hook"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// post sends a webhook and gives the answer's status.
func (w *world) post(body string, header ...string) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.hookURL, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func mac(secret, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

// TestForgedWebhooksWakeNothing sends hooks that are not signed, or by another secret, or that are too large, or for another repository, and then one of each kind that counts.
func TestForgedWebhooksWakeNothing(t *testing.T) {
	w, first := begun(t, nil, "db")
	body := fmt.Sprintf(`{"ref": "refs/heads/main", "repository": {"clone_url": %q}}`, w.repo.URL())
	w.sealed("prod/api.yaml", "api")
	commit := w.clone.Commit("feat: one more")
	w.clone.Push()
	before := w.counted(fetches)
	w.forged(body)
	s, err := w.sync(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(s.Status.Fetched.Revision, first) {
		t.Errorf("a forged hook has the repository be asked: %s", s.Status.Fetched.Revision)
	}
	if code := w.post(body, "X-Gitlab-Token", hookSecret); code != http.StatusAccepted {
		t.Errorf("GitLab's: %d", code)
	}
	w.applied(commit)
	kinds := [][2]string{{"X-Hub-Signature-256", "sha256="}, {"X-Gitea-Signature", ""}, {"X-Signature", "sha256="}}
	for i, kind := range kinds {
		name := fmt.Sprintf("more-%d", i)
		w.sealed("prod/"+name+".yaml", name)
		commit := w.clone.Commit("feat: " + name)
		w.clone.Push()
		if code := w.post(body, kind[0], kind[1]+mac(hookSecret, body)); code != http.StatusAccepted {
			t.Errorf("%s: %d", kind[0], code)
		}
		w.applied(commit)
	}
	// The repository was asked for those hooks that count, and for no other.
	if asked := w.counted(fetches) - before; asked != float64(1+len(kinds)) {
		t.Errorf("the repository was asked %g times", asked)
	}
	if s := w.askNow(); is(s, v1alpha1.ConditionStalled) {
		t.Errorf("%+v", s.Status.Conditions)
	}
}

// forged sends hooks for a body that wake nothing.
func (w *world) forged(body string) {
	w.t.Helper()
	headers := map[string][]string{
		"nothing":                     nil,
		"another secret":              {"X-Hub-Signature-256", "sha256=" + mac("another secret", body)},
		"no secret":                   {"X-Hub-Signature-256", "sha256=" + mac("", body)},
		"of another body":             {"X-Hub-Signature-256", "sha256=" + mac(hookSecret, body+" ")},
		"without its prefix":          {"X-Hub-Signature-256", mac(hookSecret, body)},
		"sha1":                        {"X-Hub-Signature", "sha1=" + mac(hookSecret, body)},
		"an empty one":                {"X-Gitea-Signature", ""},
		"the beginning of one":        {"X-Gitea-Signature", mac(hookSecret, body)[:32]},
		"GitLab's, another secret":    {"X-Gitlab-Token", "another secret"},
		"GitLab's, a part of it":      {"X-Gitlab-Token", hookSecret[:10]},
		"GitLab's, and more":          {"X-Gitlab-Token", hookSecret + "."},
		"a header of nobody":          {"X-Token", hookSecret},
		"in the authorization header": {"Authorization", "Bearer " + hookSecret},
	}
	for name, header := range headers {
		if code := w.post(body, header...); code != http.StatusUnauthorized {
			w.t.Errorf("signed by %s: %d", name, code)
		}
	}
	w.shows(`waxwing_agent_hooks_total{result="refused"}`, float64(len(headers)))
	large := body + strings.Repeat(" ", hook.MaxBody)
	if code := w.post(large, "X-Signature", "sha256="+mac(hookSecret, large)); code != http.StatusRequestEntityTooLarge {
		w.t.Errorf("signed, and too large: %d", code)
	}
	w.shows(`waxwing_agent_hooks_total{result="malformed"}`, 1)
	elsewhere := `{"repository": {"clone_url": "https://git.example.invalid/other.git"}}`
	if code := w.post(elsewhere, "X-Signature", "sha256="+mac(hookSecret, elsewhere)); code != http.StatusAccepted {
		w.t.Errorf("signed, for another repository: %d", code)
	}
}

// TestAReplayedWebhookDoesNoMoreThanWake sends a hook of the forge again and again that somebody has overheard: the repository is asked five times a second at the most, and what it has now
// is what counts, not what the hook tells of.
func TestAReplayedWebhookDoesNoMoreThanWake(t *testing.T) {
	w, _ := begun(t, nil, "db")
	header, body := w.overheard()
	w.askNow()
	w.sealed("prod/api.yaml", "api")
	newest := w.clone.Commit("feat: one more")
	w.clone.Push()

	before, began := w.counted(fetches), time.Now()
	const times = 300
	for i := range times {
		if code := w.post(body, header...); code != http.StatusAccepted {
			t.Fatalf("the hook, for the %d. time: %d", i+1, code)
		}
	}
	w.applied(newest)
	// The first comes at once, and the last may wait.
	asked, most := w.counted(fetches)-before, 5*time.Since(began).Seconds()+2
	if asked < 1 || asked > most {
		t.Errorf("%d hooks had the repository be asked %g times, and %g are the most", times, asked, most)
	}
	w.secret("api")
}

// overheard is a hook that the forge has sent for a push, and that did not get to the agent.
func (w *world) overheard() (header []string, body string) {
	w.t.Helper()
	got := make(chan string, 16)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			w.t.Error(err)
		}
		got <- r.Header.Get("X-Hub-Signature-256")
		got <- string(b)
	}))
	w.t.Cleanup(s.Close)
	w.repo.Webhook("gitea", s.URL+"/hook", hookSecret)
	w.clone.Publish("docs: something", map[string]string{"README.md": "something\n"})
	var signature string
	for _, into := range []*string{&signature, &body} {
		select {
		case *into = <-got:
		case <-w.ctx.Done():
			w.t.Fatal("the forge sends no hook")
		}
	}
	return []string{"X-Hub-Signature-256", signature}, body
}
