package hostile

import (
	"slices"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/source/pack"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// MaxMemory is what the agent may take of memory for any of them, in bytes.
const MaxMemory = 256 << 20

// Names of the two files of the first commit, and of the branch.
const (
	Good   = "good.yaml"
	Victim = "victim.yaml"
	Branch = "main"
)

// Case is a hostile repository, and what has to become of it.
type Case struct {
	Name string
	// Lines are what the hostile commit's root has beside good.yaml.
	Lines func(b *Builder) []Line
	// Tree is the root of the hostile commit where Lines is nil. Break is what is done to the repository where that is nil, too.
	Tree func(b *Builder) pack.ID
	// Orphan says that the hostile commit has no parent.
	Orphan bool
	Break  func(r *githttp.Repo)
	// Fake says that git does not serve it.
	Fake bool
	// Folder is spec.source.path.
	Folder string
	// Limits of the agent, where they are not the defaults.
	Limits source.Limits

	// Fetch is why the repository is refused as a whole, and Says a piece of the message.
	Fetch source.Reason
	Says  string
	// Applied are the names of the objects that are applied beside good, in order, and Lacks says that good is not.
	Applied []string
	Lacks   bool
	// Refused are "PATH DOCUMENT REASON", in order, with a ? behind where it is not known what is in it; More says that there are others.
	Refused []string
	More    bool
	// Thousands says that so many objects are applied.
	Thousands bool
	// Pruned says that prod/victim may be deleted: it is certain that Git does not have it.
	Pruned bool
}

// Cases are all of them, by name.
func Cases() []Case {
	all := slices.Concat(pathCases(), entryCases(), treeCases(), encodingCases(), yamlCases(), kindCases(), objectCases(), crowdCases(), repositoryCases())
	slices.SortStableFunc(all, func(a, b Case) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	return all
}

// Repository is the repository of a Case, at its first commit.
type Repository struct {
	URL string

	c     Case
	b     *Builder
	good  Line
	root  pack.ID // of the first commit
	first pack.ID
	git   *githttp.Repo
	fake  *FakeServer
}

// Start builds and serves the repository of a Case until the test ends.
func Start(t testing.TB, c Case) *Repository {
	t.Helper()
	b := NewBuilder(t)
	r := &Repository{c: c, b: b, good: b.File(Good, b.Sealed("good"))}
	if c.Folder != "" {
		r.root = b.Tree(b.Folder(c.Folder, r.good, b.File(Victim, b.Sealed("victim"))))
	} else {
		r.root = b.Tree(r.good, b.File(Victim, b.Sealed("victim")))
	}
	r.first = b.Commit(r.root)
	if c.Fake {
		r.fake = StartFake(t)
		r.URL = r.fake.URL
	} else {
		r.git = githttp.Start(t, githttp.Options{}).Repo(t, "hostile")
		r.URL = r.git.URL
	}
	r.publish(r.first)
	return r
}

// Attack has the branch be at the hostile commit.
func (r *Repository) Attack() {
	parents := []pack.ID{r.first}
	if r.c.Orphan {
		parents = nil
	}
	switch {
	case r.c.Lines != nil:
		r.publish(r.b.Commit(r.b.Tree(append(r.c.Lines(r.b), r.good)...), parents...))
	case r.c.Tree != nil:
		r.publish(r.b.Commit(r.c.Tree(r.b), parents...))
	default:
		r.c.Break(r.git)
	}
	r.b.objects = nil // they are memory that is not the agent's
}

// Recover has the branch be at a commit with the files of the first one.
func (r *Repository) Recover() { r.publish(r.b.Commit(r.root, r.first, r.first)) }

func (r *Repository) publish(commit pack.ID) {
	if r.fake != nil {
		r.fake.Serve(commit.String(), r.b.Pack())
		return
	}
	r.git.GitIn(string(r.b.Pack()), "--git-dir="+r.git.Bare, "index-pack", "--stdin")
	r.git.Git("--git-dir="+r.git.Bare, "update-ref", "refs/heads/"+Branch, commit.String())
}
