// Package hook takes the webhooks of Git servers.
//
// It guarantees that a hook does no more than wake what follows a repository, and only if it is signed with a secret of that repository's credentials. What else a body says
// is not believed, and an answer does not tell which part was wrong.
package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// MaxBody is the size of a body in bytes.
const MaxBody = 1 << 20

// maxHeld is how much of bodies may be in memory at a time, in bytes: whoever reaches the address can send as many as he likes before it is known that they are not signed.
const maxHeld = 16 << 20

// minSecret is how short a secret may be, in bytes: one that can be guessed counts as none.
const minSecret = 8

// Secret is what hooks of repositories with some credentials are signed with.
type Secret struct {
	Credentials string
	Secret      []byte
}

// Wake tells of a hook that was signed with the secret of some credentials. addresses are those that the body names for its repository; empty: it names none.
type Wake func(credentials, addresses []string)

// Handler answers POST requests. Secrets gives what is valid now; Result is told of each request: "taken", "refused", "malformed" or "busy".
type Handler struct {
	Secrets func() []Secret
	Wake    Wake
	Result  func(string)

	held atomic.Int64
}

// ServeHTTP takes one hook.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, result := h.take(r)
	h.Result(result)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, strings.ToLower(http.StatusText(status))+"\n")
}

func (h *Handler) take(r *http.Request) (status int, result string) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, "malformed"
	}
	in := &charged{in: r.Body, held: &h.held}
	defer in.release()
	body, err := io.ReadAll(io.LimitReader(in, MaxBody+1))
	if errors.Is(err, errBusy) {
		return http.StatusServiceUnavailable, "busy"
	}
	if err != nil {
		return http.StatusBadRequest, "malformed"
	}
	if len(body) > MaxBody {
		return http.StatusRequestEntityTooLarge, "malformed"
	}
	var by []string
	for _, s := range h.Secrets() {
		if len(s.Secret) >= minSecret && signed(r.Header, body, s.Secret) {
			by = append(by, s.Credentials)
		}
	}
	if len(by) == 0 {
		return http.StatusUnauthorized, "refused"
	}
	h.Wake(by, addresses(body))
	return http.StatusAccepted, "taken"
}

var errBusy = errors.New("too much is being read")

// charged takes room for what is read, until it is released.
type charged struct {
	in   io.Reader
	held *atomic.Int64
	n    int64
}

func (c *charged) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	if c.held.Add(int64(n)) > maxHeld {
		return n, errBusy
	}
	return n, err
}

func (c *charged) release() { c.held.Add(-c.n) }

// signed says whether a request carries a signature that the secret makes. Where it carries several, one is enough: whoever can make one has the secret.
func signed(header http.Header, body, secret []byte) bool {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	want := mac.Sum(nil)
	for _, s := range []struct{ name, prefix string }{
		{"X-Hub-Signature-256", "sha256="}, // GitHub, and Gitea, which sends both
		{"X-Gitea-Signature", ""},
		{"X-Signature", "sha256="}, // Flux' generic-hmac, and whoever has a shell and openssl
	} {
		text, has := strings.CutPrefix(header.Get(s.name), s.prefix)
		got, err := hex.DecodeString(text)
		if has && err == nil && hmac.Equal(got, want) {
			return true
		}
	}
	// GitLab sends the secret itself. Digests of equal length are compared, so that the time tells nothing of its length.
	token := sha256.Sum256([]byte(header.Get("X-Gitlab-Token")))
	expected := sha256.Sum256(secret)
	return subtle.ConstantTimeCompare(token[:], expected[:]) == 1
}

// addresses are the addresses of the repository that a body names, in the words of GitHub, Gitea and GitLab.
func addresses(body []byte) []string {
	var named struct {
		Repository struct {
			CloneURL   string `json:"clone_url"`
			SSHURL     string `json:"ssh_url"`
			HTMLURL    string `json:"html_url"`
			GitHTTPURL string `json:"git_http_url"`
			GitSSHURL  string `json:"git_ssh_url"`
		} `json:"repository"`
		Project struct {
			GitHTTPURL string `json:"git_http_url"`
			GitSSHURL  string `json:"git_ssh_url"`
		} `json:"project"`
	}
	if json.Unmarshal(body, &named) != nil {
		return nil
	}
	var out []string
	for _, a := range []string{
		named.Repository.CloneURL, named.Repository.SSHURL, named.Repository.HTMLURL, named.Repository.GitHTTPURL, named.Repository.GitSSHURL,
		named.Project.GitHTTPURL, named.Project.GitSSHURL,
	} {
		if a != "" {
			out = append(out, a)
		}
	}
	return out
}
