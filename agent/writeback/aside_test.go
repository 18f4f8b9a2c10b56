package writeback_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const own = "waxwing/team/infra"

// asking is rotated with pull requests.
func asking(t testing.TB) (*world, *keyring, writeback.Cluster) {
	t.Helper()
	w, k, in := rotated(t)
	w.writer.Spec.Strategy, w.forge.url = v1alpha1.WritePullRequest, "https://git.example.com/team/infra/pulls/1"
	return w, k, in
}

func TestAPullRequestIsMadeOnceAndLeftAlone(t *testing.T) {
	w, k, in := asking(t)
	head := w.repo.Head("main")
	r := w.good(in)
	if len(r.Pushed) != 1 || r.Branch != own || r.PullRequest != w.forge.url || w.repo.Head("main") != head || w.repo.Head(own) != r.Pushed[0].ID {
		t.Fatalf("%+v", r)
	}
	if !k.opens(w.file(own, "db.yaml")) || !slices.Equal(r.Pushed[0].Parent, []string{head}) {
		t.Error("the branch does not have it")
	}
	if len(w.forge.asked) != 1 || w.forge.commits[0] != r.Pushed[0].ID {
		t.Fatalf("%+v", w.forge)
	}
	pr := w.forge.asked[0]
	if pr.Head != own || pr.Base != "main" || pr.Title != "chore(seal): rewrap 1 object for prod's recipient set 2" || !strings.Contains(pr.Body, "SecretSync team/infra") {
		t.Errorf("%+v", pr)
	}
	// Nothing new: no commit, and the forge is not asked all the time.
	if again := w.good(in); len(again.Pushed) > 0 || again.PullRequest != w.forge.url || len(w.forge.asked) != 1 {
		t.Errorf("%+v, asked %d times", again, len(w.forge.asked))
	}
	w.clock = w.clock.Add(time.Hour)
	if w.good(in); len(w.forge.asked) != 2 {
		t.Errorf("after an hour it was asked %d times", len(w.forge.asked))
	}
	// Main moves on elsewhere: the branch still merges.
	w.person("main", map[string]string{"README": "y\n"})
	if again := w.good(in); len(again.Pushed) > 0 {
		t.Errorf("%+v", again)
	}
	// Merged: nothing is due, and the next rotation begins at what main has then.
	w.pull("main")
	w.repo.Git("merge", "--quiet", "--no-edit", "origin/"+own)
	w.repo.Push()
	if again := w.good(in); len(again.Pushed) > 0 || again.PullRequest != "" {
		t.Errorf("%+v", again)
	}
	k.rotate()
	in = writeback.Cluster{Keyrings: []writeback.Keyring{k.shows()}, Objects: []writeback.Object{live(t, w.file("main", "db.yaml"), k)}}
	next := w.good(in)
	if len(next.Pushed) != 1 || !slices.Equal(next.Pushed[0].Parent, []string{w.repo.Head("main")}) || !k.opens(w.file(own, "db.yaml")) {
		t.Errorf("%+v", next)
	}
}

func TestABranchIsMadeAnewWhereItWouldNotMerge(t *testing.T) {
	w, k, in := asking(t)
	w.good(in)
	text := w.file("main", "db.yaml")
	moved := w.person("main", map[string]string{"db.yaml": "# a comment\n" + text})
	r := w.good(in)
	if len(r.Pushed) != 1 || !slices.Equal(r.Pushed[0].Parent, []string{moved}) || w.repo.Head(own) != r.Pushed[0].ID {
		t.Fatalf("%+v", r)
	}
	if text := w.file(own, "db.yaml"); !strings.HasPrefix(text, "# a comment\n") || !k.opens(text) {
		t.Error("one of the two is lost")
	}
}

func TestASquashedMergeIsNoneOfItsCommits(t *testing.T) {
	w, k, in := asking(t)
	w.good(in)
	w.pull("main")
	w.repo.Git("merge", "--quiet", "--squash", "origin/"+own)
	squashed := w.repo.Commit("chore: squashed")
	w.repo.Push()
	open := w.forge.url
	w.forge.url = "" // merged
	if r := w.good(in); r.PullRequest != "" || len(r.Pushed)+len(r.Messages) > 0 {
		t.Errorf("it is merged, and not told of as that: %+v", r)
	}
	w.forge.url = open
	k.rotate()
	in = writeback.Cluster{Keyrings: []writeback.Keyring{k.shows()}, Objects: []writeback.Object{live(t, w.file("main", "db.yaml"), k)}}
	r := w.good(in)
	if len(r.Pushed) != 1 || !slices.Equal(r.Pushed[0].Parent, []string{squashed}) || !k.opens(w.file(own, "db.yaml")) {
		t.Errorf("%+v", r)
	}
}

// later is the committer's time of commitsLater, in Unix seconds: after those of all commits of ours.
const later = 1_900_000_000

// commitsLater runs git commit.
func (w *world) commitsLater(args ...string) {
	alias := fmt.Sprintf("alias.then=!GIT_COMMITTER_DATE='%d +0000' git commit", later)
	w.repo.Git(append([]string{"-c", alias, "then", "--quiet"}, args...)...)
}

func TestACommitOfAPersonOnTheBranchStays(t *testing.T) {
	for name, change := range map[string]func(w *world) string{
		"a commit more": func(w *world) string { return w.person(own, map[string]string{"README": "mine\n"}) },
		// Message, author and mark are ours then, and the commit is not.
		"an amended one": func(w *world) string {
			w.pull(own)
			w.repo.Write(map[string]string{"README": "mine\n"})
			w.repo.Git("add", "--all", ".")
			// It is of another second than ours.
			w.commitsLater("--amend", "--no-edit", "--reset-author")
			w.repo.Push("--force", "HEAD")
			return w.repo.Git("rev-parse", "HEAD")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, k, in := asking(t)
			w.good(in)
			theirs := change(w)
			// Main moves on, so that the branch would be made anew.
			w.person("main", map[string]string{"db.yaml": "# a comment\n" + w.file("main", "db.yaml")})
			r := w.good(in)
			if len(r.Pushed) > 0 || w.repo.Head(own) != theirs || len(r.Messages) != 1 || !strings.Contains(r.Messages[0], "somebody else") {
				t.Errorf("%+v", r)
			}
			// What is due there as well goes upon it.
			k.rotate()
			in = writeback.Cluster{Keyrings: []writeback.Keyring{k.shows()}, Objects: []writeback.Object{live(t, w.file("main", "db.yaml"), k)}}
			if r := w.good(in); len(r.Pushed) != 1 || !slices.Equal(r.Pushed[0].Parent, []string{theirs}) || w.file(own, "README") != "mine\n" {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestAClosedPullRequestIsMadeTheSameAgain(t *testing.T) {
	w, _, in := asking(t)
	first := w.good(in)
	w.forge.url = "" // closed
	w.repo.Git("push", "--quiet", "origin", "--delete", own)
	w.clock = w.clock.Add(24 * time.Hour)
	again := w.good(in)
	if len(again.Pushed) != 1 || again.Pushed[0].ID != first.Pushed[0].ID || again.PullRequest != "" || len(again.Messages) != 1 || !strings.Contains(again.Messages[0], "was closed") {
		t.Errorf("%+v", again)
	}
}

func TestOnlyTheBranchIsPushedWhereNobodyIsAsked(t *testing.T) {
	w, k, in := asking(t)
	w.writer.Spec.Strategy, w.writer.Spec.Branch = v1alpha1.WriteBranch, "rotations"
	if r := w.good(in); len(r.Pushed) != 1 || r.Branch != "rotations" || len(w.forge.asked) > 0 || !k.opens(w.file("rotations", "db.yaml")) {
		t.Errorf("%+v", r)
	}
	w.writer.Spec.Branch = "main"
	if _, err := w.run(in); err == nil || !strings.Contains(err.Error(), "is the branch that is followed") {
		t.Errorf("onto the followed branch: %v", err)
	}
}

func TestTwoRotationsAreTwoCommitsOfOneBranch(t *testing.T) {
	a, b := newKeyring(t, "a"), newKeyring(t, "b")
	db := sealed(t, "prod", "db", a, b)
	w := newWorld(t, tree{".seal.yaml": settings(a, b), "db.yaml": db})
	w.writer.Spec.Strategy = v1alpha1.WritePullRequest
	a.rotate()
	b.rotate()
	in := writeback.Cluster{Keyrings: []writeback.Keyring{a.shows(), b.shows()}, Objects: []writeback.Object{live(t, db, a, b)}}
	r := w.good(in)
	if len(r.Pushed) != 2 || !slices.Equal(r.Pushed[1].Parent, []string{r.Pushed[0].ID}) || r.Pushed[0].Parent[0] != w.repo.Head("main") {
		t.Fatalf("%+v", r)
	}
	if text := w.file(own, "db.yaml"); !a.opens(text) || !b.opens(text) {
		t.Error("one of the two is missing")
	}
	if pr := w.forge.asked[len(w.forge.asked)-1]; strings.Count(pr.Body, "- `chore(seal): rewrap 1 object for ") != 2 {
		t.Errorf("%s", pr.Body)
	}
}

// TestNothingSignedIsMadeUponWhatNobodyVouchesFor has somebody who cannot sign push to the own branch, with the mark of a commit of ours. What is made upon that and signed would be taken wherever the agent's
// signature counts, with all that is in it.
func TestNothingSignedIsMadeUponWhatNobodyVouchesFor(t *testing.T) {
	for name, marked := range map[string]bool{"a commit": false, "with our mark": true} {
		t.Run(name, func(t *testing.T) {
			w, k, in := asking(t)
			good := map[string]bool{}
			w.writer.Vouched = func(c source.Commit) bool { return good[c.ID] }
			r := w.good(in)
			good[r.Pushed[0].ID] = true
			// Its own commits may be built upon, and be replaced.
			k.rotate()
			in = writeback.Cluster{Keyrings: []writeback.Keyring{k.shows()}, Objects: []writeback.Object{live(t, w.file("main", "db.yaml"), k)}}
			if r = w.good(in); len(r.Pushed) != 1 {
				t.Fatalf("%+v", r)
			}
			good[r.Pushed[0].ID] = true
			w.pull(own)
			w.repo.Write(map[string]string{"evil.yaml": "x: y\n"})
			w.repo.Git("add", "--all", ".")
			message := "evil"
			if marked {
				head := w.repo.Git("rev-parse", "HEAD")
				sum := sha256.Sum256(fmt.Appendf(nil, "team/infra\n%s\n%d\n", head, later))
				message += "\n\nWaxwing-Mark: " + hex.EncodeToString(sum[:16])
			}
			w.commitsLater("-m", message)
			w.repo.Push()
			theirs := w.repo.Head(own)
			k.rotate()
			in = writeback.Cluster{Keyrings: []writeback.Keyring{k.shows()}, Objects: []writeback.Object{live(t, w.file("main", "db.yaml"), k)}}
			r = w.good(in)
			if len(r.Pushed) > 0 || w.repo.Head(own) != theirs || len(r.Messages) != 1 || !strings.Contains(r.Messages[0], "no signer vouches for") {
				t.Errorf("%+v", r)
			}
		})
	}
}
