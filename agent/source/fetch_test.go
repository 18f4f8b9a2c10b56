package source_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

func TestABranchIsFollowed(t *testing.T) {
	server := githttp.Start(t, githttp.Options{})
	repo := server.Repo(t, "infra")
	files := map[string]string{"a.yaml": "a: 1\n", "deep/er/b.yaml": "b: 2\n", "empty": "", "ünusual näme": "x"}
	repo.Write(files)
	first := repo.Commit("feat: begin\n\nwith a body")
	repo.Push()
	r, dir := open(t, source.Limits{})
	c := fetch(t, r, mainOf(repo))
	if c.ID != first || c.Message != "feat: begin\n\nwith a body\n" || c.Author != "Ann <ann@example.com>" || len(c.Parent) != 0 || c.Tag != "" || time.Since(c.When) > time.Hour {
		t.Errorf("the commit is %+v", c)
	}
	if diff := cmp.Diff(files, contents(t, r, c)); diff != "" {
		t.Error(diff)
	}
	posts := func() int {
		return len(slices.DeleteFunc(server.Requests(), func(s string) bool { return !strings.HasPrefix(s, "POST") }))
	}
	before := posts()
	if again := fetch(t, r, mainOf(repo)); again.ID != first || posts() != before {
		t.Errorf("nothing was new, and %d requests were sent for %s", posts()-before, again.ID)
	}
	repo.Write(map[string]string{"a.yaml": "a: 2\n"})
	second := repo.Commit("fix: a")
	repo.Push()
	c = fetch(t, r, mainOf(repo))
	files["a.yaml"] = "a: 2\n"
	if c.ID != second || !slices.Equal(c.Parent, []string{first}) {
		t.Errorf("the commit is %+v", c)
	}
	if diff := cmp.Diff(files, contents(t, r, c)); diff != "" {
		t.Error(diff)
	}
	// After a restart nothing is fetched again.
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	before = posts()
	r = reopen(t, dir, source.Limits{})
	c = fetch(t, r, mainOf(repo))
	if c.ID != second || posts() != before {
		t.Errorf("after a restart %d requests were sent for %s", posts()-before, c.ID)
	}
	if diff := cmp.Diff(files, contents(t, r, c)); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyWhatIsNewIsFetched(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	files := map[string]string{}
	for i := range 300 {
		files[fmt.Sprintf("folder%d/file%d", i%10, i)] = strings.Repeat(fmt.Sprintf("%d ", i*i), 100)
	}
	repo.Write(files)
	repo.Commit("feat: begin")
	repo.Push()
	r, dir := open(t, source.Limits{})
	fetch(t, r, mainOf(repo))
	sizes := func() map[string]int64 {
		all := map[string]int64{}
		names, err := filepath.Glob(filepath.Join(dir, "*.pack"))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			about, err := os.Stat(n)
			if err != nil {
				t.Fatal(err)
			}
			all[n] = about.Size()
		}
		return all
	}
	before := sizes()
	repo.Write(map[string]string{"folder3/file3": "changed"})
	repo.Commit("fix: one")
	repo.Push()
	c := fetch(t, r, mainOf(repo))
	after := sizes()
	maps.DeleteFunc(after, func(n string, _ int64) bool { return before[n] != 0 })
	if len(before) != 1 || len(after) != 1 {
		t.Fatalf("packs before: %v, new: %v", before, after)
	}
	for _, size := range after {
		if size > 4096 {
			t.Errorf("a changed file cost %d bytes", size)
		}
	}
	files["folder3/file3"] = "changed"
	if diff := cmp.Diff(files, contents(t, r, c)); diff != "" {
		t.Error(diff)
	}
}

func TestTagsAreFollowed(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	repo.Write(map[string]string{"a": "1"})
	first := repo.Commit("one")
	repo.Git("tag", "light")
	repo.Git("tag", "-a", "-m", "released", "v1")
	repo.Git("tag", "-a", "-m", "a tag of a tag", "twice", "v1")
	repo.Git("tag", "tree", "HEAD^{tree}")
	repo.Write(map[string]string{"a": "2"})
	second := repo.Commit("two")
	repo.Push("main", "--tags")
	r, _ := open(t, source.Limits{})
	at := func(tag string) source.Place { return source.Place{URL: repo.URL, Tag: tag} }
	for tag, object := range map[string]string{"light": "", "v1": repo.Git("rev-parse", "v1"), "twice": repo.Git("rev-parse", "twice")} {
		if c := fetch(t, r, at(tag)); c.ID != first || c.Tag != object || contents(t, r, c)["a"] != "1" {
			t.Errorf("tag %s is %+v", tag, c)
		}
	}
	_, err := r.Fetch(t.Context(), at("tree"), plain())
	refused(t, err, source.RefNotFound, "no commit, but a tree")
	_, err = r.Fetch(t.Context(), at("v2"), plain())
	refused(t, err, source.RefNotFound, `no tag "v2"`)
	repo.Git("tag", "--force", "-a", "-m", "moved", "v1", second)
	repo.Push("--force", "--tags")
	c := fetch(t, r, at("v1"), first)
	if c.ID != second || c.Tag != repo.Git("rev-parse", "v1") || contents(t, r, c)["a"] != "2" {
		t.Errorf("the moved tag is %+v", c)
	}
	if relation, err := r.Relation(first, c.ID); err != nil || relation != source.Ahead {
		t.Errorf("it is %s (%v)", relation, err)
	}
}

func TestWhatCannotBeFollowed(t *testing.T) {
	server := githttp.Start(t, githttp.Options{})
	empty, repo := server.Repo(t, "empty"), server.Repo(t, "infra")
	repo.Write(map[string]string{"a": "1"})
	repo.Commit("one")
	repo.Push()
	repo.Push("HEAD:refs/heads/other")
	r, _ := open(t, source.Limits{})
	other := source.Place{URL: repo.URL, Branch: "other"}
	c := fetch(t, r, other)
	repo.Push("--delete", "other")
	for name, x := range map[string]struct {
		place  source.Place
		reason source.Reason
		says   string
	}{
		"a branch that was deleted": {other, source.RefNotFound, `no branch "other"`},
		"an empty repository":       {mainOf(empty), source.RepositoryEmpty, "no commit yet"},
		"no repository":             {source.Place{URL: server.URL + "/none.git", Branch: "main"}, source.FetchFailed, "no such repository"},
		"no server":                 {source.Place{URL: "http://127.0.0.1:1/x.git", Branch: "main"}, source.FetchFailed, "refused"},
		"no name":                   {source.Place{URL: repo.URL}, source.RefNotFound, "name a branch"},
		"two names":                 {source.Place{URL: repo.URL, Branch: "a", Tag: "b"}, source.RefNotFound, "name a branch"},
		"a name that is none":       {source.Place{URL: repo.URL, Branch: "a..b"}, source.RefNotFound, "no name"},
		"a peeled name":             {source.Place{URL: repo.URL, Tag: "a^{}"}, source.RefNotFound, "no name"},
		"no Git there":              {source.Place{URL: server.URL + "/infra.git/objects", Branch: "main"}, source.FetchFailed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Fetch(t.Context(), x.place, plain())
			refused(t, err, x.reason, x.says)
		})
	}
	// What was there before can still be read.
	if contents(t, r, c)["a"] != "1" {
		t.Error("what was fetched before is gone")
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	r, _ := open(t, source.Limits{})
	for address, says := range map[string]string{
		"http://git.example.com/x.git":               "http://",
		"https://user@git.example.com/x.git":         "credentials",
		"https://user:hunter2@git.example.com/x.git": "credentials",
		"ssh://git:hunter2@git.example.com/x.git":    "credentials",
		"https://git.example.com/x.git?a=b":          "?",
		"https://git.example.com/x.git#main":         "#",
		"https://git.example.com":                    "no path",
		"https:///x.git":                             "no host",
		"ssh://-oProxyCommand=touch/x.git":           "no host",
		"file:///etc":                                "neither",
		"/etc":                                       "neither",
		"ext::sh -c touch":                           "none",
		"git@git.example.com:x.git":                  "",
		"git://git.example.com/x.git":                "neither",
		"https://git.example.com/x\n.git":            "none",
		"ssh://git.example.com/x%0a.git":             "no path",
	} {
		_, err := r.Fetch(t.Context(), source.Place{URL: address, Branch: "main"}, source.Auth{})
		refused(t, err, source.FetchFailed, says)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password of %s is in %q", address, err)
		}
	}
}
