package giteatest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// Clone is somebody's working copy, in a folder of the test's. Not for concurrent use.
type Clone struct {
	Dir  string
	user *User
	of   *Repository
}

// Clone makes a working copy of a repository, with git over HTTP.
func (u *User) Clone(r *Repository) *Clone {
	u.gitea.t.Helper()
	c := &Clone{Dir: harness.Folder(u.gitea.t, "clone"), user: u, of: r}
	c.Git("init", "--quiet", "--initial-branch=main")
	c.Git("remote", "add", "origin", r.URLAs(u.Name, u.Password))
	c.Git("config", "user.name", u.Name)
	c.Git("config", "user.email", u.Email())
	if r.Head("main") != "" {
		c.Pull()
	}
	return c
}

// gitEnv has git read no configuration but the repository's, ask nobody, and believe this Gitea's certificate.
func (g *Gitea) gitEnv(home string) []string {
	env := []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "HOME=" + home, "LC_ALL=C"}
	if g.CA != "" {
		env = append(env, "GIT_SSL_CAINFO="+g.path("ca.crt"))
	}
	return env
}

func (c *Clone) env() []string { return c.user.gitea.gitEnv(c.Dir) }

// Git runs git in the working copy and returns what it prints, without white space around it. A push is over when the API knows, too, that the repository is not empty.
func (c *Clone) Git(args ...string) string {
	c.user.gitea.t.Helper()
	said := strings.TrimSpace(harness.Run(c.user.gitea.t, harness.Command{Path: "git", Args: args, Dir: c.Dir, Env: c.env()}))
	if args[0] == "push" {
		c.known()
	}
	return said
}

// known waits for Gitea's API after a first push: it learns of it from a queue, and until then it says that the repository is empty, or breaks, when it is asked for a branch.
func (c *Clone) known() {
	c.user.gitea.t.Helper()
	harness.Eventually(c.user.gitea.t.Context(), c.user.gitea.t, "Gitea knows of the push", func(ctx context.Context) error {
		var of struct {
			Empty bool `json:"empty"`
		}
		if err := c.user.call(ctx, http.MethodGet, c.of.path(), nil, &of); err != nil {
			return harness.Permanent(err)
		}
		if of.Empty {
			return errors.New("it says that the repository is empty")
		}
		return nil
	})
}

// Try is Git where it may fail.
func (c *Clone) Try(args ...string) (string, error) {
	c.user.gitea.t.Helper()
	cmd := exec.CommandContext(c.user.gitea.t.Context(), "git", args...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.env()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}

// Write writes files, by their paths, and removes those whose text is empty.
func (c *Clone) Write(files map[string]string) {
	t := c.user.gitea.t
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		at := filepath.Join(c.Dir, filepath.FromSlash(path))
		if files[path] == "" {
			if err := os.Remove(at); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(files[path]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Read is a file's text.
func (c *Clone) Read(path string) string {
	c.user.gitea.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.Dir, filepath.FromSlash(path)))
	if err != nil {
		c.user.gitea.t.Fatal(err)
	}
	return string(b)
}

// Commit commits all that has changed and returns the commit's id.
func (c *Clone) Commit(message string) string {
	c.user.gitea.t.Helper()
	c.Git("add", "--all")
	c.Git("commit", "--quiet", "--allow-empty", "-m", message)
	return c.Git("rev-parse", "HEAD")
}

// Push pushes the present branch.
func (c *Clone) Push() {
	c.user.gitea.t.Helper()
	c.Git("push", "--quiet", "origin", "HEAD")
}

// Pull brings main up to date.
func (c *Clone) Pull() {
	c.user.gitea.t.Helper()
	c.Git("pull", "--quiet", "--ff-only", "origin", "main")
}

// Publish is Write, Commit and Push.
func (c *Clone) Publish(message string, files map[string]string) (commit string) {
	c.user.gitea.t.Helper()
	c.Write(files)
	commit = c.Commit(message)
	c.Push()
	return commit
}
