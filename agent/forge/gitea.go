package forge

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// gitea is a repository of a Gitea or Forgejo server (API v1).
type gitea struct {
	*client
	repo string
}

// giteaPull is a pull request there.
type giteaPull struct {
	Number int64  `json:"number"`
	Title  string `json:"title"`
	Body   string `json:"body"`
	URL    string `json:"html_url"`
	State  string `json:"state"`
	Head   struct {
		Label      string `json:"label"`
		Ref        string `json:"ref"`
		Commit     string `json:"sha"`
		Repository int64  `json:"repo_id"`
	} `json:"head"`
	Base struct {
		Ref        string `json:"ref"`
		Repository int64  `json:"repo_id"`
	} `json:"base"`
}

func (p *giteaPull) request() request {
	return request{p.Number, p.State == "open", p.Head.Commit, p.Title, p.Body, p.URL}
}

// Of how many pages, of how many pull requests, lists are looked through: there is no way to ask for a branch.
const (
	giteaPage        = 50
	giteaOpenPages   = 40
	giteaClosedPages = 4
)

func (g *gitea) open(ctx context.Context, pr PullRequest) ([]request, error) {
	return g.list(ctx, "open", pr, giteaOpenPages, func(p *giteaPull) bool {
		return (p.Head.Ref == pr.Head || p.Head.Label == pr.Head) && p.Head.Repository == p.Base.Repository
	})
}

// closed does not go by the branch, which may be gone: a commit is enough to know one again.
func (g *gitea) closed(ctx context.Context, pr PullRequest) ([]request, error) {
	return g.list(ctx, "closed", pr, giteaClosedPages, func(*giteaPull) bool { return true })
}

func (g *gitea) list(ctx context.Context, state string, pr PullRequest, pages int, is func(*giteaPull) bool) ([]request, error) {
	var all []request
	for page := 1; page <= pages; page++ {
		var some []giteaPull
		query := url.Values{"state": {state}, "base_branch": {pr.Base}, "sort": {"recentupdate"}, "limit": {strconv.Itoa(giteaPage)}, "page": {strconv.Itoa(page)}}
		if err := g.do(ctx, http.MethodGet, g.repo+"/pulls", query, nil, &some); err != nil {
			return nil, err
		}
		for i := range some {
			// Older servers pass over base_branch.
			if p := &some[i]; p.Base.Ref == pr.Base && is(p) {
				all = append(all, p.request())
			}
		}
		// A server may give fewer on a page than it is asked for.
		if len(some) == 0 || state == "open" && len(all) > 0 {
			break
		}
	}
	return all, nil
}

func (g *gitea) create(ctx context.Context, pr PullRequest) (request, error) {
	var p giteaPull
	in := map[string]string{"head": pr.Head, "base": pr.Base, "title": pr.Title, "body": pr.Body}
	err := g.do(ctx, http.MethodPost, g.repo+"/pulls", nil, in, &p)
	return p.request(), err
}

func (g *gitea) update(ctx context.Context, number int64, pr PullRequest) error {
	in := map[string]string{"title": pr.Title, "body": pr.Body}
	return g.do(ctx, http.MethodPatch, g.repo+"/pulls/"+strconv.FormatInt(number, 10), nil, in, nil)
}

func (g *gitea) protected(ctx context.Context, branch string) (bool, error) {
	var b struct {
		Protected bool `json:"protected"`
		CanPush   bool `json:"user_can_push"`
	}
	err := g.do(ctx, http.MethodGet, g.repo+"/branches/"+url.PathEscape(branch), nil, nil, &b)
	return b.Protected && !b.CanPush, err
}
