package agentsync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/agent/live"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// loop is what the agent does with one SecretSync, less Git and status.
type loop struct {
	*world
	git       git
	store     *live.Store
	woken     chan live.Change
	memory    sync.Memory
	records   records
	inventory []types.NamespacedName
	fetched   time.Time
	now       func() time.Time
}

func newLoop(t *testing.T) *loop {
	t.Helper()
	l := &loop{world: newWorld(t), git: git{}, woken: make(chan live.Change, 10000), fetched: time.Now(), now: time.Now}
	l.store = live.NewStore(nil, func(c live.Change) { l.woken <- c }, time.Now)
	objects, err := cache.New(l.ServiceAccountConfig(t, harness.WaxwingNamespace, "test-agent"), cache.Options{
		Scheme: l.Scheme(), ByObject: map[client.Object]cache.ByObject{&v1alpha1.GitSecret{}: {Transform: live.Transform}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- objects.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	informer, err := objects.GetInformer(t.Context(), &v1alpha1.GitSecret{})
	if err != nil {
		t.Fatal(err)
	}
	told, err := informer.AddEventHandler(l.store)
	if err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t.Context(), t, "the store has what there is", func(context.Context) error {
		if !told.HasSynced() {
			return errors.New("not yet")
		}
		return nil
	})
	return l
}

// look plans and carries out, and gives the plan; a fetch is noted where there was one.
func (l *loop) look(t *testing.T, prune *v1alpha1.SyncPrune) (sync.Plan, []sync.Result) {
	t.Helper()
	p := l.memory.Decide(sync.Input{
		Sync: l.writer.Sync, Set: l.git.set(), Fetched: l.fetched, Inventory: l.inventory, Cluster: l.store, Prune: prune, Now: l.now(),
	})
	l.inventory = p.Inventory
	actor := sync.Actor{Writer: l.writer, Manifests: l.git, Records: &l.records, Noted: l.store, Memory: &l.memory, Workers: 4, Now: l.now}
	results, err := actor.Carry(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Failure != nil {
			t.Errorf("%s: %s: %s", r.Key, r.Failure.Reason, r.Failure.Message)
		}
	}
	return p, results
}

func (l *loop) wants(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		l.git[l.key(name)] = l.manifest(t, name)
	}
}

// shown waits until the watch has told of so many objects.
func (l *loop) shown(t *testing.T, count int) {
	t.Helper()
	harness.Eventually(t.Context(), t, "the watch has told of all", func(context.Context) error {
		if n := len(l.store.Marked(l.writer.Sync)); n != count {
			return fmt.Errorf("of %d", n)
		}
		return nil
	})
}

// writes counts the agent's writes of GitSecrets.
func writes(t *testing.T, log *harness.APILog) (n int) {
	t.Helper()
	all, err := log.Next()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Resource == "gitsecrets" && (r.Verb == "patch" || r.Verb == "delete" || r.Verb == "create") {
			n++
		}
	}
	return n
}

func TestOnlyWhatDiffersIsWritten(t *testing.T) {
	l := newLoop(t)
	const count = 300
	for i := range count {
		l.wants(t, fmt.Sprintf("s%03d", i))
	}
	log := l.APILog(t)
	if _, results := l.look(t, nil); len(results) != count {
		t.Fatalf("%d results", len(results))
	}
	if n := writes(t, log); n != count {
		t.Errorf("the first apply of %d cost %d writes", count, n)
	}
	if n := len(l.records.intents); n != 2 {
		t.Errorf("%d intents for %d objects", n, count)
	}
	// At once again, when the watch may not have told of it all.
	if p, _ := l.look(t, nil); len(p.Apply) != 0 || len(p.Inventory) != count {
		t.Errorf("%d are applied once more, of an inventory of %d", len(p.Apply), len(p.Inventory))
	}
	l.shown(t, count)
	l.wants(t, "s007")
	if p, _ := l.look(t, nil); len(p.Apply) != 1 || p.Apply[0].Why != sync.Changed {
		t.Errorf("%+v", p.Apply)
	}
	if n := writes(t, log); n != 1 {
		t.Errorf("one changed file cost %d writes", n)
	}
}

func TestDriftIsToldOfAndRepaired(t *testing.T) {
	l := newLoop(t)
	began := time.Now()
	l.now = func() time.Time { return began } // however long it takes, it was a moment ago
	l.wants(t, "a", "b")
	l.look(t, nil)
	l.shown(t, 2)
	l.withStatus(t, "a")
	_, stands := l.live(t, "a")
	harness.Eventually(t.Context(), t, "the store has the status, so it has told of all before", func(context.Context) error {
		if is, _ := l.store.Live(l.key("a")); is.ResourceVersion != stands.ResourceVersion {
			return fmt.Errorf("it has version %s", is.ResourceVersion)
		}
		return nil
	})
	for len(l.woken) > 0 {
		<-l.woken
	}
	l.byHand(t, "a", `{"spec": {"suspend": true}}`)
	var change live.Change
	harness.Eventually(t.Context(), t, "the store tells of it", func(context.Context) error {
		for len(l.woken) > 0 {
			if change = <-l.woken; change.Key == l.key("a") { // other namespaces go meanwhile
				return nil
			}
		}
		return errors.New("not yet")
	})
	if !change.Content || !slices.Contains(change.Syncs, l.writer.Sync) {
		t.Errorf("%+v", change)
	}
	p, _ := l.look(t, nil)
	if len(p.Fights) != 1 || p.Fights[0].Rival != "kubectl-edit" {
		t.Errorf("an object that was applied a moment ago: %+v, fights %+v", p.Apply, p.Fights)
	}
	l.memory, l.now = sync.Memory{}, time.Now // as if that were long ago
	l.look(t, nil)
	if o, is := l.live(t, "a"); o.Spec.Suspend || is.Digest != object(l.git[l.key("a")]).Digest {
		t.Error("the drift is still there")
	}
	if err := l.Delete(t.Context(), l.git[l.key("b")].DeepCopy()); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t.Context(), t, "the store knows that it is gone", func(context.Context) error {
		if _, there := l.store.Live(l.key("b")); there {
			return errors.New("it is there")
		}
		return nil
	})
	l.look(t, nil)
	l.live(t, "b")
}

func TestPruning(t *testing.T) {
	l := newLoop(t)
	l.wants(t, "a", "b", "c", "d", "e", "f")
	l.look(t, &v1alpha1.SyncPrune{})
	l.shown(t, 6) // what no watch has shown is forgotten as soon as it is deleted
	delete(l.git, l.key("f"))
	l.fetched = l.fetched.Add(time.Minute)
	if p, _ := l.look(t, &v1alpha1.SyncPrune{}); len(p.Delete) != 0 || len(p.Gone) != 1 || p.Held == "" {
		t.Errorf("at the first fetch: %+v", p)
	}
	l.withStatus(t, "f")
	l.fetched = l.fetched.Add(time.Minute)
	p, results := l.look(t, &v1alpha1.SyncPrune{})
	if len(p.Delete) != 1 || len(results) != 1 || results[0].Why != "" {
		t.Errorf("at the second: %+v %+v", p, results)
	}
	if err := l.Get(t.Context(), l.key("f"), &v1alpha1.GitSecret{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("it is still there: %v", err)
	}
	// At once again: the watch may not have told of it.
	if p, results := l.look(t, &v1alpha1.SyncPrune{}); len(p.Delete) != 0 || len(results) != 0 {
		t.Errorf("deleted once more: %+v", p.Delete)
	}
	// It comes back to Git, while the watch may still have it.
	l.wants(t, "f")
	harness.Eventually(t.Context(), t, "it is there again", func(ctx context.Context) error {
		l.look(t, &v1alpha1.SyncPrune{})
		return l.Get(ctx, l.key("f"), &v1alpha1.GitSecret{})
	})
}

func TestWithoutADurableIntentNothingIsWritten(t *testing.T) {
	l := newLoop(t)
	l.wants(t, "a")
	l.records.fail = errors.New("the disk is full")
	p := l.memory.Decide(sync.Input{Sync: l.writer.Sync, Set: l.git.set(), Fetched: l.fetched, Cluster: l.store, Now: time.Now()})
	actor := sync.Actor{Writer: l.writer, Manifests: l.git, Records: &l.records, Noted: l.store, Memory: &l.memory, Workers: 4, Now: time.Now}
	if results, err := actor.Carry(t.Context(), p); !errors.Is(err, l.records.fail) || len(results) != 0 {
		t.Errorf("%v, %v", results, err)
	}
	if err := l.Get(t.Context(), l.key("a"), &v1alpha1.GitSecret{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("it was written: %v", err)
	}
	// Git has something else by the time that it is read again.
	l.records.fail = nil
	l.wants(t, "a")
	results, err := actor.Carry(t.Context(), p)
	if err != nil || len(results) != 1 || results[0].Failure == nil {
		t.Errorf("another manifest than that of the plan was applied: %+v, %v", results, err)
	}
}
