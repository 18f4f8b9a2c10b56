package agent

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// silent is a repository whose server does not answer, or answers at once that it is broken.
type silent struct {
	repository
	broken bool
	asked  int
}

func (s *silent) Fetch(ctx context.Context, _ source.Place, _ source.Auth, _ ...string) (source.Commit, error) {
	s.asked++
	if s.broken {
		return source.Commit{}, &source.Error{Reason: source.FetchFailed, Msg: "it answers 500"}
	}
	<-ctx.Done()
	return source.Commit{}, ctx.Err()
}

// TestAServerThatIsSilentFromTheBeginningLeavesWorkersToOthers holds that nobody gets more time than a quick one needs before he stands among the slow ones: one has the agent
// forget what it knows of a SecretSync by making it anew.
func TestAServerThatIsSilentFromTheBeginningLeavesWorkersToOthers(t *testing.T) {
	w := newWorld(t)
	repo := &silent{}
	w.through(func(one repository) repository { repo.repository = one; return repo })
	w.quick, w.patience = 10*time.Millisecond, 20*time.Millisecond
	leave, _ := w.lane.enter(true) // others have the only place of two workers
	if res := w.look(); res.RequeueAfter != time.Millisecond || repo.asked != 1 {
		t.Fatalf("it is not ended soon: %+v", res)
	}
	if o := w.object(); o.Status.ObservedGeneration != -1 {
		t.Errorf("it has failed by that: %+v", o.Status.Conditions)
	}
	if res := w.look(); res.RequeueAfter != laneRetry || repo.asked != 1 {
		t.Errorf("it is asked, and has no place: %+v", res)
	}
	leave()
	w.look()
	w.ready(w.object(), "TimedOut")
	repo.broken = true
	w.due()
	repo.broken = false
	leave, _ = w.lane.enter(true)
	defer leave()
	w.pass(time.Minute)
	if res := w.look(); res.RequeueAfter != laneRetry {
		t.Errorf("it has become quick by being broken: %+v", res)
	}
}

// TestAnAskedForLookThatTakesItsTimeIsStillTheOneThatWasAskedFor keeps annotation waxwing.io/sync-at until it was carried out.
func TestAnAskedForLookThatTakesItsTimeIsStillTheOneThatWasAskedFor(t *testing.T) {
	w := newWorld(t)
	repo := &silent{}
	w.through(func(one repository) repository { repo.repository = one; return repo })
	w.quick = 10 * time.Millisecond
	o := w.object()
	o.Annotations = map[string]string{v1alpha1.AnnotationSyncNow: "now"}
	if err := w.kube.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.look()
	if st := w.memory.known(w.key); st.asked == "now" || !st.slow {
		t.Errorf("it counts as carried out: %+v", st)
	}
}

// blind is a cluster that is not looked at.
type blind struct{ sync.Cluster }

func (blind) Sees(string) bool                            { return false }
func (blind) Live(types.NamespacedName) (sync.Live, bool) { return sync.Live{}, false }

// TestObjectsInNamespacesThatAreNotLookedAtCannotBeDeleted says what to do about them, instead of waiting without a word.
func TestObjectsInNamespacesThatAreNotLookedAtCannotBeDeleted(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) { o.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	if err := w.kube.Delete(t.Context(), w.object()); err != nil {
		t.Fatal(err)
	}
	w.live = func() sync.Cluster { return blind{w.store} }
	w.look()
	w.ready(w.object(), DeletionFailed, "prod/a", "namespace prod", "--namespaces", "Retain")
	w.change(func(o *v1alpha1.SecretSync) { o.Spec.DeletionPolicy = v1alpha1.DeletionRetain })
	w.look()
	if err := w.kube.Get(t.Context(), w.key, &v1alpha1.SecretSync{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("it is still there: %v", err)
	}
}

// TestTheSweepLeavesWhatHasCome keeps the cache of a SecretSync that was made after they were listed.
func TestTheSweepLeavesWhatHasCome(t *testing.T) {
	w := newWorld(t)
	w.push(map[string]string{"a.json": w.sealed("a")})
	w.look()
	if err := w.repos.sweep(map[types.UID]bool{}); err != nil {
		t.Fatal(err)
	}
	repo, err := w.repos.of(w.object().UID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Files(t.Context(), w.memory.known(w.key).taken.commit); err != nil {
		t.Errorf("its cache is gone: %v", err)
	}
}
