package forge

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// gitlab is a project at GitLab (REST API v4). Pull requests are merge requests there.
type gitlab struct {
	*client
	project string
}

// gitlabMerge is a merge request there.
type gitlabMerge struct {
	Number int64  `json:"iid"`
	Title  string `json:"title"`
	Body   string `json:"description"`
	URL    string `json:"web_url"`
	State  string `json:"state"` // opened, closed, locked, merged
	Commit string `json:"sha"`
	From   int64  `json:"source_project_id"`
	To     int64  `json:"target_project_id"`
}

func (m *gitlabMerge) request() request {
	return request{m.Number, m.State == "opened", m.Commit, m.Title, m.Body, m.URL}
}

func (g *gitlab) open(ctx context.Context, pr PullRequest) ([]request, error) {
	all, err := g.list(ctx, "opened", pr)
	return all, err
}

func (g *gitlab) closed(ctx context.Context, pr PullRequest) ([]request, error) {
	all, err := g.list(ctx, "all", pr)
	var closed []request
	for _, r := range all {
		if !r.open {
			closed = append(closed, r)
		}
	}
	return closed, err
}

func (g *gitlab) list(ctx context.Context, state string, pr PullRequest) ([]request, error) {
	var some []gitlabMerge
	query := url.Values{"state": {state}, "source_branch": {pr.Head}, "target_branch": {pr.Base}, "order_by": {"updated_at"}, "sort": {"desc"}, "per_page": {"100"}}
	if err := g.do(ctx, http.MethodGet, g.project+"/merge_requests", query, nil, &some); err != nil {
		return nil, err
	}
	var all []request
	for i := range some {
		// A fork may have a branch of this name.
		if m := &some[i]; m.From == m.To {
			all = append(all, m.request())
		}
	}
	return all, nil
}

func (g *gitlab) create(ctx context.Context, pr PullRequest) (request, error) {
	var m gitlabMerge
	in := map[string]string{"source_branch": pr.Head, "target_branch": pr.Base, "title": pr.Title, "description": pr.Body}
	err := g.do(ctx, http.MethodPost, g.project+"/merge_requests", nil, in, &m)
	return m.request(), err
}

func (g *gitlab) update(ctx context.Context, number int64, pr PullRequest) error {
	in := map[string]string{"title": pr.Title, "description": pr.Body}
	return g.do(ctx, http.MethodPut, g.project+"/merge_requests/"+strconv.FormatInt(number, 10), nil, in, nil)
}

func (g *gitlab) protected(ctx context.Context, branch string) (bool, error) {
	var b struct {
		Protected bool `json:"protected"`
		CanPush   bool `json:"can_push"`
	}
	err := g.do(ctx, http.MethodGet, g.project+"/repository/branches/"+url.PathEscape(branch), nil, nil, &b)
	return b.Protected && !b.CanPush, err
}
