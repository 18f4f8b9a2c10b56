// Package forge_test has the agent's client of Gitea ask a real one. GitHub and GitLab have fakes, in agent/forge.
package forge_test

import (
	"fmt"
	"testing"

	"github.com/waxwing-io/waxwing/agent/forge"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/giteatest"
)

func TestMain(m *testing.M) { harness.Main(m) }

const branch = "waxwing/team/infra"

// hub is a repository at a real Gitea, whose main was published, with the agent's client for a user who may write.
type hub struct {
	t      *testing.T
	repo   *giteatest.Repository
	owner  *giteatest.User
	clone  *giteatest.Clone
	client forge.Forge
}

func newHub(t *testing.T) *hub {
	t.Helper()
	g := giteatest.Start(t, giteatest.Options{})
	h := &hub{t: t, owner: g.User("team")}
	bot := g.User("bot")
	h.repo = h.owner.Repository("infra")
	h.repo.Collaborator(bot, "write")
	h.clone = h.owner.Clone(h.repo)
	h.clone.Publish("feat: one", map[string]string{"one.yaml": "a: 1\n"})
	var err error
	h.client, err = forge.New(v1alpha1.ForgeGitea, forge.Access{URL: g.URL, CA: []byte(g.CA), Repository: h.repo.FullName(), Token: bot.Token("forge", "write:repository")})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// push has the branch stand at a commit of its own.
func (h *hub) push(content string) (commit string) {
	h.t.Helper()
	h.clone.Git("checkout", "--quiet", "-B", branch, "origin/main")
	h.clone.Write(map[string]string{"one.yaml": content})
	commit = h.clone.Commit("chore(seal): " + content)
	h.clone.Git("push", "--quiet", "--force", "origin", branch)
	return commit
}

func (h *hub) ensure(title, commit string) string {
	h.t.Helper()
	url, err := h.client.Ensure(h.t.Context(), forge.PullRequest{Head: branch, Base: "main", Title: title, Body: "one\n\n- `two`\n"}, commit)
	if err != nil {
		h.t.Fatal(err)
	}
	return url
}

func TestThereIsOnePullRequestAtARealGitea(t *testing.T) {
	h := newHub(t)
	first := h.push("a: 2")
	url := h.ensure("chore(seal): one", first) // a moment after the push
	open := h.repo.PullRequests("open")
	if len(open) != 1 || open[0].URL != url || open[0].Title != "chore(seal): one" || open[0].Head.Commit != first || open[0].Base.Branch != "main" || open[0].Poster.Name != "bot" {
		t.Fatalf("%s: %+v", url, open)
	}
	second := h.push("a: 3")
	if again := h.ensure("chore(seal): two", second); again != url {
		t.Errorf("%s, and was %s", again, url)
	}
	if open := h.repo.PullRequests("open"); len(open) != 1 || open[0].Title != "chore(seal): two" {
		t.Errorf("%+v", open)
	}

	// Gitea takes a request along to what was pushed a moment later, and not one that is closed by then.
	h.repo.AwaitPullRequest(t.Context(), func(p giteatest.PullRequest) error {
		if p.Head.Commit != second {
			return fmt.Errorf("it is at %s, and %s was pushed", p.Head.Commit, second)
		}
		return nil
	})
	// A person closes it: not again for this commit, nor when the branch was deleted and made anew.
	h.repo.Close(h.owner, open[0])
	if again := h.ensure("chore(seal): two", second); again != "" {
		t.Errorf("it was made again: %s", again)
	}
	h.repo.DeleteBranch(branch)
	h.clone.Git("push", "--quiet", "origin", branch)
	h.repo.AwaitMadeAnew(branch)
	if again := h.ensure("chore(seal): two", second); again != "" {
		t.Errorf("it was made again: %s", again)
	}
	third := h.push("a: 4")
	url = h.ensure("chore(seal): three", third)
	open = h.repo.PullRequests("open")
	if len(open) != 1 || open[0].URL != url || open[0].Title != "chore(seal): three" {
		t.Fatalf("%s: %+v", url, open)
	}

	// Merged, it is not made again either.
	h.repo.Merge(h.owner, open[0], "squash")
	if again := h.ensure("chore(seal): three", third); again != "" || len(h.repo.PullRequests("open")) != 0 {
		t.Errorf("it was made again: %s", again)
	}
}

func TestARealGiteaSaysWhatIsProtected(t *testing.T) {
	h := newHub(t)
	h.push("a: 2")
	is := func(name string) bool {
		t.Helper()
		protected, err := h.client.Protected(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return protected
	}
	if is("main") || is(branch) || is("none/such") {
		t.Error("nothing was protected")
	}
	h.repo.Protect("main")
	if !is("main") || is(branch) {
		t.Error("main is protected, and the other branch is not")
	}
}
