package forge

import (
	"context"

	"code.gitea.io/sdk/gitea"
)

// giteaServer is a repository of a Gitea or Forgejo server.
type giteaServer struct {
	*client
	owner, name string
}

// api is the library's client for one request: it keeps a context.
func (g *giteaServer) api(ctx context.Context) (*gitea.Client, error) {
	// Without a version the server is not asked for its own.
	return gitea.NewClient(g.base.String(), gitea.SetGiteaVersion(""), gitea.SetHTTPClient(g.http), gitea.SetContext(ctx))
}

func giteaRequest(p *gitea.PullRequest) request {
	r := request{number: p.Index, open: p.State == gitea.StateOpen, title: p.Title, body: p.Body, url: p.HTMLURL}
	if p.Head != nil {
		r.commit = p.Head.Sha
	}
	return r
}

// Of how many pages, of how many pull requests, lists are looked through: there is no way to ask for a branch.
const (
	giteaPage        = 50
	giteaOpenPages   = 40
	giteaClosedPages = 4
)

func (g *giteaServer) open(ctx context.Context, pr PullRequest) ([]request, error) {
	return g.list(ctx, gitea.StateOpen, pr, giteaOpenPages, func(p *gitea.PullRequest) bool {
		return (p.Head.Ref == pr.Head || p.Head.Name == pr.Head) && p.Head.RepoID == p.Base.RepoID
	})
}

// closed does not go by the branch, which may be gone: a commit is enough to know one again.
func (g *giteaServer) closed(ctx context.Context, pr PullRequest) ([]request, error) {
	return g.list(ctx, gitea.StateClosed, pr, giteaClosedPages, func(*gitea.PullRequest) bool { return true })
}

func (g *giteaServer) list(ctx context.Context, state gitea.StateType, pr PullRequest, pages int, is func(*gitea.PullRequest) bool) ([]request, error) {
	api, err := g.api(ctx)
	if err != nil {
		return nil, g.explain(err)
	}
	var all []request
	for page := 1; page <= pages; page++ {
		some, _, err := api.ListRepoPullRequests(g.owner, g.name, gitea.ListPullRequestsOptions{
			ListOptions: gitea.ListOptions{Page: page, PageSize: giteaPage}, State: state, Sort: "recentupdate",
		})
		if err != nil {
			return nil, g.explain(err)
		}
		for _, p := range some {
			if p != nil && p.Base != nil && p.Head != nil && p.Base.Ref == pr.Base && is(p) {
				all = append(all, giteaRequest(p))
			}
		}
		// A server may give fewer on a page than it is asked for.
		if len(some) == 0 || state == gitea.StateOpen && len(all) > 0 {
			break
		}
	}
	return all, nil
}

func (g *giteaServer) create(ctx context.Context, pr PullRequest) (request, error) {
	api, err := g.api(ctx)
	if err != nil {
		return request{}, g.explain(err)
	}
	p, _, err := api.CreatePullRequest(g.owner, g.name, gitea.CreatePullRequestOption{Head: pr.Head, Base: pr.Base, Title: pr.Title, Body: pr.Body})
	if err != nil {
		return request{}, g.explain(err)
	}
	return giteaRequest(p), nil
}

func (g *giteaServer) update(ctx context.Context, number int64, pr PullRequest) error {
	api, err := g.api(ctx)
	if err == nil {
		_, _, err = api.EditPullRequest(g.owner, g.name, number, gitea.EditPullRequestOption{Title: pr.Title, Body: &pr.Body})
	}
	return g.explain(err)
}

func (g *giteaServer) protected(ctx context.Context, branch string) (bool, error) {
	api, err := g.api(ctx)
	if err != nil {
		return false, g.explain(err)
	}
	b, _, err := api.GetRepoBranch(g.owner, g.name, branch)
	if err != nil {
		return false, g.explain(err)
	}
	return b.Protected && !b.UserCanPush, nil
}
