package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// stubborn has the API server take no status for so many times.
func (w *world) stubborn(times int) {
	w.Helper()
	to, ok := w.kube.(client.WithWatch)
	if !ok {
		w.Fatal("the client cannot be wrapped")
	}
	w.cluster = interceptor.NewClient(to, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if times--; times >= 0 {
				return errors.New("it answers 503")
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	})
}

// TestWhatAStatusWasNotToldIsToldLater has the API server be away just when a status is written: what the look has found is not lost by that.
func TestWhatAStatusWasNotToldIsToldLater(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) {
		o.Spec.Mode, o.Spec.ServiceAccountName, o.Spec.Prune = v1alpha1.SyncObserve, "", nil
	})
	id := w.push(map[string]string{"a.json": w.sealed("a")})
	w.stubborn(2)
	for range 2 {
		if _, err := w.Reconcile(t.Context(), reconcile.Request{NamespacedName: w.key}); err == nil {
			t.Fatal("the API server has taken it")
		}
	}
	asked := len(w.git.Requests())
	w.look()
	if o := w.object(); o.Status.Fetched == nil || !strings.HasSuffix(o.Status.Fetched.Revision, id) {
		t.Errorf("fetched: %+v", o.Status.Fetched)
	}
	if len(w.git.Requests()) != asked {
		t.Error("the repository was asked again for that")
	}
	if st := w.memory.known(w.key); st.found.fetched != nil {
		t.Error("what was told is kept")
	}
}

// TestAPushThatAStatusWasNotToldIsNotLost has a look that pushes nothing come after one that has, and was not told.
func TestAPushThatAStatusWasNotToldIsNotLost(t *testing.T) {
	first := writeback.Report{Branch: "main", Found: &writeback.Found{}}
	first.Pushed = append(first.Pushed, source.Commit{ID: "c1"})
	st := &state{}
	st.reported(&first, nil, time.Unix(1, 0), nil)
	st.reported(&writeback.Report{Found: &writeback.Found{}}, nil, time.Unix(2, 0), nil)
	if got := st.found.writeBack; got == nil || got.Commit != "c1" || got.Branch != "main" || got.At.Unix() != 1 {
		t.Errorf("%+v", got)
	}
	first.NotGrown, first.Anchored = []string{"it was cut off"}, true
	st.reported(&first, nil, time.Unix(3, 0), nil)
	st.reported(&writeback.Report{Found: &writeback.Found{}}, nil, time.Unix(4, 0), nil)
	if !st.found.anchored || len(st.found.notGrown) != 1 {
		t.Errorf("what is wrong with a log is lost: %+v", st.found)
	}
}

// TestACommitThatIsNotTakenIsRecorded has the audit log tell who has pushed what was refused, once.
func TestACommitThatIsNotTakenIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	w.change(func(o *v1alpha1.SecretSync) {
		o.Spec.Verify = &v1alpha1.SyncVerify{Signers: []v1alpha1.Signer{{Name: "alice", Key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"}}}
	})
	for range 3 {
		w.due()
	}
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.due()
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.Verify = nil })
	w.look()
	w.hands.much = []string{"in namespace prod it may read Secrets"}
	for range 3 {
		w.due()
	}
	w.hands.much = nil
	w.due()
	same(t, "records", w.recorded(),
		"sync.applied intent prod/a", "sync.applied outcome", "sync.synced note",
		"sync.denied note  CommitNotSigned", "sync.denied note  CommitNotSigned",
		"sync.applied intent prod/a", "sync.applied outcome", "sync.synced note",
		"sync.denied note  AccountRefused")
}

// TestARefusedRewriteIsToldByItsCondition holds what the condition Rewritten says of a commit that was not taken.
func TestARefusedRewriteIsToldByItsCondition(t *testing.T) {
	rep := &report{outcome: outcome{"HistoryRewritten", "commit b does not descend from a"}, taken: &taken{set: &desired.Set{}}}
	s := rep.status(&v1alpha1.SecretSync{}, time.Unix(1, 0))
	for _, c := range s.Conditions {
		if c.Type == v1alpha1.ConditionRewritten && c.Message == rep.message {
			return
		}
	}
	t.Errorf("%+v", s.Conditions)
}
