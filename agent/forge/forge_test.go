package forge_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/forge"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const token = "not-a-real-token"

// pull is a pull request of a fake.
type pull struct {
	number                           int
	state, head, base, commit, owner string
	title, body                      string
	fork                             bool // from a repository of the same owner under another name
}

// fake is what the fakes of forges have in common: one repository, team/infra.
type fake struct {
	t         testing.TB
	pulls     []*pull
	branches  map[string]string // to commits
	protected map[string]bool
	mayPush   bool
	requests  []string
	unknown   int // how often a new branch is not known yet
}

// made is a pull request that was asked for.
func (f *fake) made(w http.ResponseWriter, head, base, title, body string) *pull {
	f.t.Helper()
	if f.unknown > 0 {
		f.unknown--
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"message": "no such branch"}`)
		return nil
	}
	for _, p := range f.pulls {
		if p.state == "open" && p.head == head && p.base == base && p.owner == "team" && !p.fork {
			w.WriteHeader(http.StatusConflict)
			return nil
		}
	}
	p := &pull{number: len(f.pulls) + 1, state: "open", head: head, base: base, commit: f.branches[head], owner: "team", title: title, body: body}
	f.pulls = append(f.pulls, p)
	w.WriteHeader(http.StatusCreated)
	return p
}

func (f *fake) find(number string) *pull {
	for _, p := range f.pulls {
		if fmt.Sprint(p.number) == number {
			return p
		}
	}
	f.t.Errorf("there is no pull request %s", number)
	return &pull{}
}

func reply(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func fields(r *http.Request) (m map[string]string) {
	_ = json.NewDecoder(r.Body).Decode(&m)
	return m
}

// server serves a fake and gives what reaches it.
func (f *fake) serve(kind string, handler http.Handler) (forge.Forge, *httptest.Server) {
	f.t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests = append(f.requests, r.Method+" "+r.URL.EscapedPath())
		for name, want := range map[string]string{v1alpha1.ForgeGitea: "token " + token, v1alpha1.ForgeGitHub: "Bearer " + token} {
			if kind == name && r.Header.Get("Authorization") != want {
				f.t.Errorf("%s is shown %q", kind, r.Header.Get("Authorization"))
			}
		}
		if kind == v1alpha1.ForgeGitLab && r.Header.Get("Private-Token") != token {
			f.t.Error("GitLab is shown no token")
		}
		handler.ServeHTTP(w, r)
	}))
	f.t.Cleanup(s.Close)
	return open(f.t, kind, forge.Access{URL: s.URL, CA: authority(s), Repository: "team/infra"}), s
}

func authority(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func open(t testing.TB, kind string, a forge.Access) forge.Forge {
	t.Helper()
	a.Token, a.Pause = token, func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	f, err := forge.New(kind, a)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// fakes are the three kinds, each with a fake of its server.
func fakes(t *testing.T, test func(t *testing.T, f *fake, client forge.Forge)) {
	for kind, handler := range map[string]func(*fake) http.Handler{v1alpha1.ForgeGitea: fakeGitea, v1alpha1.ForgeGitHub: fakeGitHub, v1alpha1.ForgeGitLab: fakeGitLab} {
		t.Run(kind, func(t *testing.T) {
			f := &fake{t: t, branches: map[string]string{"waxwing/team/infra": "c1"}, protected: map[string]bool{"main": true}}
			client, _ := f.serve(kind, handler(f))
			test(t, f, client)
		})
	}
}

func wanted() forge.PullRequest {
	return forge.PullRequest{Head: "waxwing/team/infra", Base: "main", Title: "chore(seal): rewrap 1 object", Body: "one\ntwo\n"}
}

func ensure(t *testing.T, client forge.Forge, pr forge.PullRequest, commit string) string {
	t.Helper()
	url, err := client.Ensure(t.Context(), pr, commit)
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func TestThereIsOnePullRequest(t *testing.T) {
	fakes(t, func(t *testing.T, f *fake, client forge.Forge) {
		// Of others: another branch, another base, a fork's branch of the same name.
		f.pulls = []*pull{
			{number: 1, state: "open", head: "other", base: "main", owner: "team"}, {number: 2, state: "open", head: "waxwing/team/infra", base: "next", owner: "team"},
			{number: 3, state: "open", head: "waxwing/team/infra", base: "main", owner: "stranger", commit: "c1"},
			{number: 4, state: "open", head: "waxwing/team/infra", base: "main", owner: "team", fork: true, commit: "c1"},
		}
		f.unknown = 2
		url := ensure(t, client, wanted(), "c1")
		if len(f.pulls) != 5 || url != "https://git.example.com/team/infra/5" {
			t.Fatalf("%d pull requests, %s", len(f.pulls), url)
		}
		if p := f.pulls[4]; p.title != wanted().Title || p.body != wanted().Body || p.head != wanted().Head || p.base != "main" {
			t.Errorf("%+v", p)
		}
		// The same again asks, and changes nothing, also where the server has made other line ends of it.
		f.pulls[4].body = "one\r\ntwo"
		before := len(f.requests)
		if again := ensure(t, client, wanted(), "c1"); again != url || len(f.requests) != before+1 {
			t.Errorf("%s: %q", again, f.requests[before:])
		}
		next := wanted()
		next.Title, next.Body = "chore(seal): rewrap 2 objects", "three\n"
		if again := ensure(t, client, next, "c2"); again != url || f.pulls[4].title != next.Title || f.pulls[4].body != next.Body || len(f.pulls) != 5 {
			t.Errorf("%s: %+v", again, f.pulls[4])
		}
	})
}

func TestAClosedPullRequestStaysClosedForItsCommit(t *testing.T) {
	fakes(t, func(t *testing.T, f *fake, client forge.Forge) {
		ensure(t, client, wanted(), "c1")
		f.pulls[0].state = "closed"
		if url := ensure(t, client, wanted(), "c1"); url != "" || len(f.pulls) != 1 {
			t.Errorf("it was made again: %q", url)
		}
		f.branches["waxwing/team/infra"] = "c2"
		if url := ensure(t, client, wanted(), "c2"); url != "https://git.example.com/team/infra/2" {
			t.Errorf("for another commit: %q", url)
		}
	})
}

func TestBranchesThatAreProtected(t *testing.T) {
	fakes(t, func(t *testing.T, f *fake, client forge.Forge) {
		for branch, want := range map[string]bool{"main": true, "waxwing/team/infra": false, "none": false} {
			if is, err := client.Protected(t.Context(), branch); err != nil || is != want {
				t.Errorf("%s: %v, %v", branch, is, err)
			}
		}
		f.mayPush = true
		is, err := client.Protected(t.Context(), "main")
		// GitHub does not say who may.
		if github := strings.HasSuffix(t.Name(), v1alpha1.ForgeGitHub); err != nil || is != github {
			t.Errorf("main, which may be pushed to: %v, %v", is, err)
		}
	})
}

func TestWhatAServerSaysIsShownWithoutTheToken(t *testing.T) {
	for kind := range map[string]bool{v1alpha1.ForgeGitea: true, v1alpha1.ForgeGitHub: true, v1alpha1.ForgeGitLab: true} {
		status, body := 403, ""
		f := &fake{t: t}
		client, s := f.serve(kind, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		for _, c := range []struct {
			status     int
			body, want string
		}{
			{401, `{"message": "bad token ` + token + `\u0007"}`, ": 401: bad token [redacted]"},
			{403, `{"error": "insufficient_scope"}`, ": 403: insufficient_scope"},
			{500, "<html>" + token, ": 500"},
			{200, "<html>", "the answer is none of such a forge"},
			{200, `"` + strings.Repeat("x", 9<<20) + `"`, "the answer has more than 8 MiB"},
			{200, "[" + strings.Repeat("{},", 1_000_000) + "{}]", "the answer has more than 16384 values"},
			// A list of numbers has the libraries make an object of each.
			{200, "[" + strings.Repeat("0,", 1_000_000) + "0]", "the answer has more than 16384 values"},
			{200, `[{"assignees": [` + strings.Repeat("0,", 1_000_000) + "0]}]", "the answer has more than 16384 values"},
			{200, "[1e999," + strings.Repeat("{},", 1_000_000) + "{}]", "the answer has more than 16384 values"},
			{200, "[{" + strings.Repeat(`"a":"",`, 500_000) + `"a":""}]`, "the answer has more than 262144 words"},
			{403, `{"message": [` + strings.Repeat("0,", 1_000_000) + "0]}", ": 403"},
		} {
			status, body = c.status, c.body
			_, err := client.Ensure(t.Context(), wanted(), "c1")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), s.URL) || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "\a") || len(err.Error()) > 600 {
				t.Errorf("%s, %d: %v", kind, c.status, err)
			}
		}
	}
}

// TestAnswersThatAreEmpty holds that nothing is taken for granted of an answer: each kind of request is answered by each kind of nothing.
func TestAnswersThatAreEmpty(t *testing.T) {
	for kind := range map[string]bool{v1alpha1.ForgeGitea: true, v1alpha1.ForgeGitHub: true, v1alpha1.ForgeGitLab: true} {
		for _, list := range []string{"null", "[null]", "[{}]", `[{"labels":[{},null]}]`, "[]", ""} {
			for _, one := range []string{"null", "{}", `{"labels":[{},0]}`, ""} {
				f := &fake{t: t}
				client, _ := f.serve(kind, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body := one
					if r.Method == http.MethodGet && !strings.Contains(r.URL.Path, "/branches/") && !strings.HasSuffix(r.URL.Path, "/version") {
						body = list
					}
					_, _ = io.WriteString(w, body)
				}))
				if url, err := client.Ensure(t.Context(), wanted(), "c1"); err != nil && !strings.Contains(err.Error(), "none of such a forge") {
					t.Errorf("%s, %q and %q: %q, %v", kind, list, one, url, err)
				}
				if is, err := client.Protected(t.Context(), "main"); is || err != nil && !strings.Contains(err.Error(), "none of such a forge") {
					t.Errorf("%s, %q and %q: %t, %v", kind, list, one, is, err)
				}
			}
		}
	}
}

func TestTheTokenGoesToNoOtherServer(t *testing.T) {
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other server was asked") }))
	defer other.Close()
	f := &fake{t: t}
	client, _ := f.serve(v1alpha1.ForgeGitea, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/elsewhere?q="+token, http.StatusMovedPermanently)
	}))
	_, err := client.Ensure(t.Context(), wanted(), "c1")
	if err == nil || !strings.Contains(err.Error(), "it sends on to "+other.URL+", where the token is not sent") || strings.Contains(err.Error(), token) {
		t.Errorf("%v", err)
	}
	// The environment names no proxy: what is asked arrives although it does.
	t.Setenv("HTTPS_PROXY", other.URL)
	if _, err := client.Protected(t.Context(), "main"); err == nil || !strings.Contains(err.Error(), "it sends on") {
		t.Errorf("%v", err)
	}
	// One whose certificate is of somebody else gets nothing.
	stranger := open(t, v1alpha1.ForgeGitea, forge.Access{URL: other.URL, Repository: "team/infra"})
	if _, err := stranger.Protected(t.Context(), "main"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}

func TestAccessThatCannotBe(t *testing.T) {
	good := forge.Access{URL: "https://git.example.com", Repository: "team/infra", Token: token}
	for name, c := range map[string]struct {
		kind   string
		change func(a *forge.Access)
		want   string
	}{
		"no kind":            {"Other", func(*forge.Access) {}, `"Other" is no kind of forge`},
		"no repository":      {v1alpha1.ForgeGitea, func(a *forge.Access) { a.Repository = "infra" }, "is no repository"},
		"groups elsewhere":   {v1alpha1.ForgeGitHub, func(a *forge.Access) { a.Repository = "a/b/c" }, "is no repository"},
		"a way up":           {v1alpha1.ForgeGitLab, func(a *forge.Access) { a.Repository = "a/../b" }, "is no repository"},
		"no address":         {v1alpha1.ForgeGitea, func(a *forge.Access) { a.URL = "git.example.com" }, "address is none"},
		"a user in it":       {v1alpha1.ForgeGitea, func(a *forge.Access) { a.URL = "https://u:p@git.example.com" }, "address is none"},
		"in the clear":       {v1alpha1.ForgeGitea, func(a *forge.Access) { a.URL = "http://git.example.com" }, "use https://"},
		"no token":           {v1alpha1.ForgeGitea, func(a *forge.Access) { a.Token = "" }, "have no token"},
		"a token of lines":   {v1alpha1.ForgeGitea, func(a *forge.Access) { a.Token = token + "\r\nX: y" }, "that no token has"},
		"no certificate":     {v1alpha1.ForgeGitea, func(a *forge.Access) { a.CA = []byte("x") }, "has no certificate"},
		"no proxy's address": {v1alpha1.ForgeGitea, func(a *forge.Access) { a.Proxy = "http://%zz" }, "the proxy's address"},
	} {
		a := good
		c.change(&a)
		if _, err := forge.New(c.kind, a); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v %s", good, good, good, good); strings.Contains(text, token) {
		t.Errorf("it prints %s", text)
	}
}
