package writeback_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// signs has the agent sign its commits.
func (w *world) signs() {
	w.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(w.t, err)
	w.remote.Signer, err = ssh.NewSignerFromKey(private)
	must(w.t, err)
}

// isSigned says whether a commit of a branch has a signature.
func (w *world) isSigned(branch, id string) bool {
	w.t.Helper()
	w.pull(branch)
	return strings.Contains(w.repo.Git("cat-file", "commit", id), "\ngpgsig ")
}

// TestNothingIsSignedUponWhatNobodyHasVouchedFor holds that who may push to the agent's branch, and may sign nothing, gets no signature over what he has pushed: with one, and moved to
// the followed branch, it would be taken.
func TestNothingIsSignedUponWhatNobodyHasVouchedFor(t *testing.T) {
	for name, text := range map[string]func(head string) string{
		"a commit of a person": func(string) string { return "fix: by hand\n" },
		"one that says it is ours": func(head string) string {
			sum := sha256.Sum256(fmt.Appendf(nil, "team/infra\n%s\n1800000000\n", head))
			return "chore(seal): rewrap\n\nWaxwing-Mark: " + hex.EncodeToString(sum[:16]) + "\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, k, in := asking(t)
			w.signs()
			old := w.file("main", "db.yaml")
			first := w.good(in)
			if len(first.Pushed) != 1 || !w.isSigned(own, first.Pushed[0].ID) {
				t.Fatalf("upon the followed branch: %+v", first)
			}
			// What was due is so again, and there is something more.
			head := first.Pushed[0].ID
			w.repo.Write(map[string]string{"db.yaml": old, "evil.yaml": "x: y\n"})
			w.repo.Git("add", "--all", ".")
			const who = "Ann <ann@example.com> 1800000000 +0000\n"
			theirs := w.repo.GitIn("tree "+w.repo.Git("write-tree")+"\nparent "+head+"\nauthor "+who+"committer "+who+"\n"+text(head), "hash-object", "-t", "commit", "-w", "--stdin")
			w.repo.Push(theirs + ":refs/heads/" + own)
			again := w.good(in)
			if len(again.Pushed) != 1 || !slices.Equal(again.Pushed[0].Parent, []string{theirs}) || !k.opens(w.file(own, "db.yaml")) {
				t.Fatalf("upon theirs: %+v", again)
			}
			if w.isSigned(own, again.Pushed[0].ID) {
				t.Error("it is signed")
			}
		})
	}
}

// TestACommitUponOursIsSigned holds that of two commits of one branch both are.
func TestACommitUponOursIsSigned(t *testing.T) {
	a, b := newKeyring(t, "a"), newKeyring(t, "b")
	db := sealed(t, "prod", "db", a, b)
	w := newWorld(t, tree{".seal.yaml": settings(a, b), "db.yaml": db})
	w.signs()
	w.writer.Spec.Strategy = v1alpha1.WritePullRequest
	a.rotate()
	b.rotate()
	r := w.good(writeback.Cluster{Keyrings: []writeback.Keyring{a.shows(), b.shows()}, Objects: []writeback.Object{live(t, db, a, b)}})
	if len(r.Pushed) != 2 || !w.isSigned(own, r.Pushed[0].ID) || !w.isSigned(own, r.Pushed[1].ID) {
		t.Errorf("%+v", r)
	}
}
