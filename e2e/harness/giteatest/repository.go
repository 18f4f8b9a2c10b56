package giteatest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// Repository is one of a user's.
type Repository struct {
	Owner *User
	Name  string
}

func (r *Repository) path() string { return "/repos/" + r.Owner.Name + "/" + r.Name }

// FullName is OWNER/NAME.
func (r *Repository) FullName() string { return r.Owner.Name + "/" + r.Name }

// URL is its address over HTTP.
func (r *Repository) URL() string { return r.Owner.gitea.URL + "/" + r.FullName() + ".git" }

// URLAs is URL with a user and a password, or token, in it: for a git that a test runs. Nothing of Waxwing takes such.
func (r *Repository) URLAs(name, password string) string {
	scheme, rest, _ := strings.Cut(r.URL(), "://")
	return scheme + "://" + url.UserPassword(name, password).String() + "@" + rest
}

// SSHURL is its address over SSH.
func (r *Repository) SSHURL() string {
	return "ssh://git@" + r.Owner.gitea.SSH + "/" + r.FullName() + ".git"
}

// Collaborator lets somebody else in: permission is read, write or admin.
func (r *Repository) Collaborator(u *User, permission string) {
	r.Owner.gitea.t.Helper()
	r.Owner.must(http.MethodPut, r.path()+"/collaborators/"+u.Name, map[string]any{"permission": permission}, nil)
}

// DeployKey makes a key for this repository alone, and returns the private half in OpenSSH's form.
func (r *Repository) DeployKey(title string, readOnly bool) string {
	r.Owner.gitea.t.Helper()
	private, public := newSSHKey(r.Owner.gitea.t)
	r.Owner.must(http.MethodPost, r.path()+"/keys", map[string]any{"title": title, "key": public, "read_only": readOnly}, nil)
	return private
}

// Webhook has pushes told to an address, signed with the secret. kind is gitea, or gogs, whose signature has no prefix.
func (r *Repository) Webhook(kind, address, secret string) {
	r.Owner.gitea.t.Helper()
	r.Owner.must(http.MethodPost, r.path()+"/hooks", map[string]any{
		"type": kind, "active": true, "events": []string{"push"}, "config": map[string]string{"url": address, "content_type": "json", "secret": secret},
	}, nil)
}

// Protect has a branch changed by pull requests only.
func (r *Repository) Protect(branch string) {
	r.Owner.gitea.t.Helper()
	r.Owner.must(http.MethodPost, r.path()+"/branch_protections", map[string]any{"rule_name": branch, "enable_push": false, "block_admin_merge_override": true}, nil)
}

// Unprotect ends Protect.
func (r *Repository) Unprotect(branch string) {
	r.Owner.gitea.t.Helper()
	r.Owner.must(http.MethodDelete, r.path()+"/branch_protections/"+url.PathEscape(branch), nil, nil)
}

// DeleteBranch deletes one that is not the default branch.
func (r *Repository) DeleteBranch(branch string) {
	r.Owner.gitea.t.Helper()
	r.Owner.must(http.MethodDelete, r.path()+"/branches/"+url.PathEscape(branch), nil, nil)
}

// AwaitMadeAnew waits until Gitea has come, in its queue, to a push that made a branch anew after it was deleted: until then the deletion closes pull requests of the new one.
func (r *Repository) AwaitMadeAnew(branch string) {
	t := r.Owner.gitea.t
	t.Helper()
	harness.Eventually(t.Context(), t, "Gitea knows that "+branch+" was made anew", func(ctx context.Context) error {
		var feed []struct {
			ID   int64  `json:"id"`
			Type string `json:"op_type"`
			Ref  string `json:"ref_name"`
		}
		if err := r.Owner.call(ctx, http.MethodGet, r.path()+"/activities/feeds?limit=50", nil, &feed); err != nil {
			return err
		}
		newest := map[string]int64{}
		for _, f := range feed {
			if f.Ref == "refs/heads/"+branch {
				newest[f.Type] = max(newest[f.Type], f.ID)
			}
		}
		if newest["delete_branch"] == 0 || newest["commit_repo"] < newest["delete_branch"] {
			return fmt.Errorf("it knows of %v", newest)
		}
		return nil
	})
}

// Delete deletes the repository.
func (r *Repository) Delete() {
	r.Owner.gitea.t.Helper()
	r.Owner.must(http.MethodDelete, r.path(), nil, nil)
}

// Head is the commit of a branch; empty: there is none. Git is asked, because the API knows a moment later only that the first push has come.
func (r *Repository) Head(branch string) string {
	g := r.Owner.gitea
	g.t.Helper()
	said := harness.Run(g.t, harness.Command{Path: "git", Args: []string{"ls-remote", r.URLAs(r.Owner.Name, r.Owner.Password), "refs/heads/" + branch}, Env: g.gitEnv(g.dir)})
	id, _, _ := strings.Cut(said, "\t")
	return id
}

// Commit is what the forge shows of one.
type Commit struct {
	ID      string `json:"sha"`
	Details struct {
		Message string `json:"message"`
		Author  struct {
			Name, Email string
		} `json:"author"`
		Verification struct {
			Verified  bool   `json:"verified"`
			Reason    string `json:"reason"`
			Signature string `json:"signature"`
		} `json:"verification"`
	} `json:"commit"`
	Parents []struct {
		ID string `json:"sha"`
	} `json:"parents"`
	Files []struct {
		Path string `json:"filename"`
	} `json:"files"`
}

// Commits are those of a branch, the newest first; 50 at the most.
func (r *Repository) Commits(branch string) []Commit {
	r.Owner.gitea.t.Helper()
	var all []Commit
	r.Owner.must(http.MethodGet, fmt.Sprintf("%s/commits?limit=50&stat=false&files=true&verification=true&sha=%s", r.path(), url.QueryEscape(branch)), nil, &all)
	return all
}
