package agent_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// begun is a world whose agent has applied objects, one file each. It gives the commit.
func begun(t *testing.T, change func(*v1alpha1.SecretSyncSpec), names ...string) (w *world, commit string) {
	t.Helper()
	w = newWorld(t)
	w.initialise()
	for _, name := range names {
		w.sealed("prod/"+name+".yaml", name)
	}
	commit = w.clone.Commit("feat: seal them")
	w.clone.Push()
	w.configure(w.token("sync"))
	w.agent()
	w.follow(change)
	w.applied(commit)
	return w, commit
}

// uid of an object; empty: it is gone.
func (w *world) uid(name string) types.UID {
	w.t.Helper()
	o := &v1alpha1.GitSecret{}
	if err := w.Get(w.ctx, w.named(name), o); err != nil && !apierrors.IsNotFound(err) {
		w.t.Fatal(err)
	}
	return o.UID
}

// stay holds that objects are those that they were.
func (w *world) stay(before map[string]types.UID) {
	w.t.Helper()
	for name, uid := range before {
		if now := w.uid(name); now != uid {
			w.t.Errorf("%s is %q and was %q", name, now, uid)
		}
	}
}

func (w *world) uids(names ...string) map[string]types.UID {
	w.t.Helper()
	all := map[string]types.UID{}
	for _, name := range names {
		if all[name] = w.uid(name); all[name] == "" {
			w.t.Fatalf("there is no %s", name)
		}
	}
	return all
}

// TestAForcePushIsReportedAndCanStopTheSync pushes over what was taken: it is taken and told, or not taken before somebody accepts it.
func TestAForcePushIsReportedAndCanStopTheSync(t *testing.T) {
	w, first := begun(t, nil, "db", "api")
	rewrite := func(name string) string {
		w.clone.Git("reset", "--quiet", "--hard", first)
		w.sealed("prod/"+name+".yaml", name)
		id := w.clone.Commit("feat: another past")
		w.clone.Git("push", "--quiet", "--force", "origin", "HEAD:main")
		return id
	}
	one := rewrite("one") // it descends from the first
	w.askNow()
	if s := w.applied(one); is(s, v1alpha1.ConditionRewritten) {
		t.Errorf("it is told of what descends: %+v", s.Status.Conditions)
	}
	second := rewrite("two")
	w.askNow()
	if s := w.applied(second); !is(s, v1alpha1.ConditionRewritten) {
		t.Errorf("it is not told: %+v", s.Status.Conditions)
	}
	w.secret("two")

	w.change(func(s *v1alpha1.SecretSyncSpec) { s.Source.Rewritten = v1alpha1.RewrittenStop })
	w.applied(second)
	third := rewrite("three")
	w.askNow()
	s := w.comesTo(string(source.HistoryRewritten), third)
	if !strings.HasSuffix(s.Status.Applied.Revision, second) || w.uid("three") != "" {
		t.Errorf("it was taken: %+v", s.Status.Applied)
	}
	w.stay(w.uids("db", "api", "two"))
	w.change(func(s *v1alpha1.SecretSyncSpec) { s.Source.Accept = third })
	w.applied(third)
	w.secret("three")
}

// TestWhatIsGoneTakesNothingAlong deletes the branch, and then the repository, and makes an empty one: nothing in the cluster goes with them.
func TestWhatIsGoneTakesNothingAlong(t *testing.T) {
	w, commit := begun(t, nil, "db")
	before := w.uids("db")
	w.clone.Git("push", "--quiet", "origin", "HEAD:refs/heads/live")
	w.change(func(s *v1alpha1.SecretSyncSpec) { s.Source.Branch = "live" })
	w.until("the branch is followed", func(s *v1alpha1.SecretSync) bool {
		return s.Status.Applied != nil && s.Status.Applied.Revision == "live@sha1:"+commit
	})

	w.repo.DeleteBranch("live")
	w.askNow()
	w.comesTo(string(source.RefNotFound), "live")
	w.stay(before)

	w.repo.Delete()
	w.repo = w.alice.Repository(w.repo.Name)
	w.repo.Collaborator(w.bot, "write")
	w.askNow()
	w.comesTo(string(source.RepositoryEmpty))
	w.stay(before)

	w.clone.Git("push", "--quiet", "origin", "HEAD:refs/heads/live")
	w.askNow()
	w.until("it is there again", func(s *v1alpha1.SecretSync) bool { return ready(s).Reason == "Synced" })
	w.stay(before)
}

// TestACredentialThatEndsIsReplacedInPlace revokes the agent's token, and puts another into its file.
func TestACredentialThatEndsIsReplacedInPlace(t *testing.T) {
	w, _ := begun(t, nil, "db")
	before := w.uids("db")
	w.bot.Revoke("sync")
	w.askNow()
	w.comesTo(string(source.AuthenticationFailed))
	w.stay(before)
	w.sealed("prod/api.yaml", "api")
	commit := w.clone.Commit("feat: one more")
	w.clone.Push()
	w.configure(w.token("another"))
	w.askNow()
	w.applied(commit)
	w.secret("api")
}

// TestAServerThatGoesAwayComesBack kills the forge: what is in the cluster stays, and the agent goes on by itself when it is there again.
func TestAServerThatGoesAwayComesBack(t *testing.T) {
	w, _ := begun(t, nil, "db")
	before := w.uids("db")
	w.sealed("prod/api.yaml", "api")
	commit := w.clone.Commit("feat: one more")
	w.clone.Push()
	w.forge.Stop()
	w.askNow()
	if s := w.comesTo(string(source.FetchFailed)); !is(s, v1alpha1.ConditionReconciling) || is(s, v1alpha1.ConditionStalled) {
		t.Errorf("it does not say that it tries again: %+v", s.Status.Conditions)
	}
	w.stay(before)
	w.forge.StartAgain()
	w.applied(commit)
	w.secret("api")
}

// TestWhatLeavesGitIsPruned deletes a file of Git: its object goes after two fetches that are half a minute apart. Most of them at a time stay.
func TestWhatLeavesGitIsPruned(t *testing.T) {
	half := int32(50)
	w, _ := begun(t, func(s *v1alpha1.SecretSyncSpec) { s.Prune.MaxPercent = &half }, "a", "b", "c", "d")
	before := w.uids("b", "c", "d")
	w.clone.Write(map[string]string{"prod/a.yaml": ""})
	w.applied(w.publish("feat: drop one"))
	s := w.until("it is to be pruned", func(s *v1alpha1.SecretSync) bool { return s.Status.Pruning != nil && s.Status.Pruning.Count == 1 })
	if w.uid("a") == "" {
		t.Errorf("it went at once: %+v", s.Status.Pruning)
	}
	w.eventually("it is gone", func(context.Context) error {
		w.askNow()
		if w.uid("a") != "" {
			return errors.New("it is there")
		}
		return nil
	})
	w.stay(before)

	w.clone.Write(map[string]string{"prod/b.yaml": "", "prod/c.yaml": ""})
	w.publish("feat: drop most")
	w.until("most of them are held", func(s *v1alpha1.SecretSync) bool {
		return s.Status.Pruning != nil && s.Status.Pruning.Count == 2 && strings.Contains(s.Status.Pruning.Held, "maxPercent")
	})
	w.stay(before)
}

// publish commits what was written, pushes it and has the agent look.
func (w *world) publish(message string) (commit string) {
	w.t.Helper()
	commit = w.clone.Commit(message)
	w.clone.Push()
	w.askNow()
	return commit
}

// TestAPersonPushesWhileTheAgentDoes has somebody push again and again while a rotation is written back: nothing of theirs is lost, and the rewrap is in the end.
func TestAPersonPushesWhileTheAgentDoes(t *testing.T) {
	w, _ := begun(t, func(s *v1alpha1.SecretSyncSpec) { s.WriteBack = &v1alpha1.WriteBack{Strategy: v1alpha1.WritePush} }, "db", "api")
	old := w.active().ID
	w.seal("keys", "rotate", "--keyring", w.keyring)
	var mine []string
	w.eventually("the rewrap is pushed", func(context.Context) error {
		w.clone.Write(map[string]string{fmt.Sprintf("notes/%d.txt", len(mine)): "something of mine\n"})
		w.clone.Commit(fmt.Sprintf("docs: note %d", len(mine)))
		for {
			if _, err := w.clone.Try("push", "--quiet", "origin", "HEAD"); err == nil {
				break
			}
			w.clone.Git("pull", "--quiet", "--rebase", "origin", "main")
		}
		mine = append(mine, w.clone.Git("rev-parse", "HEAD"))
		if log := w.clone.Git("log", "--format=%s"); !strings.Contains(log, "chore(seal): rewrap") {
			return errors.New(log)
		}
		return nil
	})
	w.clone.Git("fetch", "--quiet", "origin", "main")
	for _, id := range mine {
		if _, err := w.clone.Try("merge-base", "--is-ancestor", id, "FETCH_HEAD"); err != nil {
			t.Errorf("a commit of a person is lost: %v", err)
		}
	}
	w.askNow()
	w.until("the branch does not name the old key", func(s *v1alpha1.SecretSync) bool {
		for _, id := range s.Status.Keys {
			if id == old {
				return false
			}
		}
		return len(s.Status.Keys) > 0
	})
}
