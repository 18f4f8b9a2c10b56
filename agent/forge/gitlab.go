package forge

import (
	"context"

	gitlab "gitlab.com/gitlab-org/api/client-go"
	"golang.org/x/time/rate"
)

// gitLabServer is a project at GitLab. Pull requests are merge requests there.
type gitLabServer struct {
	*client
	api     *gitlab.Client
	project string // GROUP/NAME
}

func newGitLab(c *client, repository string) (*gitLabServer, error) {
	// It is given no token: the carrier puts it on. What fails is tried again in one place for all forges, and a server's headers slow nothing down.
	api, err := gitlab.NewClient("", gitlab.WithHTTPClient(c.http), gitlab.WithBaseURL(c.base.String()), gitlab.WithoutRetries(),
		gitlab.WithCustomLimiter(rate.NewLimiter(rate.Inf, 0)))
	if err != nil {
		return nil, c.explain(err)
	}
	return &gitLabServer{c, api, repository}, nil
}

func gitLabRequest(m *gitlab.BasicMergeRequest) request {
	return request{m.IID, m.State == "opened", m.SHA, m.Title, m.Description, m.WebURL}
}

func (g *gitLabServer) open(ctx context.Context, pr PullRequest) ([]request, error) {
	return g.list(ctx, "opened", pr)
}

func (g *gitLabServer) closed(ctx context.Context, pr PullRequest) ([]request, error) {
	all, err := g.list(ctx, "all", pr)
	var closed []request
	for _, r := range all {
		if !r.open {
			closed = append(closed, r)
		}
	}
	return closed, err
}

func (g *gitLabServer) list(ctx context.Context, state string, pr PullRequest) ([]request, error) {
	some, _, err := g.api.MergeRequests.ListProjectMergeRequests(g.project, &gitlab.ListProjectMergeRequestsOptions{
		State: &state, SourceBranch: &pr.Head, TargetBranch: &pr.Base, OrderBy: new("updated_at"), Sort: new("desc"), ListOptions: gitlab.ListOptions{PerPage: 100},
	}, gitlab.WithContext(ctx))
	if err != nil {
		return nil, g.explain(err)
	}
	var all []request
	for _, m := range some {
		// A fork may have a branch of this name.
		if m.SourceProjectID == m.TargetProjectID {
			all = append(all, gitLabRequest(m))
		}
	}
	return all, nil
}

func (g *gitLabServer) create(ctx context.Context, pr PullRequest) (request, error) {
	m, _, err := g.api.MergeRequests.CreateMergeRequest(g.project, &gitlab.CreateMergeRequestOptions{
		SourceBranch: &pr.Head, TargetBranch: &pr.Base, Title: &pr.Title, Description: &pr.Body,
	}, gitlab.WithContext(ctx))
	if err != nil {
		return request{}, g.explain(err)
	}
	return gitLabRequest(&m.BasicMergeRequest), nil
}

func (g *gitLabServer) update(ctx context.Context, number int64, pr PullRequest) error {
	_, _, err := g.api.MergeRequests.UpdateMergeRequest(g.project, number, &gitlab.UpdateMergeRequestOptions{Title: &pr.Title, Description: &pr.Body}, gitlab.WithContext(ctx))
	return g.explain(err)
}

func (g *gitLabServer) protected(ctx context.Context, branch string) (bool, error) {
	b, _, err := g.api.Branches.GetBranch(g.project, branch, gitlab.WithContext(ctx))
	if err != nil {
		return false, g.explain(err)
	}
	return b.Protected && !b.CanPush, nil
}
