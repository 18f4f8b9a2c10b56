package forge

import (
	"context"
	"net/url"
	"strings"

	"github.com/google/go-github/v88/github"
)

// gitHubServer is a repository at GitHub, or of a GitHub Enterprise server.
type gitHubServer struct {
	*client
	api         *github.Client
	owner, name string
}

func newGitHub(c *client, owner, name string) (*gitHubServer, error) {
	// Its own watch over rates would have a client that is made anew each time forget them in any case.
	options := []github.ClientOptionsFunc{github.WithHTTPClient(c.http), github.WithDisableRateLimitCheck()}
	if strings.EqualFold(c.base.Hostname(), "github.com") {
		c.base = &url.URL{Scheme: "https", Host: "api.github.com"}
	} else {
		options = append(options, github.WithEnterpriseURLs(c.base.String()+"/", c.base.String()+"/"))
	}
	api, err := github.NewClient(options...)
	if err != nil {
		return nil, c.explain(err)
	}
	return &gitHubServer{c, api, owner, name}, nil
}

func gitHubRequest(p *github.PullRequest) request {
	return request{int64(p.GetNumber()), p.GetState() == "open", p.GetHead().GetSHA(), p.GetTitle(), p.GetBody(), p.GetHTMLURL()}
}

func (g *gitHubServer) open(ctx context.Context, pr PullRequest) ([]request, error) {
	return g.list(ctx, "open", pr)
}

func (g *gitHubServer) closed(ctx context.Context, pr PullRequest) ([]request, error) {
	return g.list(ctx, "closed", pr)
}

func (g *gitHubServer) list(ctx context.Context, state string, pr PullRequest) ([]request, error) {
	some, _, err := g.api.PullRequests.List(ctx, g.owner, g.name, &github.PullRequestListOptions{
		State: state, Head: g.owner + ":" + pr.Head, Base: pr.Base, Sort: "updated", Direction: "desc", ListOptions: github.ListOptions{PerPage: 100},
	})
	if err != nil {
		return nil, g.explain(err)
	}
	var all []request
	for _, p := range some {
		// The owner may have a fork of it, under another name. That of a repository that is gone is not known.
		from := p.GetHead().GetRepo().GetFullName()
		if p.GetHead().GetRef() == pr.Head && (from == "" || strings.EqualFold(from, g.owner+"/"+g.name)) {
			all = append(all, gitHubRequest(p))
		}
	}
	return all, nil
}

func (g *gitHubServer) create(ctx context.Context, pr PullRequest) (request, error) {
	p, _, err := g.api.PullRequests.Create(ctx, g.owner, g.name, &github.NewPullRequest{Head: &pr.Head, Base: &pr.Base, Title: &pr.Title, Body: &pr.Body})
	if err != nil {
		return request{}, g.explain(err)
	}
	return gitHubRequest(p), nil
}

func (g *gitHubServer) update(ctx context.Context, number int64, pr PullRequest) error {
	_, _, err := g.api.PullRequests.Edit(ctx, g.owner, g.name, int(number), &github.PullRequest{Title: &pr.Title, Body: &pr.Body})
	return g.explain(err)
}

func (g *gitHubServer) protected(ctx context.Context, branch string) (bool, error) {
	b, _, err := g.api.Repositories.GetBranch(ctx, g.owner, g.name, branch, 0)
	if err != nil {
		return false, g.explain(err)
	}
	return b.GetProtected(), nil
}
