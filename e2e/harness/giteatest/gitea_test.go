package giteatest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/giteatest"
)

func TestMain(m *testing.M) { harness.Main(m) }

// hook is a webhook that was received.
type hook struct {
	header http.Header
	body   []byte
}

// listen is where webhooks go.
func listen(t *testing.T) (address string, got <-chan hook) {
	t.Helper()
	all := make(chan hook, 16)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		all <- hook{r.Header, b}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/hook", all
}

// TestAForge does with one Gitea all that tests do with it, and then with it started anew.
func TestAForge(t *testing.T) {
	g := giteatest.Start(t, giteatest.Options{})
	alice, bot := g.User("alice"), g.User("bot")
	repo := alice.Repository("infra")
	repo.Collaborator(bot, "write")
	address, hooks := listen(t)
	repo.Webhook("gitea", address, "a secret of the test")

	clone := alice.Clone(repo)
	first := clone.Publish("feat: begin", map[string]string{"prod/db.yaml": "a: 1\n"})
	if got := repo.Head("main"); got != first {
		t.Errorf("main is %q after a push of %q", got, first)
	}
	t.Run("a push is told to the webhook, with a signature", func(t *testing.T) { signed(t, hooks, "a secret of the test", first) })
	t.Run("a token is let in, until it is revoked", func(t *testing.T) { tokens(t, clone, bot, repo, first) })
	t.Run("a key is let in over SSH, of the server that is known", func(t *testing.T) { keys(t, g, bot, repo, first) })
	t.Run("a protected branch changes by a pull request", func(t *testing.T) { reviewed(t, bot, repo) })

	head := repo.Head("main")
	g.Stop()
	g.StartAgain()
	if got := repo.Head("main"); got != head {
		t.Errorf("main is %q after a start, and was %q", got, head)
	}
}

func signed(t *testing.T, hooks <-chan hook, secret, commit string) {
	var h hook
	harness.Eventually(t.Context(), t, "a webhook comes", func(context.Context) error {
		select {
		case h = <-hooks:
			return nil
		default:
			return errors.New("none has come")
		}
	})
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(h.body)
	want := hex.EncodeToString(mac.Sum(nil))
	if diff := cmp.Diff([]string{want, "sha256=" + want}, []string{h.header.Get("X-Gitea-Signature"), h.header.Get("X-Hub-Signature-256")}); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(h.body), `"after": "`+commit+`"`) && !strings.Contains(string(h.body), `"after":"`+commit+`"`) {
		t.Errorf("it does not tell of %s: %s", commit, h.body)
	}
}

func tokens(t *testing.T, clone *giteatest.Clone, bot *giteatest.User, repo *giteatest.Repository, commit string) {
	token := bot.Token("sync", "read:repository")
	list := func() (string, error) {
		return clone.Try("ls-remote", repo.URLAs("x-access-token", token), "refs/heads/main")
	}
	if out, err := list(); err != nil || !strings.HasPrefix(out, commit) {
		t.Error(out, err)
	}
	bot.Revoke("sync")
	if out, err := list(); err == nil {
		t.Errorf("a token that was revoked: %s", out)
	}
}

func keys(t *testing.T, g *giteatest.Gitea, bot *giteatest.User, repo *giteatest.Repository, commit string) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct{ key, known string }{
		"a user's":                {bot.SSHKey("laptop"), g.KnownHosts},
		"one for the repository":  {repo.DeployKey("sync", true), g.KnownHosts},
		"of a server not known":   {bot.SSHKey("other"), "# nobody\n"},
		"of nobody whom it knows": {strangersKey(t), g.KnownHosts},
	} {
		t.Run(name, func(t *testing.T) {
			ssh := fmt.Sprintf("ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=%s -i %s", file("known", c.known), file("key", c.key))
			p := harness.StartProcess(t, harness.Command{Path: "git", Args: []string{"ls-remote", repo.SSHURL(), "refs/heads/main"}, Env: []string{"GIT_SSH_COMMAND=" + ssh}})
			code := p.Wait(t)
			if ok := strings.HasPrefix(p.Stdout(), commit); ok != !strings.HasPrefix(name, "of") || ok != (code == 0) {
				t.Errorf("it ended with %d: %s", code, p.Output())
			}
		})
	}
}

// strangersKey is one that no account has.
func strangersKey(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	harness.Run(t, harness.Command{Path: "ssh-keygen", Args: []string{"-q", "-t", "ed25519", "-N", "", "-f", path}})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func reviewed(t *testing.T, bot *giteatest.User, repo *giteatest.Repository) {
	repo.Protect("main")
	c := bot.Clone(repo)
	c.Write(map[string]string{"prod/db.yaml": "a: 2\n"})
	commit := c.Commit("chore: change it")
	if out, err := c.Try("push", "origin", "HEAD:main"); err == nil || !strings.Contains(out, "protected branch") {
		t.Errorf("a push to a protected branch: %v, %s", err, out)
	}
	c.Git("push", "--quiet", "origin", "HEAD:refs/heads/bot/change")
	bot.PullRequest(repo, "bot/change", "main", "chore: change it")
	p := repo.AwaitPullRequest(t.Context(), func(p giteatest.PullRequest) error {
		if p.Head.Commit != commit || p.Poster.Name != "bot" {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	repo.Merge(repo.Owner, p, "merge")
	harness.Eventually(t.Context(), t, "it is merged", func(context.Context) error {
		if parents := repo.Commits("main")[0].Parents; len(parents) != 2 || parents[1].ID != commit {
			return fmt.Errorf("the parents of main are %v", parents)
		}
		return nil
	})
	if open := repo.PullRequests("open"); len(open) != 0 {
		t.Errorf("%+v", open)
	}
}
