package source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/source/pack"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// commits makes and pushes so many commits, and gives their ids.
func commits(repo *githttp.Repo, name string, n int) []string {
	var ids []string
	for i := range n {
		repo.Write(map[string]string{name: fmt.Sprint(i)})
		ids = append(ids, repo.Commit(fmt.Sprint(name, " ", i)))
	}
	repo.Push("--force", "HEAD")
	return ids
}

func TestHowACommitStandsToOneBefore(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	r, _ := open(t, source.Limits{})
	all := commits(repo, "a", 3)
	relation := func(old string, want source.Relation) {
		t.Helper()
		c := fetch(t, r, mainOf(repo), old)
		if got, err := r.Relation(old, c.ID); err != nil || got != want {
			t.Errorf("it is %s (%v), and should be %s", got, err, want)
		}
	}
	relation(all[2], source.Same)
	relation(all[0], source.Ahead)
	more := commits(repo, "b", 3)
	relation(all[2], source.Ahead)
	// Somebody merges.
	repo.Git("checkout", "--quiet", "-b", "side", all[1])
	repo.Write(map[string]string{"side": "1"})
	side := repo.Commit("side")
	repo.Git("checkout", "--quiet", "main")
	repo.Git("merge", "--quiet", "--no-edit", "side")
	repo.Push()
	merge := repo.Git("rev-parse", "HEAD")
	relation(more[2], source.Ahead)
	relation(side, source.Ahead)
	// Somebody makes the last commit anew.
	repo.Git("commit", "--quiet", "--amend", "-m", "anew")
	repo.Push("--force", "HEAD")
	relation(merge, source.Rewritten)
	amended := repo.Git("rev-parse", "HEAD")
	// Somebody goes back.
	repo.Git("reset", "--quiet", "--hard", all[1])
	repo.Push("--force", "HEAD")
	relation(amended, source.Rewritten)
	// Somebody begins anew.
	repo.Git("checkout", "--quiet", "--orphan", "fresh")
	repo.Write(map[string]string{"fresh": "1"})
	repo.Commit("fresh")
	repo.Push("--force", "HEAD:main")
	relation(all[1], source.Rewritten)
	relation(strings.Repeat("7", 40), source.Rewritten)
	if _, err := r.Relation("main", amended); err == nil {
		t.Error("what is no id has a relation")
	}
}

func TestCommitsThatCameSince(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	r, _ := open(t, source.Limits{})
	all := commits(repo, "a", 5)
	c := fetch(t, r, mainOf(repo))
	since := func(old string) []string {
		t.Helper()
		list, err := r.Commits(old, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{}
		for _, c := range list {
			ids = append(ids, c.ID)
		}
		return ids
	}
	if got := since(all[1]); !slices.Equal(got, []string{all[4], all[3], all[2]}) {
		t.Errorf("they are %v", got)
	}
	if got := since(all[4]); len(got) != 0 {
		t.Errorf("there are %v", got)
	}
	repo.Git("checkout", "--quiet", "-b", "side", all[1])
	repo.Write(map[string]string{"side": "1"})
	side := repo.Commit("side")
	repo.Git("checkout", "--quiet", "main")
	repo.Git("merge", "--quiet", "--no-edit", "side")
	repo.Push()
	c = fetch(t, r, mainOf(repo))
	if got := since(all[4]); !slices.Equal(got, []string{c.ID, side}) {
		t.Errorf("with a merge they are %v", got)
	}
	if got := since(strings.Repeat("7", 40)); len(got) != 7 {
		t.Errorf("since a commit that nobody knows they are %v", got)
	}
}

// TestHistoryIsFetchedAsFarAsItIsNeeded has histories that are longer than what is fetched at first.
func TestHistoryIsFetchedAsFarAsItIsNeeded(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	all := commits(repo, "a", 130)
	last := all[len(all)-1]
	r, _ := open(t, source.Limits{})
	fetch(t, r, mainOf(repo))
	if got, err := r.Relation(all[0], last); err != nil || got != source.Unknown {
		t.Errorf("at first it is %s (%v): is all of the history fetched?", got, err)
	}
	if _, err := r.Commits(all[0], last); !errors.Is(err, source.ErrHistory) {
		t.Errorf("commits of a history that is not there: %v", err)
	}
	fetch(t, r, mainOf(repo), all[0])
	if got, err := r.Relation(all[0], last); err != nil || got != source.Ahead {
		t.Errorf("once it was asked for it is %s (%v)", got, err)
	}
	if list, err := r.Commits(all[0], last); err != nil || len(list) != 129 {
		t.Errorf("%d commits (%v)", len(list), err)
	}
	// A cache that has begun with the newest commits knows a rewritten branch for what it is where both share a commit that it has.
	r, _ = open(t, source.Limits{Depth: 60})
	fetch(t, r, mainOf(repo))
	repo.Git("reset", "--quiet", "--hard", all[120])
	commits(repo, "b", 1)
	c := fetch(t, r, mainOf(repo), last)
	if got, err := r.Relation(last, c.ID); err != nil || got != source.Rewritten {
		t.Errorf("it is %s (%v)", got, err)
	}
	// One that has never seen it does not.
	r, _ = open(t, source.Limits{Depth: 60})
	c = fetch(t, r, mainOf(repo), last)
	if got, err := r.Relation(last, c.ID); err != nil || got != source.Unknown {
		t.Errorf("it is %s (%v)", got, err)
	}
	// From then on it goes on as ever.
	more := commits(repo, "c", 2)
	if c = fetch(t, r, mainOf(repo), c.ID); c.ID != more[1] {
		t.Errorf("it is at %s", c.ID)
	}
	if contents(t, r, c)["c"] != "1" {
		t.Error("the new file is not there")
	}
}

// history is a line of commits with some more text in each: in its head, or behind it.
func (r *raw) history(t testing.TB, n int, more func(i int) (head, message string)) (first string, place source.Place) {
	t.Helper()
	tree := r.tree(line{"100644", "f", r.blob("x")})
	parent := ""
	for i := range n {
		head, message := more(i)
		text := fmt.Appendf(nil, "tree %s\n%s%sauthor Ann <ann@example.com> 1 +0000\ncommitter Ann <ann@example.com> 1 +0000\n\n%s", tree, parent, head, message)
		if i == n-1 {
			return first, r.serve(t, text)
		}
		id := r.add(pack.Commit, text)
		parent = "parent " + id.String() + "\n"
		if i == 0 {
			first = id.String()
		}
	}
	return first, place
}

// TestCommitsWithMuchText has commits of a MiB each: to know how they stand to each other takes no more memory than one, and they are not given all at once.
func TestCommitsWithMuchText(t *testing.T) {
	r := &raw{}
	first, place := r.history(t, 20, func(i int) (string, string) { return "", strings.Repeat(string(rune('a'+i)), 1_000_000) })
	repo, _ := open(t, source.Limits{})
	c := fetch(t, repo, place)
	if got, err := repo.Relation(first, c.ID); err != nil || got != source.Ahead {
		t.Errorf("it is %s (%v)", got, err)
	}
	if all, err := repo.Commits(first, c.ID); !errors.Is(err, source.ErrHistory) {
		t.Errorf("%d commits are given (%v)", len(all), err)
	}
	if all, err := repo.Commits(c.Parent[0], c.ID); err != nil || len(all) != 1 || len(all[0].Message) != 1_000_000 {
		t.Errorf("%d commits are given (%v)", len(all), err)
	}
}

// TestCommitsWithManyParents has commits that name more parents than there are commits anywhere.
func TestCommitsWithManyParents(t *testing.T) {
	r := &raw{}
	_, place := r.history(t, 15, func(i int) (string, string) {
		var parents strings.Builder
		for p := range 20_000 {
			fmt.Fprintf(&parents, "parent %040x\n", i*20_000+p+1)
		}
		return parents.String(), "m"
	})
	repo, _ := open(t, source.Limits{})
	c := fetch(t, repo, place)
	if met, ended, err := repo.Walk(t.Context(), c.ID); err != nil || !ended || met > 230_000 {
		t.Errorf("%d commits are met, and it says %t that something was left out (%v)", met, ended, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := repo.Walk(ctx, c.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("it goes on: %v", err)
	}
}
