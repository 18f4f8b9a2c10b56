package sync_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// fetch is one fetch of a history, as whoever watches over it has noted it.
type fetch struct {
	at   time.Time
	good bool // whole, not empty, verified
	has  map[types.NamespacedName]bool
}

// history lives one random life of a repository, a cluster and the agent between them.
type history struct {
	r         *rand.Rand
	now       time.Time
	git       map[string]string
	cluster   cluster
	inventory []types.NamespacedName
	memory    *sync.Memory
	set       *desired.Set
	doubt     string
	fetches   []fetch // of this process
	versions  int
	deleted   int
}

const names = 12

func newHistory(seed uint64) *history {
	h := &history{r: rand.New(rand.NewPCG(seed, 1)), now: begin, git: map[string]string{}, cluster: cluster{}, memory: &sync.Memory{}}
	for i := range names {
		h.git[fmt.Sprint("s", i)] = "1"
	}
	return h
}

// step has something happen, and then a look, which comes after a fetch or not.
func (h *history) step(t *testing.T) {
	h.now = h.now.Add(time.Duration(h.r.IntN(25)) * time.Second)
	if h.r.IntN(30) == 0 { // somebody sets the clock
		h.now = h.now.Add(-time.Duration(h.r.IntN(300)) * time.Second)
	}
	if h.r.IntN(12) == 0 { // the process starts anew
		h.memory, h.fetches, h.set = &sync.Memory{}, nil, nil
	}
	h.people()
	if h.set == nil || h.r.IntN(3) > 0 {
		h.fetch()
	}
	if h.set == nil {
		return
	}
	last := h.fetches[len(h.fetches)-1]
	p := h.memory.Decide(sync.Input{
		Sync: ours, Set: h.set, Fetched: last.at, Doubt: h.doubt, Inventory: h.inventory, Cluster: h.cluster, Prune: &v1alpha1.SyncPrune{}, Now: h.now,
	})
	h.judge(t, p)
	h.carry(p)
}

// people change Git, and the cluster behind the agent's back.
func (h *history) people() {
	for range h.r.IntN(3) {
		name := fmt.Sprint("s", h.r.IntN(names))
		if _, has := h.git[name]; has {
			delete(h.git, name)
		} else {
			h.git[name] = fmt.Sprint(h.r.IntN(3))
		}
	}
	k := key(fmt.Sprint("s", h.r.IntN(names)))
	live, there := h.cluster[k]
	switch h.r.IntN(12) {
	case 0:
		delete(h.cluster, k)
	case 1:
		h.put(k, sync.Live{Digest: "theirs", Sync: "team/other"})
	case 2:
		h.put(k, sync.Live{Digest: "theirs"})
	case 3:
		if there {
			live.Deleting = true
			h.put(k, live)
		}
	}
}

func (h *history) put(k types.NamespacedName, l sync.Live) {
	h.versions++
	l.ResourceVersion = fmt.Sprint(h.versions)
	h.cluster[k] = l
}

// fetch asks Git. Some fetches fail, or bring what is not taken: then the set before stays, in doubt.
func (h *history) fetch() {
	if h.r.IntN(6) == 0 {
		if h.set != nil {
			h.doubt = "the branch was rewritten"
			h.fetches = append(h.fetches, fetch{at: h.fetches[len(h.fetches)-1].at})
		}
		return
	}
	h.doubt = ""
	f := fetch{at: h.now, good: true, has: map[types.NamespacedName]bool{}}
	h.set = wants(h.git)
	switch h.r.IntN(8) {
	case 0:
		h.set, f.good = &desired.Set{}, false
	case 1, 2: // a file that cannot be read may hold what is not there
		some := maps.Clone(h.git)
		delete(some, fmt.Sprint("s", h.r.IntN(names)))
		h.set, f.good = wants(some), false
		h.set.Refused = []desired.Refusal{{Path: "x"}}
	}
	f.good = f.good && len(h.set.Objects) > 0
	for _, o := range h.set.Objects {
		f.has[o.Key] = true
	}
	h.fetches = append(h.fetches, f)
}

// judge holds each deletion against what the fetches had, and knows nothing of how the plan is made.
func (h *history) judge(t *testing.T, p sync.Plan) {
	t.Helper()
	applied := map[types.NamespacedName]bool{}
	for _, k := range h.inventory {
		applied[k] = true
	}
	ours := 0
	for k, l := range h.cluster {
		if applied[k] && l.Sync == "team/infra" && !l.Deleting {
			ours++
		}
	}
	if n := len(p.Delete); n > 1 && n*100 > 20*ours {
		t.Fatalf("%d of %d are deleted at a time", n, ours)
	}
	for _, d := range p.Delete {
		h.deleted++
		if l := h.cluster[d.Key]; !applied[d.Key] || l.Sync != "team/infra" || d.Live != l {
			t.Fatalf("%s is deleted, and was not applied by this SecretSync, or is not what was seen: %+v", d.Key, l)
		}
		if !h.lacked(d.Key) {
			t.Fatalf("%s is deleted at %s, and no two good fetches 30 s apart lack it: %+v", d.Key, h.now, h.fetches)
		}
	}
}

// lacked says whether the newest fetch is good and lacks an object, and one at least 30 s before it does so too, and all between them.
func (h *history) lacked(k types.NamespacedName) bool {
	last := h.fetches[len(h.fetches)-1]
	if !last.good || last.has[k] {
		return false
	}
	for i := len(h.fetches) - 1; i >= 0; i-- {
		f := h.fetches[i]
		if f.has[k] {
			return false
		}
		if f.good && last.at.Sub(f.at) >= 30*time.Second {
			return true
		}
	}
	return false
}

// carry does what the plan says; some of it fails.
func (h *history) carry(p sync.Plan) {
	h.inventory = p.Inventory
	for _, a := range p.Apply {
		if h.r.IntN(10) == 0 {
			h.memory.Done(a, &sync.Failure{Reason: sync.Forbidden}, h.now)
			continue
		}
		h.put(a.Object.Key, sync.Live{Digest: a.Object.Digest, Sync: ours})
		h.memory.Done(a, nil, h.now)
	}
	for _, d := range p.Delete {
		delete(h.cluster, d.Key)
	}
	for k, l := range h.cluster {
		if l.Deleting {
			delete(h.cluster, k)
		}
	}
}

func TestNoHistoryPrunesWrongly(t *testing.T) {
	deleted := 0
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := newHistory(seed)
			for range 60 {
				h.step(t)
			}
			deleted += h.deleted
		})
	}
	if deleted < 200 {
		t.Errorf("only %d deletions: the histories say little", deleted)
	}
}

// TestGitIsReached holds that a history that becomes quiet ends with what Git has, and nothing else of ours.
func TestGitIsReached(t *testing.T) {
	for seed := range uint64(100) {
		h := newHistory(seed)
		for range 30 {
			h.step(t)
		}
		h.git["s0"] = "1"
		all := int32(100)
		for range 40 {
			h.now = h.now.Add(31 * time.Second)
			h.set, h.doubt = wants(h.git), ""
			p := h.memory.Decide(sync.Input{
				Sync: ours, Set: h.set, Fetched: h.now, Inventory: h.inventory, Cluster: h.cluster, Prune: &v1alpha1.SyncPrune{MaxPercent: &all}, Now: h.now,
			})
			h.carry(p)
		}
		for i := range names {
			name := fmt.Sprint("s", i)
			l, there := h.cluster[key(name)]
			digest, wanted := h.git[name]
			switch {
			case there && l.Sync == "team/other":
			case wanted && (!there || l.Digest != digest || l.Sync != ours):
				t.Errorf("seed %d: %s is %+v, and Git has %s", seed, name, l, digest)
			case !wanted && there && l.Sync == ours:
				t.Errorf("seed %d: %s is still there: %+v", seed, name, l)
			}
		}
	}
}
