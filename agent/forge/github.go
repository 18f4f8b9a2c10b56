package forge

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// github is a repository at GitHub (REST API 2022-11-28).
type github struct {
	*client
	repo, name, owner string
}

// githubPull is a pull request there.
type githubPull struct {
	Number int64  `json:"number"`
	Title  string `json:"title"`
	Body   string `json:"body"`
	URL    string `json:"html_url"`
	State  string `json:"state"`
	Head   struct {
		Ref        string `json:"ref"`
		Commit     string `json:"sha"`
		Repository *struct {
			Name string `json:"full_name"`
		} `json:"repo"`
	} `json:"head"`
}

func (p *githubPull) request() request {
	return request{p.Number, p.State == "open", p.Head.Commit, p.Title, p.Body, p.URL}
}

func (g *github) open(ctx context.Context, pr PullRequest) ([]request, error) {
	return g.list(ctx, "open", pr)
}

func (g *github) closed(ctx context.Context, pr PullRequest) ([]request, error) {
	return g.list(ctx, "closed", pr)
}

func (g *github) list(ctx context.Context, state string, pr PullRequest) ([]request, error) {
	var some []githubPull
	query := url.Values{"state": {state}, "head": {g.owner + ":" + pr.Head}, "base": {pr.Base}, "sort": {"updated"}, "direction": {"desc"}, "per_page": {"100"}}
	if err := g.do(ctx, http.MethodGet, g.repo+"/pulls", query, nil, &some); err != nil {
		return nil, err
	}
	var all []request
	for i := range some {
		p := &some[i]
		// The owner may have a fork of it, under another name.
		if p.Head.Ref == pr.Head && (p.Head.Repository == nil || strings.EqualFold(p.Head.Repository.Name, g.name)) {
			all = append(all, p.request())
		}
	}
	return all, nil
}

func (g *github) create(ctx context.Context, pr PullRequest) (request, error) {
	var p githubPull
	in := map[string]string{"head": pr.Head, "base": pr.Base, "title": pr.Title, "body": pr.Body}
	err := g.do(ctx, http.MethodPost, g.repo+"/pulls", nil, in, &p)
	return p.request(), err
}

func (g *github) update(ctx context.Context, number int64, pr PullRequest) error {
	in := map[string]string{"title": pr.Title, "body": pr.Body}
	return g.do(ctx, http.MethodPatch, g.repo+"/pulls/"+strconv.FormatInt(number, 10), nil, in, nil)
}

func (g *github) protected(ctx context.Context, branch string) (bool, error) {
	var b struct {
		Protected bool `json:"protected"`
	}
	err := g.do(ctx, http.MethodGet, g.repo+"/branches/"+url.PathEscape(branch), nil, nil, &b)
	return b.Protected, err
}
