package agent

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// TestKeysOfWhatWasNotReadAreNotKnown holds that whoever destroys keys by a SecretSync's status is told when that speaks of something else than what Git has now.
func TestKeysOfWhatWasNotReadAreNotKnown(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	incomplete := func(why string, says string) {
		t.Helper()
		o := w.object()
		c := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionKeysIncomplete)
		if (c != nil) != (says != "") || c != nil && (c.Status != metav1.ConditionTrue || c.Reason != "NotRead" || !strings.Contains(c.Message, says)) {
			t.Errorf("%s: %+v", why, c)
		}
		if len(o.Status.Keys) == 0 {
			t.Errorf("%s: the keys of before are gone", why)
		}
	}
	incomplete("read", "")
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Source.Branch = "other" })
	w.look()
	w.ready(w.object(), "RefNotFound")
	incomplete("another branch, which is not there", "other")
	w.repo.Push("HEAD:refs/heads/other")
	w.due()
	incomplete("it is there", "")
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Suspend = true })
	w.look()
	incomplete("suspended", "spec.suspend")
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Suspend = false })
	w.look()
	incomplete("not suspended", "")
	w.change(func(o *v1alpha1.SecretSync) {
		o.Spec.Verify = &v1alpha1.SyncVerify{Signers: []v1alpha1.Signer{{Name: "alice", Key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"}}}
	})
	w.look()
	w.ready(w.object(), "CommitNotSigned")
	incomplete("not signed", "not signed")
}

// TestWhatAnotherRepositoryLackedIsNotMissingHere holds that both fetches before a deletion are of what is asked for now.
func TestWhatAnotherRepositoryLackedIsNotMissingHere(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) { o.Spec.Prune.Mode = v1alpha1.PruneDryRun })
	w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b"), "c.json": w.sealed("c")})
	w.look()
	w.push(map[string]string{"c.json": ""})
	w.due()
	w.repo.Push("HEAD:refs/heads/other")
	w.pass(10 * time.Minute)
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Source.Branch, o.Spec.Prune.Mode = "other", v1alpha1.PruneDelete })
	w.look()
	same(t, "deleted by one fetch", w.hands.deleted)
	w.pass(sync.Settle + time.Second)
	w.look()
	same(t, "deleted by two", w.hands.deleted, "c")
}

// TestNothingWaitsToBeDeletedWhereNothingIsApplied holds that a status tells of no deletion that will not come.
func TestNothingWaitsToBeDeletedWhereNothingIsApplied(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b")})
	w.look()
	w.push(map[string]string{"b.json": ""})
	if o := w.due(); o.Status.Pruning == nil {
		t.Fatal("nothing waits")
	}
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Mode = v1alpha1.SyncObserve })
	w.look()
	if o := w.object(); o.Status.Pruning != nil {
		t.Errorf("%+v", o.Status.Pruning)
	}
}

// TestASecretSyncThatIsMadeAnewLeavesNoCache holds that whoever deletes a SecretSync and makes it anew, again and again, does not fill the agent's disk.
func TestASecretSyncThatIsMadeAnewLeavesNoCache(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	for i := range 3 {
		o := w.object()
		if err := w.kube.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		o.ResourceVersion, o.UID = "", types.UID(fmt.Sprint("again-", i))
		if err := w.kube.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		w.look()
	}
	if left, err := os.ReadDir(w.repos.dir); err != nil || len(left) != 1 || len(w.repos.all) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestMoreNamesThanAStatusHolds holds that an inventory which could not be stored is told of, instead of having every look fail without a word.
func TestMoreNamesThanAStatusHolds(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	o, st := w.object(), w.memory.known(w.key)
	conf, err := w.settings.Now()
	if err != nil {
		t.Fatal(err)
	}
	for count, reason := range map[int]string{4000: Synced, 5000: TooManyObjects} {
		set := &desired.Set{}
		for i := range count {
			key := types.NamespacedName{Namespace: "prod", Name: fmt.Sprintf("%0230d", i)}
			set.Objects = append(set.Objects, desired.Object{Key: key, Digest: "d"})
			w.hands.put(key, "d", "s", "team/infra")
		}
		st.taken.set = set
		rep := &report{taken: st.taken}
		if err := w.apply(t.Context(), o, conf, st, rep); err != nil || rep.reason != reason {
			t.Errorf("%d: %s %s, %v", count, rep.reason, rep.message, err)
		}
		if reason == TooManyObjects && (rep.plan != nil || !strings.Contains(rep.message, "5001 objects") || rep.then() != stalled) {
			t.Errorf("%+v", rep.outcome)
		}
	}
}

// slowly is a repository that takes long to be fetched.
type slowly struct {
	repository
	w *world
}

func (s slowly) Fetch(ctx context.Context, place source.Place, auth source.Auth, seen ...string) (source.Commit, error) {
	s.w.pass(slowLook)
	return s.repository.Fetch(ctx, place, auth, seen...)
}

// TestSlowRepositoriesLeaveWorkersToOthers holds that a SecretSync whose server takes long waits while those like it have their part of the workers.
func TestSlowRepositoriesLeaveWorkersToOthers(t *testing.T) {
	w := newWorld(t)
	w.through(func(repo repository) repository { return slowly{repo, w} })
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	w.ready(w.object(), Synced)
	leave, ok := w.lane.enter(true) // another one has the only place of two workers
	if !ok {
		t.Fatal("there is no place")
	}
	asked := len(w.git.Requests())
	w.hands.remove(types.NamespacedName{Namespace: "prod", Name: "a"})
	w.pass(10 * time.Second)
	w.look()
	same(t, "there, while the repository is not due", w.hands.there(), "a")
	w.pass(time.Minute)
	if res := w.look(); res.RequeueAfter != laneRetry || len(w.git.Requests()) != asked {
		t.Errorf("it is not kept waiting: %+v", res)
	}
	leave()
	if w.look(); len(w.git.Requests()) == asked {
		t.Error("it is kept waiting though there is a place")
	}
	if leave, ok := w.lane.enter(true); !ok {
		t.Error("it has kept its place")
	} else {
		leave()
	}
	if _, ok := w.lane.enter(false); !ok {
		t.Error("one that is not slow has to wait")
	}
}

// TestTheCacheHasLittleOfSecretSyncs holds that what tenants make does not fill the agent's memory.
func TestTheCacheHasLittleOfSecretSyncs(t *testing.T) {
	o := &v1alpha1.SecretSync{ObjectMeta: metav1.ObjectMeta{Name: "infra", Generation: 3, Annotations: map[string]string{"a": "x", v1alpha1.AnnotationSyncNow: "now"}}}
	o.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "x"}}
	o.Spec = v1alpha1.SecretSyncSpec{Source: v1alpha1.SyncSource{URL: "https://git.example.com/x", Credentials: "c"}, Verify: &v1alpha1.SyncVerify{OpenPGP: []string{"x"}}}
	o.Status.Inventory = []v1alpha1.SyncInventory{{Namespace: "prod", Names: []string{"a"}}}
	got, err := slim(o)
	if err != nil {
		t.Fatal(err)
	}
	s := got.(*v1alpha1.SecretSync)
	if s.Spec.Verify != nil || s.Status.Inventory != nil || s.ManagedFields != nil || len(s.Annotations) != 1 {
		t.Errorf("too much: %+v", s)
	}
	if s.Spec.Source.URL != "https://git.example.com/x" || s.Spec.Source.Credentials != "c" || s.Generation != 3 || s.Annotations[v1alpha1.AnnotationSyncNow] != "now" {
		t.Errorf("too little: %+v", s)
	}
	if other, err := slim(&v1alpha1.GitSecret{Spec: seal.Spec{Format: 1}}); err != nil || other.(*v1alpha1.GitSecret).Spec.Format != 1 {
		t.Errorf("%+v, %v", other, err)
	}
}
