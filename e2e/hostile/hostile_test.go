package hostile_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/hostile"
)

// TestHostileRepositories has each of them be fetched and read, and holds what would be done with it against what may be.
func TestHostileRepositories(t *testing.T) {
	cases := hostile.Cases()
	if len(cases) < 50 {
		t.Errorf("only %d cases", len(cases))
	}
	for i, c := range cases {
		if i > 0 && cases[i-1].Name == c.Name {
			t.Errorf("%s is there twice", c.Name)
		}
		t.Run(c.Name, func(t *testing.T) { attacked(t, c) })
	}
}

// world is the agent before its own parts are there: what it fetches and reads, and a cluster that has what it would apply.
type world struct {
	t       *testing.T
	c       hostile.Case
	repo    *source.Repository
	place   source.Place
	cache   *desired.Cache
	cluster cluster
	plan    sync.Plan
	now     time.Time
	first   string
}

type cluster map[types.NamespacedName]sync.Live

func (c cluster) Live(key types.NamespacedName) (sync.Live, bool) { l, ok := c[key]; return l, ok }

func (cluster) Sees(string) bool { return true }

const ours = "team/hostile"

func attacked(t *testing.T, c hostile.Case) {
	served := hostile.Start(t, c)
	repo, err := source.Open(filepath.Join(t.TempDir(), "cache"), c.Limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	w := &world{
		t: t, c: c, repo: repo, place: source.Place{URL: served.URL, Branch: hostile.Branch}, cache: desired.NewCache(desired.Limits{}), cluster: cluster{},
		now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
	}
	w.well("at first")
	served.Attack()
	var attack func()
	used := peak(func() { attack = w.attack() })
	attack()
	t.Logf("memory: %d MiB", used>>20)
	if used > hostile.MaxMemory {
		t.Errorf("it took %d MiB", used>>20)
	}
	served.Recover()
	w.well("afterwards")
}

// fetch is a commit, and what it wants.
func (w *world) fetch() (source.Commit, *desired.Set, error) {
	commit, err := w.repo.Fetch(w.t.Context(), w.place, source.Auth{InsecureHTTP: true})
	if err != nil {
		return commit, nil, err
	}
	files, err := w.repo.Files(w.t.Context(), commit)
	if err != nil {
		return commit, nil, err
	}
	set, err := desired.Read(w.t.Context(), w.c.Folder, hostile.Entries(files), hostile.ReadFrom(w.repo), w.cache)
	return commit, set, err
}

// well holds that a commit without harm is taken.
func (w *world) well(when string) {
	w.t.Helper()
	commit, set, err := w.fetch()
	if err != nil {
		w.t.Fatalf("%s: %v", when, err)
	}
	if w.first == "" {
		w.first = commit.ID
	}
	if got := names(set); !slices.Equal(got, []string{"prod/good", "prod/victim"}) || len(set.Refused) != 0 {
		w.t.Fatalf("%s: %v, refused: %v", when, got, refusals(set))
	}
	w.apply(set)
}

// apply does what the plan says, but for writing to a cluster, and gives what it deletes.
func (w *world) apply(set *desired.Set) []string {
	w.now = w.now.Add(time.Minute)
	w.plan = sync.Decide(sync.Input{
		Sync: ours, Set: set, Inventory: w.plan.Inventory, Cluster: w.cluster, Prune: &v1alpha1.SyncPrune{}, Missing: w.plan.Missing,
		Fetched: w.now, Now: w.now,
	})
	var deleted []string
	for _, d := range w.plan.Delete {
		deleted = append(deleted, d.Key.String())
		delete(w.cluster, d.Key)
	}
	w.carry(w.plan.Apply[:min(len(w.plan.Apply), 50)])
	for _, a := range w.plan.Apply {
		w.cluster[a.Object.Key] = sync.Live{Digest: a.Object.Digest, Sync: ours}
	}
	return deleted
}

// attack takes the hostile commit; what it gives holds the outcome against what has to become of it.
func (w *world) attack() func() {
	commit, set, err := w.fetch()
	if err != nil || w.c.Fetch != "" {
		return func() { w.refused(err) }
	}
	deleted := w.apply(set)
	// The second fetch that lacks it is another read of the same commit.
	_, again, err := w.fetch()
	if err != nil {
		return func() { w.t.Errorf("a second time: %v", err) }
	}
	deleted = append(deleted, w.apply(again)...)
	return func() {
		w.taken(set)
		if !slices.Equal(refusals(again), refusals(set)) || !slices.Equal(names(again), names(set)) {
			w.t.Error("a second time it reads otherwise")
		}
		if want := w.c.Pruned; (len(deleted) > 0) != want || want && !slices.Equal(deleted, []string{"prod/victim"}) {
			w.t.Errorf("deleted: %v", deleted)
		}
		if relation, err := w.repo.Relation(w.first, commit.ID); w.c.Orphan != (relation == source.Rewritten) || err != nil {
			w.t.Errorf("it is %s to the commit before (%v)", relation, err)
		}
	}
}

// refused holds why a repository is refused as a whole.
func (w *world) refused(err error) {
	var e *source.Error
	if !errors.As(err, &e) || e.Reason != w.c.Fetch || !strings.Contains(e.Msg, w.c.Says) {
		w.t.Errorf("it is refused because of %v, and should be because of %s %q", err, w.c.Fetch, w.c.Says)
	}
	if len(w.plan.Delete) > 0 {
		w.t.Errorf("deleted: %v", w.plan.Delete)
	}
}

// taken holds what is applied and what is refused of a commit.
func (w *world) taken(set *desired.Set) {
	w.t.Helper()
	want := slices.Clone(w.c.Applied)
	if !w.c.Lacks {
		want = append([]string{"good"}, want...)
	}
	for i := range want {
		want[i] = "prod/" + want[i]
	}
	got, found := names(set), refusals(set)
	if w.c.More {
		for _, r := range w.c.Refused {
			if !slices.Contains(found, r) {
				w.t.Errorf("%q is not among %d refusals", r, len(found))
			}
		}
		if !slices.Contains(got, "prod/good") {
			w.t.Error("good is not applied")
		}
	} else if !slices.Equal(got, want) || !slices.Equal(found, w.c.Refused) {
		w.t.Errorf("applied: %q, should be %q\nrefused: %q\nshould be: %q", got, want, found, w.c.Refused)
	}
	for _, r := range set.Refused {
		if r.Path == "" || r.Reason == "" || r.Message == "" || strings.Contains(r.Message, "canary") || len(r.Message) > 2000 || strings.ContainsAny(r.Message+r.Path, "\n\x1b\u202e") {
			w.t.Errorf("a refusal that is not fit to be shown: %+v", r)
		}
	}
}

func names(set *desired.Set) []string {
	var out []string
	for _, o := range set.Objects {
		out = append(out, o.Key.String())
	}
	return out
}

func refusals(set *desired.Set) []string {
	var out []string
	for _, r := range set.Refused {
		s := fmt.Sprintf("%s %d %s", r.Path, r.Document, r.Reason)
		if !r.Known {
			s += "?"
		}
		out = append(out, s)
	}
	return out
}

// peak runs do and gives how large the heap was meanwhile, at most, beyond what it had before, in bytes: with what is garbage already.
func peak(do func()) int64 {
	// Garbage is collected more often from there on, as in the agent.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(192 << 20))
	runtime.GC()
	sample := func() int64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return int64(s[0].Value.Uint64())
	}
	before := sample()
	var most atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			most.Store(max(most.Load(), sample()))
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return most.Load() - before
}
