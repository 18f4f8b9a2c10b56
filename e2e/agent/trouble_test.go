package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

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
	before := w.uids("db", "api", "two")
	third := rewrite("three")
	w.askNow()
	s := w.comesTo(string(source.HistoryRewritten), third)
	if !strings.HasSuffix(s.Status.Applied.Revision, second) || w.uid("three") != "" || !is(s, v1alpha1.ConditionRewritten) {
		t.Errorf("it was taken, or not told: %+v", s.Status)
	}
	w.stay(before)
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

// TestACredentialThatEndsIsReplacedInPlace has the agent's token end, as its file expires says: status and metrics tell of it, and nothing in the cluster goes. Another one is put into
// the file while the agent runs.
func TestACredentialThatEndsIsReplacedInPlace(t *testing.T) {
	w, _ := begun(t, nil, "db")
	before := w.uids("db")
	const expiry = `waxwing_agent_credentials_expiry_timestamp_seconds{credentials="` + credentials + `"}`
	if _, ok, err := w.metric(w.ctx, expiry); ok || err != nil {
		t.Errorf("an end is told of that nobody has named: %v", err)
	}
	w.shows(w.ofSync("sync_ready"), 1)
	ended := time.Now().Add(-time.Minute).Truncate(time.Second).UTC()
	w.configure(map[string]string{"expires": ended.Format(time.RFC3339) + "\n"})
	w.shows(expiry, float64(ended.Unix()))

	w.bot.Revoke("sync")
	w.askNow()
	if s := w.comesTo(string(source.AuthenticationFailed), "credentials"); !is(s, v1alpha1.ConditionStalled) || is(s, v1alpha1.ConditionReconciling) {
		t.Errorf("it does not say that somebody has to do something: %+v", s.Status.Conditions)
	}
	w.shows(w.ofSync("sync_ready"), 0)
	if n := w.counted(rejected); n < 1 {
		t.Errorf("%g fetches were counted whose credentials were not taken", n)
	}
	last := w.counted(w.ofSync("sync_last_success_timestamp_seconds"))
	w.askNow()
	if now := w.counted(w.ofSync("sync_last_success_timestamp_seconds")); now != last || now == 0 {
		t.Errorf("the last success is at %f, and was at %f", now, last)
	}
	w.stay(before)

	w.sealed("prod/api.yaml", "api")
	commit := w.clone.Commit("feat: one more")
	w.clone.Push()
	files, until := w.token("another"), ended.Add(24*time.Hour)
	files["expires"] = until.Format(time.RFC3339)
	w.configure(files)
	w.askNow()
	w.applied(commit)
	w.secret("api")
	w.shows(expiry, float64(until.Unix()))
	w.shows(w.ofSync("sync_ready"), 1)
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
