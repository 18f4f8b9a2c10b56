// Package githttp serves bare repositories over HTTP, or HTTPS, by git's own git-http-backend, and keeps working copies to fill them from.
//
// What is served is real Git. In between, a test can want credentials, and stand in the way of requests. git and git-http-backend have to be on the machine, as they are
// wherever git is installed.
package githttp

import (
	"bytes"
	"crypto/subtle"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Options of a server; all may be left out.
type Options struct {
	TLS bool
	// Username and Password are wanted of every request, if they are set.
	Username, Password string
	// Wrap stands between a request and git, behind the credentials.
	Wrap func(git http.Handler) http.Handler
}

// Server serves the repositories in a folder.
type Server struct {
	URL  string // without a / at its end
	CA   []byte // PEM of what its certificate is signed by; nil without TLS
	root string
	home string
	http *httptest.Server

	mu       sync.Mutex
	requests []string
}

// Start serves until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := New(t.TempDir(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// New serves the repositories in the folder root, which have to be bare and named NAME.git, on a free port of loopback until Close. home is where git finds its user's
// files, of which it reads none.
func New(root, home string, o Options) (*Server, error) {
	s := &Server{root: root, home: home}
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("git --exec-path: %w", err)
	}
	quiet := log.New(io.Discard, "", 0)
	var handler http.Handler = &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + s.root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "HOME=" + s.home},
		// Connections that tests cut, and repositories that are not there, are no news.
		Logger: quiet, Stderr: io.Discard,
	}
	if o.Wrap != nil {
		handler = o.Wrap(handler)
	}
	s.http = httptest.NewUnstartedServer(s.guard(o, handler))
	s.http.Config.ErrorLog = quiet
	if o.TLS {
		s.http.StartTLS()
		s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	} else {
		s.http.Start()
	}
	s.URL = s.http.URL
	return s, nil
}

// Close ends the server once what is under way has been answered.
func (s *Server) Close() { s.http.Close() }

// guard keeps a record of requests, and wants credentials.
func (s *Server) guard(o Options, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
		s.mu.Unlock()
		username, password, _ := r.BasicAuth()
		if o.Username+o.Password != "" && subtle.ConstantTimeCompare([]byte(username+"\x00"+password), []byte(o.Username+"\x00"+o.Password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Requests are those that have come, as "GET /infra.git/info/refs?service=git-upload-pack".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// Repo is a bare repository of a server, with a working copy.
type Repo struct {
	t    testing.TB
	URL  string
	Bare string // its folder
	Work string // the working copy's folder, on branch main
	env  []string
}

// Repo makes an empty repository that can be pushed to, such as "infra", and a working copy of it.
func (s *Server) Repo(t testing.TB, name string) *Repo {
	t.Helper()
	r := &Repo{t: t, URL: s.URL + "/" + name + ".git", Bare: filepath.Join(s.root, name+".git"), Work: filepath.Join(t.TempDir(), name)}
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com",
	}
	r.run("", "init", "--quiet", "--bare", "--initial-branch=main", r.Bare)
	r.run("", "-C", r.Bare, "config", "http.receivepack", "true")
	r.run("", "-C", r.Bare, "config", "receive.autoGC", "false")
	r.run("", "init", "--quiet", "--initial-branch=main", r.Work)
	r.Git("remote", "add", "origin", r.Bare)
	return r
}

// Git runs git in the working copy and gives what it prints, without spaces around it.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	return r.GitIn("", args...)
}

// GitIn is Git with something on standard input.
func (r *Repo) GitIn(stdin string, args ...string) string {
	r.t.Helper()
	return r.run(stdin, append([]string{"-C", r.Work}, args...)...)
}

func (r *Repo) run(stdin string, args ...string) string {
	r.t.Helper()
	// Git would tidy up in the background, while tests remove the folder.
	cmd := exec.Command("git", append([]string{"-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "receive.autoGC=false"}, args...)...)
	cmd.Env, cmd.Stdin = r.env, strings.NewReader(stdin)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
	return strings.TrimSpace(string(out))
}

// Write writes files into the working copy.
func (r *Repo) Write(files map[string]string) {
	r.t.Helper()
	for path, content := range files {
		full := filepath.Join(r.Work, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

// Commit commits all that is in the working copy and gives the id.
func (r *Repo) Commit(message string) string {
	r.t.Helper()
	r.Git("add", "--all", ".")
	r.Git("commit", "--quiet", "--allow-empty", "-m", message)
	return r.Git("rev-parse", "HEAD")
}

// Push pushes the branch that is checked out, or what it is told to.
func (r *Repo) Push(args ...string) {
	r.t.Helper()
	if len(args) == 0 {
		args = []string{"HEAD"}
	}
	r.Git(append([]string{"push", "--quiet", "origin"}, args...)...)
}

// Head is what a branch of the bare repository stands at.
func (r *Repo) Head(branch string) string {
	r.t.Helper()
	return r.run("", "-C", r.Bare, "rev-parse", "refs/heads/"+branch)
}
