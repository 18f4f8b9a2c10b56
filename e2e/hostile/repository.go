package hostile

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/source/pack"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// repositoryCases are harmed as a whole.
func repositoryCases() []Case {
	bare := func(r *githttp.Repo, args ...string) string {
		return r.Git(append([]string{"--git-dir=" + r.Bare}, args...)...)
	}
	return []Case{
		{
			Name: "repository: the branch is deleted",
			Break: func(r *githttp.Repo) {
				bare(r, "branch", "other", Branch)
				bare(r, "update-ref", "-d", "refs/heads/"+Branch)
			},
			Fetch: source.RefNotFound,
		},
		{
			Name:  "repository: all branches are deleted",
			Break: func(r *githttp.Repo) { bare(r, "update-ref", "-d", "refs/heads/"+Branch) },
			Fetch: source.RepositoryEmpty,
		},
		{
			Name:  "repository: the branch is a tree",
			Break: func(r *githttp.Repo) { force(r, bare(r, "rev-parse", Branch+"^{tree}")) },
			Fetch: source.RefNotFound, Says: "no commit",
		},
		{
			Name:  "repository: the branch is a file",
			Break: func(r *githttp.Repo) { force(r, bare(r, "rev-parse", Branch+":"+Good)) },
			Fetch: source.RefNotFound, Says: "no commit",
		},
		{
			Name: "repository: an object is damaged",
			Break: func(r *githttp.Repo) {
				// Git finds it when it sends it, in the middle of its answer.
				r.Git("fetch", "--quiet", "origin", Branch)
				r.Git("checkout", "--quiet", "-B", Branch, "FETCH_HEAD")
				r.Write(map[string]string{"x.yaml": numbered("k%d: v\n", 1000)})
				r.Commit("x")
				r.Push()
				id := r.Git("rev-parse", "HEAD:x.yaml")
				object := filepath.Join(r.Bare, "objects", id[:2], id[2:])
				must(os.Chmod(object, 0o600))
				must(os.WriteFile(object, []byte("damaged"), 0o600))
			},
			Fetch: source.FetchFailed,
		},
		{
			Name: "repository: a history that has nothing in common",
			Tree: func(b *Builder) pack.ID {
				return b.Tree(b.File(Good, b.Sealed("good")), b.File(Victim, b.Sealed("victim")))
			},
			Orphan:  true,
			Applied: []string{"victim"},
		},
		{
			Name: "repository: 3,000 branches",
			Break: func(r *githttp.Repo) {
				head := bare(r, "rev-parse", Branch)
				var all strings.Builder
				all.WriteString(numbered("create refs/heads/x%d "+head+"\n", 3000))
				r.GitIn(all.String(), "--git-dir="+r.Bare, "update-ref", "--stdin")
			},
			Applied: []string{"victim"},
		},
	}
}

// force writes a branch that git would not write.
func force(r *githttp.Repo, id string) {
	must(os.WriteFile(filepath.Join(r.Bare, "refs", "heads", Branch), []byte(id+"\n"), 0o600))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
