package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// gitLabServer is a project at GitLab (REST API v4). Pull requests are merge requests there. GitLab's own library would make the agent larger by 5.6 MB.
type gitLabServer struct {
	*client
	project string // its address
}

func newGitLab(c *client, repository string) *gitLabServer {
	return &gitLabServer{c, c.base.String() + "/api/v4/projects/" + url.PathEscape(repository)}
}

// do sends a request below the project and reads the answer into out, if that is not nil.
func (g *gitLabServer) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	to := g.project + path
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := g.http.Do(req)
	if err != nil {
		return g.explain(err)
	}
	defer func() { _ = res.Body.Close() }()
	if out == nil {
		return nil
	}
	return g.explain(json.NewDecoder(res.Body).Decode(out))
}

// gitLabMerge is a merge request there.
type gitLabMerge struct {
	Number int64  `json:"iid"`
	Title  string `json:"title"`
	Body   string `json:"description"`
	URL    string `json:"web_url"`
	State  string `json:"state"` // opened, closed, locked, merged
	Commit string `json:"sha"`
	From   int64  `json:"source_project_id"`
	To     int64  `json:"target_project_id"`
}

func (m *gitLabMerge) request() request {
	return request{m.Number, m.State == "opened", m.Commit, m.Title, m.Body, m.URL}
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
	var some []gitLabMerge
	query := url.Values{"state": {state}, "source_branch": {pr.Head}, "target_branch": {pr.Base}, "order_by": {"updated_at"}, "sort": {"desc"}, "per_page": {"100"}}
	if err := g.do(ctx, http.MethodGet, "/merge_requests", query, nil, &some); err != nil {
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

func (g *gitLabServer) create(ctx context.Context, pr PullRequest) (request, error) {
	var m gitLabMerge
	in := map[string]string{"source_branch": pr.Head, "target_branch": pr.Base, "title": pr.Title, "description": pr.Body}
	err := g.do(ctx, http.MethodPost, "/merge_requests", nil, in, &m)
	return m.request(), err
}

func (g *gitLabServer) update(ctx context.Context, number int64, pr PullRequest) error {
	in := map[string]string{"title": pr.Title, "description": pr.Body}
	return g.do(ctx, http.MethodPut, "/merge_requests/"+strconv.FormatInt(number, 10), nil, in, nil)
}

func (g *gitLabServer) protected(ctx context.Context, branch string) (bool, error) {
	var b struct {
		Protected bool `json:"protected"`
		CanPush   bool `json:"can_push"`
	}
	err := g.do(ctx, http.MethodGet, "/repository/branches/"+url.PathEscape(branch), nil, nil, &b)
	return b.Protected && !b.CanPush, err
}
