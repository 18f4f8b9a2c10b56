package agent_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

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

// TestForgedWebhooksWakeNothing sends hooks that are not signed, or by another secret, or for another repository, and then one of each kind that counts.
func TestForgedWebhooksWakeNothing(t *testing.T) {
	w, first := begun(t, nil, "db")
	body := fmt.Sprintf(`{"ref": "refs/heads/main", "repository": {"clone_url": %q}}`, w.repo.URL())
	elsewhere := `{"repository": {"clone_url": "https://git.example.invalid/other.git"}}`
	w.sealed("prod/api.yaml", "api")
	commit := w.clone.Commit("feat: one more")
	w.clone.Push()
	for name, header := range map[string][]string{
		"nothing":                     nil,
		"another secret":              {"X-Hub-Signature-256", "sha256=" + mac("another secret", body)},
		"of another body":             {"X-Hub-Signature-256", "sha256=" + mac(hookSecret, body+" ")},
		"without its prefix":          {"X-Hub-Signature-256", mac(hookSecret, body)},
		"sha1":                        {"X-Hub-Signature", "sha1=" + mac(hookSecret, body)},
		"an empty one":                {"X-Gitea-Signature", ""},
		"the beginning of one":        {"X-Gitea-Signature", mac(hookSecret, body)[:32]},
		"GitLab's, another secret":    {"X-Gitlab-Token", "another secret"},
		"GitLab's, a part of it":      {"X-Gitlab-Token", hookSecret[:10]},
		"a header of nobody":          {"X-Token", hookSecret},
		"in the authorization header": {"Authorization", "Bearer " + hookSecret},
	} {
		if code := w.post(body, header...); code != http.StatusUnauthorized {
			t.Errorf("signed by %s: %d", name, code)
		}
	}
	if code := w.post(elsewhere, "X-Signature", "sha256="+mac(hookSecret, elsewhere)); code != http.StatusAccepted {
		t.Errorf("signed, for another repository: %d", code)
	}
	// A look that was woken would have been done by the time that one is which is asked for now, of an object that is not changed in Git.
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
	for i, header := range [][]string{
		{"X-Hub-Signature-256", "sha256="}, {"X-Gitea-Signature", ""}, {"X-Signature", "sha256="},
	} {
		name := fmt.Sprintf("more-%d", i)
		w.sealed("prod/"+name+".yaml", name)
		commit := w.clone.Commit("feat: " + name)
		w.clone.Push()
		if code := w.post(body, header[0], header[1]+mac(hookSecret, body)); code != http.StatusAccepted {
			t.Errorf("%s: %d", header[0], code)
		}
		w.applied(commit)
	}
	if s := w.askNow(); is(s, v1alpha1.ConditionStalled) {
		t.Errorf("%+v", s.Status.Conditions)
	}
}
