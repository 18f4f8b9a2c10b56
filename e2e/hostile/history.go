package hostile

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/source/pack"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// Gone is a file of a History's first commit that no commit after it has.
const Gone = "gone.yaml"

// History is one address at which the hostile commits of many cases come one after the other. Each is made upon the newest one that could be taken. Cases that git does not serve,
// and those that break a repository, have a repository of their own, which then is what that address leads to.
type History struct {
	URL string

	b      *Builder
	git    *githttp.Repo
	good   Line
	leads  atomic.Pointer[url.URL] // where the address leads to
	parent []pack.ID
}

// StartHistory serves an empty repository until the test ends.
func StartHistory(t testing.TB) *History {
	t.Helper()
	b := NewBuilder(t)
	h := &History{b: b, git: githttp.Start(t, githttp.Options{}).Repo(t, "hostile"), good: b.File(Good, b.Sealed("good"))}
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		to := h.leads.Load()
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, to.Host
		r.Out.URL.Path = to.Path + strings.TrimPrefix(r.In.URL.Path, "/hostile.git")
		r.Out.URL.RawPath = ""
	}})
	t.Cleanup(front.Close)
	h.URL = front.URL + "/hostile.git"
	h.lead(t, h.git.URL)
	return h
}

func (h *History) lead(t testing.TB, to string) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	h.leads.Store(u)
}

// Begin has the branch be at a commit without harm, which has prod/good, prod/victim and prod/gone, and gives its id.
func (h *History) Begin(t testing.TB) string {
	t.Helper()
	return h.push(t, h.b.Tree(h.good, h.b.File(Victim, h.b.Sealed("victim")), h.b.File(Gone, h.b.Sealed("gone"))), true)
}

// Lose has the branch be at a commit that has prod/good only, and gives its id.
func (h *History) Lose(t testing.TB) string {
	t.Helper()
	return h.push(t, h.b.Tree(h.good), true)
}

// Attack has the branch be at the hostile commit of a case.
func (h *History) Attack(t testing.TB, c Case) {
	t.Helper()
	if c.Fake || c.Lines == nil && c.Tree == nil {
		r := Start(t, c)
		r.Attack()
		h.lead(t, r.URL)
		return
	}
	var tree pack.ID
	if c.Lines != nil {
		tree = h.b.Tree(append(c.Lines(h.b), h.good)...)
	} else {
		tree = c.Tree(h.b)
	}
	if c.Orphan {
		h.parent = nil
	}
	h.push(t, tree, c.Fetch == "")
}

// push publishes a commit, and has the next one be made upon it if it is to be taken.
func (h *History) push(t testing.TB, tree pack.ID, taken bool) string {
	t.Helper()
	id := h.b.Commit(tree, h.parent...)
	h.git.GitIn(string(h.b.Pack()), "--git-dir="+h.git.Bare, "index-pack", "--stdin")
	h.git.Git("--git-dir="+h.git.Bare, "update-ref", "refs/heads/"+Branch, id.String())
	h.b.objects = nil
	h.lead(t, h.git.URL)
	if taken {
		h.parent = []pack.ID{id}
	}
	return id.String()
}

// Holds says that nothing may be deleted by the hostile commit of a case: it is refused as a whole, something of it that may hold objects is, or it has no objects.
func (c Case) Holds() bool {
	for _, r := range c.Refused {
		if strings.HasSuffix(r, "?") {
			return true
		}
	}
	return c.Fetch != "" || c.Lacks && len(c.Applied) == 0
}

// Usual says that a case goes with the limits that the agent has by default, and has not thousands of objects be applied.
func (c Case) Usual() bool { return c.Limits == (source.Limits{}) && !c.Thousands }
