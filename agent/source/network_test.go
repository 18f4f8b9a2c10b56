package source_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

const password = "correct horse battery staple"

func TestHTTPSWithCredentials(t *testing.T) {
	server := githttp.Start(t, githttp.Options{TLS: true, Username: "robot", Password: password})
	repo := server.Repo(t, "infra")
	commits(repo, "a", 1)
	r, _ := open(t, source.Limits{})
	try := func(a source.Auth) error {
		_, err := r.Fetch(t.Context(), mainOf(repo), a)
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("the password is in %q", err)
		}
		return err
	}
	if err := try(source.Auth{CA: server.CA, Username: "robot", Password: password}); err != nil {
		t.Error(err)
	}
	if err := try(source.Auth{CA: server.CA, Username: "robot", Token: password}); err != nil {
		t.Error(err)
	}
	refused(t, try(source.Auth{CA: server.CA}), source.AuthenticationFailed, "wants credentials")
	refused(t, try(source.Auth{CA: server.CA, Username: "robot", Password: "expired"}), source.AuthenticationFailed, "does not take the credentials: who are you?")
	refused(t, try(source.Auth{CA: server.CA, Token: password}), source.AuthenticationFailed, "does not take")
	refused(t, try(source.Auth{Username: "robot", Password: password}), source.HostUnknown, "ca.crt of the credentials can name its authority")
	refused(t, try(source.Auth{CA: []byte("none"), Username: "robot", Password: password}), source.HostUnknown, "ca.crt")
	token := githttp.Start(t, githttp.Options{Username: "x-access-token", Password: password}).Repo(t, "infra")
	commits(token, "a", 1)
	if _, err := r.Fetch(t.Context(), mainOf(token), source.Auth{Token: password, InsecureHTTP: true}); err != nil {
		t.Error(err)
	}
}

// TestAServerThatSaysBackWhatItWasSent has an error page with the password in it.
func TestAServerThatSaysBackWhatItWasSent(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, sent, _ := r.BasicAuth()
		http.Error(w, "no good:\n"+sent+"\x1b[31m", http.StatusTeapot)
	}))
	defer server.Close()
	r, _ := open(t, source.Limits{})
	_, err := r.Fetch(t.Context(), source.Place{URL: server.URL + "/x", Branch: "main"}, source.Auth{Username: "robot", Password: password, InsecureHTTP: true})
	refused(t, err, source.FetchFailed, "it answers 418 I'm a teapot: no good: [redacted]?[31m")
}

// TestAServerThatSaysBackWhatItWasSentInOtherWays has it as HTTP sends it, and in the words of Git's protocol.
func TestAServerThatSaysBackWhatItWasSentInOtherWays(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"the header": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "it came with "+r.Header.Get("Authorization"), http.StatusTeapot)
		},
		"an error of Git": func(w http.ResponseWriter, r *http.Request) {
			_, sent, _ := r.BasicAuth()
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			_, _ = io.WriteString(w, pkt("# service=git-upload-pack\n")+"0000"+pkt("ERR it came with "+sent+"\n"))
		},
	} {
		server := httptest.NewServer(http.HandlerFunc(answer))
		defer server.Close()
		r, _ := open(t, source.Limits{})
		auth := source.Auth{Username: "robot", Password: password, InsecureHTTP: true}
		_, err := r.Fetch(t.Context(), source.Place{URL: server.URL + "/x", Branch: "main"}, auth)
		refused(t, err, source.FetchFailed, "it came with")
		for _, secret := range []string{password, base64.StdEncoding.EncodeToString([]byte("robot:" + password))} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestCredentialsPrintAsRedacted(t *testing.T) {
	a := source.Auth{Username: "robot", Password: password, Token: password, Identity: []byte(password)}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(format, a) + fmt.Sprintf(format, &a); strings.Contains(text, "horse") || !strings.Contains(text, "redacted") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}

func TestRedirectsStayOnTheServer(t *testing.T) {
	var stolen atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stolen.Store(true)
		http.NotFound(w, r)
	}))
	defer elsewhere.Close()
	server := githttp.Start(t, githttp.Options{Wrap: func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.URL.Path, "/away.git"):
				http.Redirect(w, r, elsewhere.URL+r.URL.RequestURI(), http.StatusFound)
			case strings.HasPrefix(r.URL.Path, "/renamed.git"):
				http.Redirect(w, r, strings.Replace(r.URL.RequestURI(), "renamed", "infra", 1), http.StatusMovedPermanently)
			case strings.HasPrefix(r.URL.Path, "/late.git") && r.Method == http.MethodPost:
				http.Redirect(w, r, strings.Replace(r.URL.RequestURI(), "late", "infra", 1), http.StatusTemporaryRedirect)
			default:
				r.URL.Path = strings.Replace(r.URL.Path, "late", "infra", 1)
				git.ServeHTTP(w, r)
			}
		})
	}})
	repo := server.Repo(t, "infra")
	ids := commits(repo, "a", 1)
	r, _ := open(t, source.Limits{})
	at := func(name string) (source.Commit, error) {
		auth := plain()
		auth.Token = password
		return r.Fetch(t.Context(), source.Place{URL: server.URL + "/" + name, Branch: "main"}, auth)
	}
	_, err := at("away.git")
	refused(t, err, source.FetchFailed, "redirects to another server")
	if stolen.Load() {
		t.Error("the other server was asked")
	}
	if c, err := at("renamed.git"); err != nil || c.ID != ids[0] {
		t.Errorf("a repository that was renamed: %s (%v)", c.ID, err)
	}
	_, err = at("late.git")
	refused(t, err, source.FetchFailed, "redirects where it should answer")
}

func TestAProxyIsUsedWhereItIsNamedAndNowhereElse(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	commits(repo, "a", 1)
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		(&httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}}).ServeHTTP(w, r)
	}))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	r, _ := open(t, source.Limits{})
	// The address is not one of loopback, for which Go would use no proxy from the environment in any case.
	named := strings.Replace(repo.URL, "127.0.0.1", "git.example.invalid", 1)
	if _, err := r.Fetch(t.Context(), source.Place{URL: named, Branch: "main"}, plain()); err == nil || asked.Load() != 0 {
		t.Errorf("the environment's proxy was asked %d times (%v)", asked.Load(), err)
	}
	auth := plain()
	auth.Proxy = proxy.URL
	if _, err := r.Fetch(t.Context(), mainOf(repo), auth); err != nil || asked.Load() == 0 {
		t.Errorf("the proxy was asked %d times (%v)", asked.Load(), err)
	}
	auth.Proxy = "none"
	_, err := r.Fetch(t.Context(), mainOf(repo), auth)
	refused(t, err, source.FetchFailed, "proxy")
}

// cutting answers fetches with so many bytes of what git says, and then ends the connection.
func cutting(bytes *atomic.Int64) func(git http.Handler) http.Handler {
	return func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			most := bytes.Load()
			if most < 0 || r.Method != http.MethodPost {
				git.ServeHTTP(w, r)
				return
			}
			record := httptest.NewRecorder()
			git.ServeHTTP(record, r)
			for name, values := range record.Header() {
				w.Header()[name] = values
			}
			_, _ = w.Write(record.Body.Bytes()[:min(most, int64(record.Body.Len()))])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
	}
}

func TestAServerThatGoesAwayInTheMiddle(t *testing.T) {
	var most atomic.Int64
	most.Store(-1)
	repo := githttp.Start(t, githttp.Options{Wrap: cutting(&most)}).Repo(t, "infra")
	ids := commits(repo, "a", 2)
	r, _ := open(t, source.Limits{})
	before := fetch(t, r, mainOf(repo))
	next := commits(repo, "b", 3)
	for n := int64(0); n < 400; n += 23 {
		most.Store(n)
		_, err := r.Fetch(t.Context(), mainOf(repo), plain())
		refused(t, err, source.FetchFailed, "")
		if contents(t, r, before)["a"] != "1" || before.ID != ids[1] {
			t.Fatalf("after %d bytes what was there before is gone", n)
		}
	}
	most.Store(-1)
	if c := fetch(t, r, mainOf(repo)); c.ID != next[2] {
		t.Errorf("then it is at %s", c.ID)
	}
}

func TestAServerThatDoesNotAnswer(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	r, _ := open(t, source.Limits{Timeout: 200 * time.Millisecond})
	_, err := r.Fetch(t.Context(), source.Place{URL: server.URL + "/x", Branch: "main"}, plain())
	refused(t, err, source.TimedOut, "longer than 200ms")
}

// TestAListOfBranchesThatDoesNotEnd has a server that goes on telling of branches.
func TestAListOfBranchesThatDoesNotEnd(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = io.WriteString(w, "001e# service=git-upload-pack\n0000")
		line := strings.Repeat("1", 40) + " refs/heads/" + strings.Repeat("x", 900)
		first := line + "\x00side-band-64k\n"
		_, err := fmt.Fprintf(w, "%04x%s", len(first)+4, first)
		for i := 0; err == nil; i++ {
			_, err = fmt.Fprintf(w, "%04x%s%08d\n", len(line)+8+1+4, line, i)
		}
	}))
	defer server.Close()
	r, _ := open(t, source.Limits{})
	_, err := r.Fetch(t.Context(), source.Place{URL: server.URL + "/x", Branch: "main"}, plain())
	refused(t, err, source.RepositoryTooLarge, "branches and tags")
}

func TestLimitsOfARepository(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	noise := make([]byte, 0, 300_000)
	for i := range 30_000 {
		noise = fmt.Appendf(noise, "%d\n", i*i*i*7919)
	}
	repo.Write(map[string]string{"large": string(noise), "a/b/c/d/deep": "x", "small": "x"})
	repo.Commit("one")
	repo.Push()
	for name, x := range map[string]struct {
		limits source.Limits
		says   string
	}{
		"the pack":     {source.Limits{PackBytes: 20_000}, "larger than"},
		"an object":    {source.Limits{ObjectBytes: 100_000}, "bytes"},
		"all objects":  {source.Limits{TotalBytes: 100_000}, "more than 100000 bytes"},
		"their number": {source.Limits{Objects: 3}, "objects, and 3 may be"},
		"files":        {source.Limits{Files: 2}, "more than 2"},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := open(t, x.limits)
			_, err := r.Fetch(t.Context(), mainOf(repo), plain())
			refused(t, err, source.RepositoryTooLarge, x.says)
		})
	}
	r, _ := open(t, source.Limits{FileBytes: 1000, PathDepth: 3})
	c := fetch(t, r, mainOf(repo))
	files, err := r.Files(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]source.Kind{}
	for _, f := range files {
		kinds[f.Path] = f.Kind
		if f.Path != "large" {
			continue
		}
		if _, err := r.Read(t.Context(), f.Blob); err != source.ErrTooLarge {
			t.Errorf("a large file: %v", err)
		}
	}
	if kinds["a/b/c"] != source.Folder || len(kinds) != 3 {
		t.Errorf("the files are %v", kinds)
	}
	// What is too large for its history alone is taken without it.
	for i := range 8 {
		repo.Write(map[string]string{"large": string(noise[i*30_000:])})
		repo.Commit(fmt.Sprint(i))
	}
	repo.Write(map[string]string{"large": "now small"})
	repo.Commit("smaller")
	repo.Push()
	r, _ = open(t, source.Limits{TotalBytes: 100_000})
	if c := fetch(t, r, mainOf(repo)); contents(t, r, c)["large"] != "now small" {
		t.Error("the newest commit is not there")
	}
}
