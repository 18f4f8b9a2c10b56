package writeback_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// rotated is a repository with a GitSecret, whose keyring has rotated since.
func rotated(t testing.TB) (*world, *keyring, writeback.Cluster) {
	t.Helper()
	k := newKeyring(t, "prod")
	db := sealed(t, "prod", "db", k)
	w := newWorld(t, tree{".seal.yaml": settings(k), ".seal/prod.note": k.note(), "db.yaml": db, "README": "x\n"})
	k.rotate()
	return w, k, writeback.Cluster{Keyrings: []writeback.Keyring{k.shows()}, Objects: []writeback.Object{live(t, db, k)}}
}

func TestARotationIsOneCommit(t *testing.T) {
	w, k, in := rotated(t)
	base, oldKey, newKey := w.repo.Head("main"), k.ids[0].KeyID(), k.ids[1].KeyID()
	r := w.good(in)
	if len(r.Pushed) != 1 || r.Branch != "main" || r.Pushed[0].ID != w.repo.Head("main") || len(r.Messages) > 0 {
		t.Fatalf("%+v", r)
	}
	w.pull("main")
	got := w.repo.Git("log", "-1", "--format=%an|%ae|%P|%B")
	want := "Waxwing|waxwing@waxwing.invalid|" + base + "|chore(seal): rewrap 1 object for prod's recipient set 2\n\n" +
		"The wraps are those that keyring prod has offered and signed.\nNo value and no other holder's wrap has changed.\n\n" +
		"Waxwing-Keyring: prod\nWaxwing-Set: 2\nWaxwing-Keys: " + oldKey + " -> " + newKey + "\nWaxwing-Sync: team/infra\nWaxwing-Mark: "
	if mark, ok := strings.CutPrefix(got, want); !ok || len(mark) != 32 {
		t.Errorf("the commit is\n%s\nand should be\n%s…", got, want)
	}
	if files := w.repo.Git("diff", "--name-only", "HEAD^", "HEAD"); files != ".seal/prod.note\ndb.yaml" {
		t.Errorf("it changes %s", files)
	}
	if trailers := w.repo.Git("log", "-1", "--format=%(trailers:key=Waxwing-Set,valueonly)"); trailers != "2" {
		t.Errorf("git reads the trailer as %q", trailers)
	}
	if !k.opens(w.file("main", "db.yaml")) {
		t.Error("it does not open with the new key")
	}
	if len(w.log.intents) != 1 || len(w.log.outcomes) != 1 {
		t.Fatalf("%d intents, %d outcomes", len(w.log.intents), len(w.log.outcomes))
	}
	op, out := w.log.intents[0], w.log.outcomes[0]
	if op.Action != audit.ActionSyncPushed || op.Object.Namespace != "team" || op.Object.Name != "infra" || op.Actor.Git.Commit != base || !slices.Equal(op.Keys, []audit.Key{{Keyring: "prod", ID: newKey}}) {
		t.Errorf("the intent is %+v", op)
	}
	if !out.OK || out.Message != "main@sha1:"+r.Pushed[0].ID {
		t.Errorf("the outcome is %+v", out)
	}
	// Its own commit brings nothing that is due.
	if again := w.good(in); len(again.Pushed) > 0 || len(again.Found.Due) > 0 {
		t.Errorf("again: %+v", again)
	}
}

func TestAPersonWhoPushesMeanwhileIsNotPushedOver(t *testing.T) {
	w, k, in := rotated(t)
	var theirs string
	w.beforePush(func() { theirs = w.person("main", map[string]string{"README": "y\n"}) })
	r := w.good(in)
	if len(r.Pushed) != 1 || theirs == "" || !slices.Equal(r.Pushed[0].Parent, []string{theirs}) {
		t.Fatalf("%+v, theirs is %s", r, theirs)
	}
	if !k.opens(w.file("main", "db.yaml")) || w.file("main", "README") != "y\n" {
		t.Error("one of the two is lost")
	}
	if n := len(w.log.intents); n != 2 || w.log.outcomes[0].OK || w.log.outcomes[0].Reason != string(source.PushRejected) || !w.log.outcomes[1].OK {
		t.Errorf("%d intents: %+v", n, w.log.outcomes)
	}
}

func TestSomebodyWhoAlwaysPushesWins(t *testing.T) {
	w, _, in := rotated(t)
	pushes := 0
	var again func()
	again = func() {
		pushes++
		w.person("main", map[string]string{"README": strings.Repeat("z", pushes)})
		w.beforePush(again)
	}
	w.beforePush(again)
	if r, err := w.run(in); !errors.Is(err, writeback.ErrBusy) || len(r.Pushed) > 0 || pushes != 5 {
		t.Errorf("%v after %d pushes", err, pushes)
	}
}

func TestNothingIsPushedUponACommitThatIsNotVerified(t *testing.T) {
	w, _, in := rotated(t)
	head := w.repo.Head("main")
	w.remote.Take = func(_ context.Context, c source.Commit) error {
		return &source.Error{Reason: source.CommitNotSigned, Msg: c.ID + " is not signed"}
	}
	if r, err := w.run(in); err == nil || !strings.Contains(err.Error(), head) || len(r.Pushed) > 0 || w.repo.Head("main") != head {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestNothingIsPushedWithoutARecord(t *testing.T) {
	w, _, in := rotated(t)
	head := w.repo.Head("main")
	w.log.fails = true
	if _, err := w.run(in); err == nil || !strings.Contains(err.Error(), "nothing is pushed") || w.repo.Head("main") != head {
		t.Errorf("%v", err)
	}
}

func TestATagIsNotWrittenTo(t *testing.T) {
	w, _, in := rotated(t)
	w.repo.Git("tag", "v1")
	w.repo.Push("v1")
	w.remote.Place = source.Place{URL: w.repo.URL, Tag: "v1"}
	w.writer.Source.Branch, w.writer.Source.Tag = "", "v1"
	if r := w.good(in); len(r.Pushed) > 0 || len(r.Messages) != 1 || !strings.Contains(r.Messages[0], "a tag is followed") {
		t.Errorf("%+v", r)
	}
}

func TestTheStatusSaysWhatWasPushed(t *testing.T) {
	w, _, in := rotated(t)
	r, err := w.run(in)
	s := r.Status(&v1alpha1.WriteBackStatus{Message: "before"}, w.clock, err)
	if s.Branch != "main" || s.Commit != w.repo.Head("main") || s.At == nil || s.Message != "" || s.PullRequest != "" {
		t.Errorf("%+v", s)
	}
	r, err = w.run(in)
	again := r.Status(s, w.clock.Add(1e9), err)
	if again.Commit != s.Commit || !again.At.Equal(s.At) {
		t.Errorf("what was pushed before is lost: %+v", again)
	}
	if failed := r.Status(s, w.clock, errors.New("no\x00 way")); failed.Message != "no  way" {
		t.Errorf("%q", failed.Message)
	}
}

func TestAProtectedBranchGetsAPullRequest(t *testing.T) {
	for name, says := range map[string]string{"by its words": "remote: error: GH006: Protected branch update failed", "by what the forge says": "no entry"} {
		t.Run(name, func(t *testing.T) {
			w, k, in := rotated(t)
			w.protect("main", says)
			w.forge.protected, w.forge.url = name != "by its words", "https://git.example.com/team/infra/pulls/1"
			head := w.repo.Head("main")
			r := w.good(in)
			if r.Branch != "waxwing/team/infra" || r.PullRequest != w.forge.url || w.repo.Head("main") != head || !k.opens(w.file(r.Branch, "db.yaml")) {
				t.Errorf("%+v", r)
			}
		})
	}
	w, _, in := rotated(t)
	w.protect("main", "GH006: Protected branch update failed")
	w.writer.Forge = nil
	if _, err := w.run(in); err == nil || !strings.Contains(err.Error(), "name spec.writeBack.forge") {
		t.Errorf("without a forge: %v", err)
	}
}

// TestAFailedPushSaysNothingOfTheBranch has a gateway break a push: the forge is not asked whether the branch is protected, because GitHub says so also where these credentials are let
// through, and the next push goes there again.
func TestAFailedPushSaysNothingOfTheBranch(t *testing.T) {
	w, k, in := rotated(t)
	w.forge.protected, w.status = true, http.StatusBadGateway
	if r, err := w.run(in); err == nil || len(r.Pushed) > 0 || w.forge.wondered > 0 {
		t.Errorf("%+v, %v, asked %d times", r, err, w.forge.wondered)
	}
	if r := w.good(in); r.Branch != "main" || len(r.Pushed) != 1 || !k.opens(w.file("main", "db.yaml")) {
		t.Errorf("%+v", r)
	}
}

// TestAProtectedBranchIsTriedAgainAfterADay has the protection of a branch end.
func TestAProtectedBranchIsTriedAgainAfterADay(t *testing.T) {
	w, k, in := rotated(t)
	w.protect("main", "no entry")
	w.forge.protected, w.forge.url = true, "https://git.example.com/team/infra/pulls/1"
	r := w.good(in)
	if s := r.Status(nil, w.clock, nil); r.Branch != own || len(r.Messages) > 0 || !strings.Contains(s.Message, "branch main does not let itself be pushed to") {
		t.Errorf("%+v", r)
	}
	must(t, os.Remove(filepath.Join(w.repo.Bare, "hooks", "pre-receive")))
	w.clock = w.clock.Add(writeback.ProtectedRest - time.Minute)
	if r := w.good(in); len(r.Pushed) > 0 {
		t.Errorf("within the day: %+v", r)
	}
	w.clock = w.clock.Add(time.Minute)
	r = w.good(in)
	if s := r.Status(nil, w.clock, nil); r.Branch != "main" || len(r.Pushed) != 1 || s.Message != "" || !k.opens(w.file("main", "db.yaml")) {
		t.Errorf("after a day: %+v", r)
	}
}

// TestCheckpointsGetAPullRequestToo has nothing else be due for a branch that is protected.
func TestCheckpointsGetAPullRequestToo(t *testing.T) {
	w, _, _, logs := twoLogs(t)
	w.writer.Spec.Strategy = v1alpha1.WritePush
	w.protect("main", "GH006: Protected branch update failed")
	if r := w.good(logs()); r.Branch != own || len(r.Pushed) != 1 || r.PullRequest != w.forge.url {
		t.Errorf("%+v", r)
	}
}
