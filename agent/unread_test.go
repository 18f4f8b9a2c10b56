package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// incompleteFor holds that status.keys are said to lack some, for a reason, or not (empty).
func (w *world) incompleteFor(o *v1alpha1.SecretSync, reason string) {
	w.Helper()
	c := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionKeysIncomplete)
	if got := ""; c != nil {
		if got = c.Reason; got != reason || c.ObservedGeneration != o.Generation {
			w.Errorf("the keys are incomplete for %q: %s, of generation %d; it should be %q", got, c.Message, c.ObservedGeneration, reason)
		}
	} else if reason != "" {
		w.Errorf("nothing says that the keys are incomplete; it should be %q", reason)
	}
}

// TestKeysOfAnotherPlaceAreNotTakenForAll has the SecretSync follow something else that cannot be fetched: the keys that are known stay, and are not said to be all.
func TestKeysOfAnotherPlaceAreNotTakenForAll(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	key := w.sealTo.Recipients[0].KeyID()
	w.incompleteFor(w.object(), "")
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Source.Branch = "live" })
	for range 3 {
		w.look()
		o := w.object()
		w.ready(o, "RefNotFound")
		w.incompleteFor(o, "NotRead")
		same(t, "keys", o.Status.Keys, key)
		if o.Status.Fetched != nil {
			t.Errorf("fetched is what was followed before: %+v", o.Status.Fetched)
		}
		w.pass(time.Minute)
	}
	w.memory.forget(w.key) // as after a start
	w.look()
	w.incompleteFor(w.object(), "NotRead")
	w.repo.Push("HEAD:refs/heads/live")
	o := w.due()
	w.ready(o, Synced)
	w.incompleteFor(o, "")
	if o.Status.Fetched == nil || !strings.HasPrefix(o.Status.Fetched.Revision, "live@") {
		t.Errorf("fetched: %+v", o.Status.Fetched)
	}
}

// TestKeysOfACommitBeforeAreNotTakenForAll holds it for a repository that does not answer any more, for a commit that is not taken, and while nobody looks.
func TestKeysOfACommitBeforeAreNotTakenForAll(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	w.repo.Push("HEAD:refs/heads/other")
	w.repo.Git("-C", w.repo.Bare, "config", "receive.denyDeleteCurrent", "ignore")
	w.repo.Push("--delete", "main")
	o := w.due()
	w.ready(o, "RefNotFound")
	w.incompleteFor(o, "NotRead")
	w.repo.Push("HEAD:main")
	w.incompleteFor(w.due(), "")
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Suspend = true })
	w.look()
	w.incompleteFor(w.object(), "NotRead")
	w.change(func(o *v1alpha1.SecretSync) {
		o.Spec.Suspend = false
		o.Spec.Verify = &v1alpha1.SyncVerify{Signers: []v1alpha1.Signer{{Name: "alice", Key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"}}}
	})
	w.look()
	o = w.object()
	w.ready(o, "CommitNotSigned")
	w.incompleteFor(o, "NotRead")
	same(t, "keys", o.Status.Keys, w.sealTo.Recipients[0].KeyID())
}

// TestMoreKeysThanThereIsRoomFor holds that the list ends at its bound and says so.
func TestMoreKeysThanThereIsRoomFor(t *testing.T) {
	w := newWorld(t)
	// Of a file that cannot be read whatever looks like a key id counts.
	var text strings.Builder
	text.WriteString(broken)
	for i := range v1alpha1.MaxSyncKeys + 6 {
		fmt.Fprintf(&text, "# %032x\n", i)
	}
	w.push(map[string]string{"a.json": w.sealed("a"), "many.yaml": text.String()})
	w.look()
	o := w.object()
	w.ready(o, Synced)
	w.incompleteFor(o, "TooManyKeys")
	if len(o.Status.Keys) != v1alpha1.MaxSyncKeys || !slices.IsSorted(o.Status.Keys) {
		t.Errorf("%d keys are listed, sorted: %t", len(o.Status.Keys), slices.IsSorted(o.Status.Keys))
	}
	w.push(map[string]string{"many.yaml": ""})
	o = w.due()
	w.incompleteFor(o, "")
	same(t, "keys", o.Status.Keys, w.sealTo.Recipients[0].KeyID())
}

// TestAChangeJustAfterAnApplyIsAWait has somebody change an object a moment after it was applied: nothing has failed by that. Whoever does it again and again is told of.
func TestAChangeJustAfterAnApplyIsAWait(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	w.ready(w.object(), Synced)
	w.told()
	key := types.NamespacedName{Namespace: "prod", Name: "a"}
	theirs := func() { w.hands.put(key, "theirs", "theirs", "team/infra") }
	w.pass(time.Second)
	theirs()
	if res := w.look(); res.RequeueAfter != 4*time.Second {
		t.Errorf("it is looked at again after %s", res.RequeueAfter)
	}
	w.ready(w.object(), Progressing, "prod/a")
	for _, e := range w.told() {
		if !strings.HasPrefix(e, "Normal ") {
			t.Errorf("the event is %q", e)
		}
	}
	w.pass(4 * time.Second)
	w.look()
	w.ready(w.object(), Synced)
	theirs()
	w.look()
	w.ready(w.object(), ApplyFailed, "again and again", "prod/a")
	w.pass(10 * time.Second)
	w.look()
	w.ready(w.object(), Synced)
	same(t, "applied", w.hands.applied, "a", "a", "a")
}

// TestWhatCarriesTheMarkAndNobodyKnowsIsListed has objects be left behind by a SecretSync of the same name, and a status be lost: they are listed, and never deleted.
func TestWhatCarriesTheMarkAndNobodyKnowsIsListed(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	for i := range maxStrays + 3 {
		w.hands.put(types.NamespacedName{Namespace: "prod", Name: fmt.Sprintf("left-%02d", i)}, "x", "y", "team/infra")
	}
	w.hands.put(types.NamespacedName{Namespace: "prod", Name: "theirs"}, "x", "y", "team/other")
	w.hands.put(types.NamespacedName{Namespace: "prod", Name: "nobodys"}, "x", "y", "")
	w.look()
	for range 3 {
		w.pass(sync.Settle + time.Minute)
		w.look()
	}
	o := w.object()
	w.ready(o, Synced, "status.strays", "prod/left-00")
	s := o.Status.Strays
	if s == nil || s.Count != maxStrays+3 || len(s.Names) != maxStrays || s.Names[0] != "prod/left-00" || s.Names[1] != "prod/left-01" {
		t.Fatalf("strays: %+v", s)
	}
	same(t, "deleted", w.hands.deleted)
	if len(o.Status.Inventory) != 1 || strings.Join(o.Status.Inventory[0].Names, " ") != "a" || o.Status.Pruning != nil {
		t.Errorf("the inventory is %+v, pruning %+v", o.Status.Inventory, o.Status.Pruning)
	}
	// What Git has is its own again; the others go by hand.
	w.push(map[string]string{"b.json": w.sealed("left-00")})
	if s := w.due().Status.Strays; s == nil || s.Count != maxStrays+2 || s.Names[0] != "prod/left-01" {
		t.Errorf("strays: %+v", s)
	}
	for i := range maxStrays + 3 {
		if i > 0 {
			w.hands.remove(types.NamespacedName{Namespace: "prod", Name: fmt.Sprintf("left-%02d", i)})
		}
	}
	w.look()
	if s := w.object().Status.Strays; s != nil {
		t.Errorf("strays: %+v", s)
	}
	// A status that was lost has the inventory made anew of what Git has, and the rest listed.
	w.push(map[string]string{"a.json": ""})
	o = w.object()
	o.Status = v1alpha1.SecretSyncStatus{ObservedGeneration: -1}
	if err := w.kube.Status().Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.memory.forget(w.key)
	w.look()
	w.pass(sync.Settle + time.Minute)
	w.look()
	if s := w.object().Status.Strays; s == nil || s.Count != 1 || s.Names[0] != "prod/a" {
		t.Errorf("strays: %+v", s)
	}
	same(t, "deleted", w.hands.deleted)
}
