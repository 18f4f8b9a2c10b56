package forge_test

import (
	"fmt"
	"net/http"
	"strings"
)

// from is the number of the repository that a pull request is from; that of the fakes is 1.
func (p *pull) from() int {
	switch {
	case p.fork:
		return 3
	case p.owner == "team":
		return 1
	}
	return 2
}

// page says whether a fake has anything on the page that is asked for.
func page(r *http.Request) bool {
	p := r.URL.Query().Get("page")
	return p == "" || p == "1"
}

// fakeGitea answers as Gitea does, as far as it is asked. e2e has the real one.
func fakeGitea(f *fake) http.Handler {
	const repo = "/api/v1/repos/team/infra"
	show := func(p *pull) map[string]any {
		from := p.from()
		return map[string]any{
			"number": p.number, "title": p.title, "body": p.body, "state": p.state, "html_url": fmt.Sprintf("https://git.example.com/team/infra/%d", p.number),
			"head": map[string]any{"label": p.head, "ref": p.head, "sha": p.commit, "repo_id": from}, "base": map[string]any{"ref": p.base, "repo_id": 1},
		}
	}
	m := http.NewServeMux()
	m.HandleFunc("GET "+repo+"/pulls", func(w http.ResponseWriter, r *http.Request) {
		all := []any{}
		for _, p := range f.pulls {
			if page(r) && p.state == r.URL.Query().Get("state") {
				all = append(all, show(p))
			}
		}
		reply(w, all)
	})
	m.HandleFunc("POST "+repo+"/pulls", func(w http.ResponseWriter, r *http.Request) {
		in := fields(r)
		if p := f.made(w, in["head"], in["base"], in["title"], in["body"]); p != nil {
			reply(w, show(p))
		}
	})
	m.HandleFunc("PATCH "+repo+"/pulls/{number}", func(w http.ResponseWriter, r *http.Request) {
		in, p := fields(r), f.find(r.PathValue("number"))
		p.title, p.body = in["title"], in["body"]
		reply(w, show(p))
	})
	m.HandleFunc("GET "+repo+"/branches/{branch}", func(w http.ResponseWriter, r *http.Request) { f.branch(w, r, "user_can_push") })
	return m
}

// branch answers what is asked about one.
func (f *fake) branch(w http.ResponseWriter, r *http.Request, mayPush string) {
	name := r.PathValue("branch")
	if _, ok := f.branches[name]; !ok && !f.protected[name] {
		http.Error(w, `{"message": "no such branch"}`, http.StatusNotFound)
		return
	}
	answer := map[string]any{"name": name, "protected": f.protected[name]}
	if mayPush != "" {
		answer[mayPush] = f.mayPush || !f.protected[name]
	}
	reply(w, answer)
}

// fakeGitHub answers as GitHub Enterprise does, as far as it is asked.
func fakeGitHub(f *fake) http.Handler {
	const repo = "/api/v3/repos/team/infra"
	show := func(p *pull) map[string]any {
		return map[string]any{
			"number": p.number, "title": p.title, "body": p.body, "state": p.state, "html_url": fmt.Sprintf("https://git.example.com/team/infra/%d", p.number),
			"head": map[string]any{"ref": p.head, "sha": p.commit, "repo": map[string]any{"full_name": p.owner + map[bool]string{false: "/infra", true: "/infra-2"}[p.fork]}},
		}
	}
	m := http.NewServeMux()
	m.HandleFunc("GET "+repo+"/pulls", func(w http.ResponseWriter, r *http.Request) {
		q, all := r.URL.Query(), []any{}
		if r.Header.Get("X-GitHub-Api-Version") == "" {
			f.t.Error("no version is asked for")
		}
		for _, p := range f.pulls {
			if p.state == q.Get("state") && p.owner+":"+p.head == q.Get("head") && p.base == q.Get("base") {
				all = append(all, show(p))
			}
		}
		reply(w, all)
	})
	m.HandleFunc("POST "+repo+"/pulls", func(w http.ResponseWriter, r *http.Request) {
		in := fields(r)
		if p := f.made(w, in["head"], in["base"], in["title"], in["body"]); p != nil {
			reply(w, show(p))
		}
	})
	m.HandleFunc("PATCH "+repo+"/pulls/{number}", func(w http.ResponseWriter, r *http.Request) {
		in, p := fields(r), f.find(r.PathValue("number"))
		p.title, p.body = in["title"], in["body"]
		reply(w, show(p))
	})
	m.HandleFunc("GET "+repo+"/branches/{branch}", func(w http.ResponseWriter, r *http.Request) { f.branch(w, r, "") })
	return m
}

// fakeGitLab answers as GitLab does, as far as it is asked.
func fakeGitLab(f *fake) http.Handler {
	state := map[string]string{"open": "opened", "closed": "closed"}
	show := func(p *pull) map[string]any {
		from := p.from()
		return map[string]any{
			"iid": p.number, "title": p.title, "description": p.body, "state": state[p.state], "web_url": fmt.Sprintf("https://git.example.com/team/infra/%d", p.number),
			"sha": p.commit, "source_project_id": from, "target_project_id": 1,
		}
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /api/v4/projects/{project}/merge_requests", func(w http.ResponseWriter, r *http.Request) {
		q, all := r.URL.Query(), []any{}
		for _, p := range f.pulls {
			if (q.Get("state") == "all" || q.Get("state") == state[p.state]) && p.head == q.Get("source_branch") && p.base == q.Get("target_branch") {
				all = append(all, show(p))
			}
		}
		reply(w, all)
	})
	m.HandleFunc("POST /api/v4/projects/{project}/merge_requests", func(w http.ResponseWriter, r *http.Request) {
		in := fields(r)
		if p := f.made(w, in["source_branch"], in["target_branch"], in["title"], in["description"]); p != nil {
			reply(w, show(p))
		}
	})
	m.HandleFunc("PUT /api/v4/projects/{project}/merge_requests/{number}", func(w http.ResponseWriter, r *http.Request) {
		in, p := fields(r), f.find(r.PathValue("number"))
		p.title, p.body = in["title"], in["description"]
		reply(w, show(p))
	})
	m.HandleFunc("GET /api/v4/projects/{project}/repository/branches/{branch}", func(w http.ResponseWriter, r *http.Request) { f.branch(w, r, "can_push") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.EscapedPath(), "/api/v4/projects/team%2Finfra/") {
			f.t.Errorf("the project is %s", r.URL.EscapedPath())
		}
		m.ServeHTTP(w, r)
	})
}
