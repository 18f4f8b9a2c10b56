package agent

import (
	"strings"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// broken may be a GitSecret.
const broken = "apiVersion: waxwing.io/v1alpha1\nkind: GitSecret\nmetadata: [\n"

func TestACommitComesIntoTheCluster(t *testing.T) {
	w := newWorld(t)
	id := w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b"), "notes.yaml": broken, "README.md": "x"})
	w.look()
	o := w.object()
	w.ready(o, Synced, "main@sha1:"+id[:12], "2 objects", "1 refused")
	if o.Status.Applied == nil || o.Status.Applied.Revision != "main@sha1:"+id || o.Status.Fetched.Revision != o.Status.Applied.Revision {
		t.Errorf("applied: %+v, fetched: %+v", o.Status.Applied, o.Status.Fetched)
	}
	if len(o.Status.Inventory) != 1 || strings.Join(o.Status.Inventory[0].Names, " ") != "a b" || o.Status.Objects != 2 || o.Status.Refusals != 1 || o.Status.Refused[0].Path != "notes.yaml" {
		t.Errorf("%+v", o.Status)
	}
	same(t, "keys", o.Status.Keys, w.sealTo.Recipients[0].KeyID())
	same(t, "applied", w.hands.applied, "a", "b")
	if !apimeta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionRefused) || !apimeta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionKeysIncomplete) {
		t.Errorf("what was refused is not told: %+v", o.Status.Conditions)
	}
	version := o.ResourceVersion
	if again := w.due(); again.ResourceVersion != version {
		t.Error("the status is written although nothing has changed")
	}
	w.push(map[string]string{"b.json": w.sealed("b")})
	w.due()
	same(t, "applied", w.hands.applied, "a", "b", "b")
	same(t, "records", w.recorded(),
		"sync.applied intent prod/a prod/b", "sync.applied outcome", "sync.denied note notes.yaml InvalidYAML", "sync.synced note",
		"sync.applied intent prod/b", "sync.applied outcome", "sync.synced note")
}

func TestTheRepositoryIsAskedByItsInterval(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	if res := w.look(); res.RequeueAfter != time.Minute {
		t.Errorf("it is looked again after %s", res.RequeueAfter)
	}
	asked := len(w.git.Requests())
	w.pass(30 * time.Second)
	w.look()
	if len(w.git.Requests()) != asked {
		t.Error("it is asked before it is due")
	}
	w.memory.known(w.key).wake(w.now())
	w.look()
	if len(w.git.Requests()) == asked {
		t.Error("it is not asked although it was woken")
	}
	asked = len(w.git.Requests())
	o := w.object()
	o.Annotations = map[string]string{v1alpha1.AnnotationSyncNow: "now"}
	if err := w.kube.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.look()
	if o := w.object(); len(w.git.Requests()) == asked || o.Status.LastHandledSyncAt != "now" {
		t.Errorf("the annotation was not carried out: %q", o.Status.LastHandledSyncAt)
	}
}

func TestWhatGitLacksIsDeletedAfterASecondFetch(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b"), "c.json": w.sealed("c")})
	w.look()
	w.push(map[string]string{"c.json": ""})
	o := w.due()
	if o.Status.Pruning == nil || o.Status.Pruning.Count != 1 || o.Status.Pruning.Since == nil || o.Status.Pruning.Held == "" {
		t.Fatalf("pruning is %+v", o.Status.Pruning)
	}
	w.ready(o, Synced, ": 2 objects; 1 waits to be deleted: ")
	same(t, "deleted", w.hands.deleted)
	if st := w.memory.known(w.key); st.due.Sub(w.now()) != sync.Settle+time.Second {
		t.Errorf("the second fetch is after %s", st.due.Sub(w.now()))
	}
	w.pass(sync.Settle + time.Second)
	w.look()
	same(t, "deleted", w.hands.deleted, "c")
	w.look()
	if o := w.object(); o.Status.Pruning != nil || strings.Join(o.Status.Inventory[0].Names, " ") != "a b" {
		t.Errorf("pruning is %+v, the inventory %+v", o.Status.Pruning, o.Status.Inventory)
	}
}

func TestAFailedFetchChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b")})
	w.look()
	w.push(map[string]string{"b.json": ""})
	w.ready(w.due(), Synced, ": 1 object; 1 waits")
	w.repo.Push("HEAD:refs/heads/other")
	w.repo.Git("-C", w.repo.Bare, "config", "receive.denyDeleteCurrent", "ignore")
	w.repo.Push("--delete", "main")
	for range 5 {
		o := w.due()
		w.ready(o, "RefNotFound", "main")
		if o.Status.Applied == nil || o.Status.Objects != 1 {
			t.Errorf("%+v", o.Status)
		}
	}
	same(t, "there", w.hands.there(), "a", "b")
	w.hands.remove(types.NamespacedName{Namespace: "prod", Name: "a"})
	w.look()
	same(t, "there", w.hands.there(), "a", "b") // what was taken before is still set right
}

func TestFailuresAreTriedAgainSoonerThanTheInterval(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 5: 32 * time.Second, 9: 5 * time.Minute, 100: 5 * time.Minute} {
		if got := backoff(failures, time.Hour, 0); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
	if got := backoff(50, 10*time.Second, 0.5); got != 9500*time.Millisecond {
		t.Errorf("with a short interval: %s", got)
	}
}

func TestNothingIsDoneWhileSuspended(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) { o.Spec.Suspend = true })
	w.push(map[string]string{"a.json": w.sealed("a")})
	if res := w.look(); res.RequeueAfter != 0 {
		t.Errorf("it is looked at again after %s", res.RequeueAfter)
	}
	w.ready(w.object(), Suspended)
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Suspend = false })
	w.look()
	w.ready(w.object(), Synced)
}

func TestAnotherFolder(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) { o.Spec.Source.Path = "apps/prod" })
	w.push(map[string]string{"a.json": w.sealed("a"), "apps/prod/b.json": w.sealed("b"), "apps/production/c.json": w.sealed("c")})
	w.look()
	same(t, "there", w.hands.there(), "b")
	w.push(map[string]string{"apps/prod/b.json": ""})
	w.ready(w.due(), PathNotFound, `no folder "apps/prod"`)
	same(t, "there", w.hands.there(), "b")
}

func TestDeletionTakesTheObjectsAlongOnlyWhereThatIsAskedFor(t *testing.T) {
	for policy, left := range map[string][]string{v1alpha1.DeletionDelete: nil, v1alpha1.DeletionRetain: {"a", "b"}} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t, func(o *v1alpha1.SecretSync) { o.Spec.DeletionPolicy = policy })
			w.push(map[string]string{"a.json": w.sealed("a"), "b.json": w.sealed("b")})
			w.look()
			if err := w.kube.Delete(t.Context(), w.object()); err != nil {
				t.Fatal(err)
			}
			if policy == v1alpha1.DeletionDelete {
				w.hands.fail = map[string]*sync.Failure{"prod/b": {Reason: sync.Forbidden, Message: "it may not"}}
				w.look()
				w.ready(w.object(), DeletionFailed, "prod/b", "Retain")
				w.hands.fail = nil
			}
			w.look()
			w.look()
			same(t, "there", w.hands.there(), left...)
			if err := w.kube.Get(t.Context(), w.key, &v1alpha1.SecretSync{}); err == nil {
				t.Error("the SecretSync is still there")
			}
			if w.memory.known(w.key) != nil && policy == v1alpha1.DeletionDelete {
				w.look()
			}
		})
	}
}

func TestObserving(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) {
		o.Spec.Mode, o.Spec.ServiceAccountName, o.Spec.Prune = v1alpha1.SyncObserve, "", nil
	})
	apply := func() { // as something else does
		for _, o := range w.memory.known(w.key).taken.set.Objects {
			w.hands.put(o.Key, "another", o.SpecDigest, "")
		}
	}
	first := w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	w.ready(w.object(), NotApplied, "prod/a is not there")
	apply()
	w.look()
	o := w.object()
	w.ready(o, Synced)
	if !strings.HasSuffix(o.Status.Applied.Revision, first) {
		t.Errorf("applied: %+v", o.Status.Applied)
	}
	second := w.push(map[string]string{"a.json": w.sealed("a")})
	o = w.due()
	w.ready(o, NotApplied, "prod/a is another", second[:12])
	if !strings.HasSuffix(o.Status.Applied.Revision, first) {
		t.Errorf("applied: %+v", o.Status.Applied)
	}
	apply()
	w.look()
	if o := w.object(); !strings.HasSuffix(o.Status.Applied.Revision, second) || len(o.Status.Inventory) != 0 {
		t.Errorf("applied: %+v", o.Status)
	}
	same(t, "applied", w.hands.applied)
}

func TestEventsTellWhatIsNew(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a"), "bad.yaml": broken})
	w.look()
	all := w.told()
	if len(all) != 2 || !strings.HasPrefix(all[0], "Normal Synced main@sha1:") || !strings.HasPrefix(all[1], "Warning Refused bad.yaml: InvalidYAML") {
		t.Errorf("%q", all)
	}
	w.due()
	same(t, "events", w.told())
}

func TestASecretSyncThatIsGoneLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	if err := w.kube.Delete(t.Context(), w.object()); err != nil {
		t.Fatal(err)
	}
	w.look()
	if w.memory.known(w.key) != nil || len(w.repos.all) != 0 {
		t.Error("something is remembered of it")
	}
	if err := w.repos.sweep(map[types.UID]bool{}); err != nil {
		t.Error(err)
	}
}
