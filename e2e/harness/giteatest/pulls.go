package giteatest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// PullRequest is one as the forge shows it.
type PullRequest struct {
	Number    int64  `json:"number"`
	URL       string `json:"html_url"`
	Title     string `json:"title"`
	Body      string `json:"body"`
	State     string `json:"state"` // open or closed
	Merged    bool   `json:"merged"`
	Mergeable bool   `json:"mergeable"`
	Poster    struct {
		Name string `json:"login"`
	} `json:"user"`
	Head, Base struct {
		Branch string `json:"ref"`
		Commit string `json:"sha"`
	}
}

// PullRequests are those in a state: open, closed or all.
func (r *Repository) PullRequests(state string) []PullRequest {
	r.Owner.gitea.t.Helper()
	var all []PullRequest
	r.Owner.must(http.MethodGet, r.path()+"/pulls?limit=50&state="+state, nil, &all)
	return all
}

// AwaitPullRequest waits until there is exactly one that is open, and is what holds says; nil: any.
func (r *Repository) AwaitPullRequest(ctx context.Context, holds func(PullRequest) error) PullRequest {
	t := r.Owner.gitea.t
	t.Helper()
	var all []PullRequest
	harness.Eventually(ctx, t, "there is a pull request", func(ctx context.Context) error {
		all = nil
		if err := r.Owner.call(ctx, http.MethodGet, r.path()+"/pulls?limit=50&state=open", nil, &all); err != nil {
			return err
		}
		switch {
		case len(all) == 0:
			return errors.New("there is none")
		case len(all) > 1:
			return harness.Permanent(fmt.Errorf("there are %d: %+v", len(all), all))
		case holds != nil:
			return holds(all[0])
		}
		return nil
	})
	return all[0]
}

func (r *Repository) pull(p PullRequest) string {
	return r.path() + "/pulls/" + strconv.FormatInt(p.Number, 10)
}

// Merge merges one as a user: style is merge, rebase, rebase-merge, squash or fast-forward-only. Gitea looks for conflicts in the background, which is waited for.
func (r *Repository) Merge(as *User, p PullRequest, style string) {
	r.Owner.gitea.t.Helper()
	as.soon(http.MethodPost, r.pull(p)+"/merge", map[string]any{"Do": style, "delete_branch_after_merge": false}, nil)
}

// Close closes one without merging it.
func (r *Repository) Close(as *User, p PullRequest) {
	r.Owner.gitea.t.Helper()
	as.must(http.MethodPatch, r.pull(p), map[string]any{"state": "closed"}, nil)
}

// PullRequest makes one as a user, from a branch that was pushed a moment ago.
func (u *User) PullRequest(r *Repository, head, base, title string) {
	u.gitea.t.Helper()
	u.soon(http.MethodPost, r.path()+"/pulls", map[string]any{"head": head, "base": base, "title": title}, nil)
}
