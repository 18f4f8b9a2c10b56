package sync_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const ours = "team/infra"

var begin = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

type cluster map[types.NamespacedName]sync.Live

func (c cluster) Live(key types.NamespacedName) (sync.Live, bool) { l, ok := c[key]; return l, ok }

func key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "prod", Name: name}
}

func wants(digests map[string]string) *desired.Set {
	s := &desired.Set{}
	for name, digest := range digests {
		s.Objects = append(s.Objects, desired.Object{Key: key(name), Path: name + ".yaml", Document: 1, Digest: digest})
	}
	slices.SortFunc(s.Objects, func(a, b desired.Object) int { return strings.Compare(a.Key.Name, b.Key.Name) })
	return s
}

func TestWhatIsApplied(t *testing.T) {
	in := sync.Input{
		Sync: ours, Now: begin,
		Set: wants(map[string]string{"new": "1", "same": "1", "changed": "2", "nobodys": "1", "others": "1", "going": "1"}),
		Cluster: cluster{
			key("same"):    {Digest: "1", Sync: ours},
			key("changed"): {Digest: "1", Sync: ours},
			key("nobodys"): {Digest: "1"},
			key("others"):  {Digest: "1", Sync: "team/other"},
			key("going"):   {Digest: "2", Sync: ours, Deleting: true},
		},
	}
	p := sync.Decide(in)
	var got []string
	for _, a := range p.Apply {
		got = append(got, a.Object.Key.Name+" "+a.Why)
	}
	if want := []string{"changed changed", "new new", "nobodys adopted"}; !slices.Equal(got, want) {
		t.Errorf("applied: %v, want %v", got, want)
	}
	if len(p.Denied) != 1 || p.Denied[0].Path != "others.yaml" || p.Denied[0].Reason != sync.TakenBySync || !strings.Contains(p.Denied[0].Message, "team/other") {
		t.Errorf("denied: %+v", p.Denied)
	}
	if !slices.Equal(p.Waiting, []types.NamespacedName{key("going")}) || len(p.Delete) != 0 {
		t.Errorf("waiting: %v, deleted: %v", p.Waiting, p.Delete)
	}
	if want := []types.NamespacedName{key("changed"), key("going"), key("new"), key("nobodys"), key("same")}; !slices.Equal(p.Inventory, want) {
		t.Errorf("inventory: %v", p.Inventory)
	}
}

// pruning is a SecretSync with ten objects, of which Git lacks one since a minute.
func pruning(change func(*sync.Input)) sync.Plan {
	c, digests := cluster{}, map[string]string{}
	in := sync.Input{Sync: ours, Now: begin, Cluster: c, Prune: &v1alpha1.SyncPrune{}, Missing: map[types.NamespacedName]time.Time{key("gone"): begin.Add(-time.Minute)}}
	for i := range 9 {
		name := fmt.Sprint("stays", i)
		c[key(name)], digests[name] = sync.Live{Digest: "1", Sync: ours}, "1"
		in.Inventory = append(in.Inventory, key(name))
	}
	c[key("gone")] = sync.Live{Digest: "1", Sync: ours, UID: "u", ResourceVersion: "7"}
	in.Inventory = append(in.Inventory, key("gone"))
	in.Set = wants(digests)
	change(&in)
	return sync.Decide(in)
}

func TestWhatIsPruned(t *testing.T) {
	percent := func(n int32) func(*sync.Input) { return func(in *sync.Input) { in.Prune.MaxPercent = &n } }
	for name, c := range map[string]struct {
		change func(*sync.Input)
		held   string // in Held; empty: it is deleted
	}{
		"nothing in the way":         {func(*sync.Input) {}, ""},
		"one may always go":          {percent(0), ""},
		"no policy":                  {func(in *sync.Input) { in.Prune = nil }, "spec.prune is not set"},
		"a dry run":                  {func(in *sync.Input) { in.Prune.Mode = v1alpha1.PruneDryRun }, "DryRun"},
		"the first fetch without it": {func(in *sync.Input) { in.Missing = nil }, "a second fetch"},
		"29 seconds":                 {func(in *sync.Input) { in.Missing[key("gone")] = begin.Add(-29 * time.Second) }, "a second fetch"},
		"30 seconds":                 {func(in *sync.Input) { in.Missing[key("gone")] = begin.Add(-30 * time.Second) }, ""},
		"a time to come":             {func(in *sync.Input) { in.Missing[key("gone")] = begin.Add(time.Hour) }, "a second fetch"},
		"a file that cannot be read": {func(in *sync.Input) {
			in.Set.Refused = []desired.Refusal{{Path: "x.yaml", Reason: desired.InvalidYAML}}
		}, "was refused"},
		"a file of another kind": {func(in *sync.Input) {
			in.Set.Refused = []desired.Refusal{{Path: "x.yaml", Reason: desired.OtherKind, Known: true}}
		}, ""},
		"an empty commit":        {func(in *sync.Input) { in.Set = &desired.Set{}; in.Inventory = []types.NamespacedName{key("gone")} }, "no GitSecret there at all"},
		"more than the share":    {lacking(3), "3 of 10"},
		"just the share":         {lacking(2), ""},
		"a share that is raised": {func(in *sync.Input) { lacking(9)(in); percent(90)(in) }, ""},
		"all but one, with 100":  {func(in *sync.Input) { lacking(9)(in); percent(100)(in) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := pruning(c.change)
			deleted := slices.ContainsFunc(p.Delete, func(d sync.Delete) bool {
				return d.Key == key("gone") && d.Live.UID == "u" && d.Live.ResourceVersion == "7"
			})
			if deleted != (c.held == "") || !strings.Contains(p.Held, c.held) || c.held == "" && p.Held != "" {
				t.Errorf("deleted: %v, held: %q", p.Delete, p.Held)
			}
			if _, missing := p.Missing[key("gone")]; !missing || !slices.Contains(p.Inventory, key("gone")) {
				t.Errorf("it is forgotten: %v, %v", p.Missing, p.Inventory)
			}
		})
	}
}

// lacking has Git lack n objects since a minute.
func lacking(n int) func(*sync.Input) {
	return func(in *sync.Input) {
		for _, o := range in.Set.Objects[:n-1] {
			in.Missing[o.Key] = begin.Add(-time.Minute)
		}
		in.Set.Objects = in.Set.Objects[n-1:]
	}
}

func TestWhatIsNotOursAnyMoreIsLeftAlone(t *testing.T) {
	for name, live := range map[string]sync.Live{"taken over": {Sync: "team/other"}, "let go": {}} {
		p := pruning(func(in *sync.Input) { in.Cluster.(cluster)[key("gone")] = live })
		if len(p.Delete) != 0 || slices.Contains(p.Inventory, key("gone")) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	p := pruning(func(in *sync.Input) { in.Inventory = in.Inventory[:9] })
	if len(p.Delete) != 0 {
		t.Errorf("not of the inventory, and deleted: %+v", p.Delete)
	}
	p = pruning(func(in *sync.Input) { delete(in.Cluster.(cluster), key("gone")) })
	if len(p.Delete) != 0 || slices.Contains(p.Inventory, key("gone")) {
		t.Errorf("not in the cluster: %+v", p)
	}
}

// TestNoHistoryPrunesWrongly lives random lives and holds every deletion against what the fetches of the last half minute had.
func TestNoHistoryPrunesWrongly(t *testing.T) {
	deleted := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := cluster{}
		var inventory []types.NamespacedName
		var missing map[types.NamespacedName]time.Time
		now := begin
		lacks := map[types.NamespacedName]time.Time{} // the first good fetch without it since it was there
		git := map[string]string{}
		for i := range 12 {
			git[fmt.Sprint("s", i)] = "1"
		}
		for range 40 {
			now = now.Add(time.Duration(r.IntN(25)) * time.Second)
			for range r.IntN(3) {
				name := fmt.Sprint("s", r.IntN(12))
				if _, has := git[name]; has {
					delete(git, name)
				} else {
					git[name] = fmt.Sprint(r.IntN(3))
				}
			}
			in := sync.Input{Sync: ours, Set: wants(git), Inventory: inventory, Cluster: c, Prune: &v1alpha1.SyncPrune{}, Missing: missing, Now: now}
			unknown, empty := r.IntN(4) == 0, r.IntN(8) == 0
			switch {
			case empty:
				in.Set = &desired.Set{}
			case unknown:
				in.Set.Refused = []desired.Refusal{{Path: "x"}}
			}
			if r.IntN(10) == 0 { // the process starts anew
				in.Missing, lacks = nil, map[types.NamespacedName]time.Time{}
			}
			for i := range 12 {
				k := key(fmt.Sprint("s", i))
				_, known := lacks[k]
				switch has := slices.ContainsFunc(in.Set.Objects, func(o desired.Object) bool { return o.Key == k }); {
				case has:
					delete(lacks, k)
				case !known && !unknown && !empty:
					lacks[k] = now
				}
			}
			p := sync.Decide(in)
			if (unknown || empty) && len(p.Delete) > 0 {
				t.Fatalf("seed %d: deleted by a commit that is not whole: %v", seed, p.Delete)
			}
			if len(p.Delete) > 1 && len(p.Missing)*100 > 20*len(inventory) {
				t.Fatalf("seed %d: %d of %d deleted", seed, len(p.Delete), len(inventory))
			}
			for _, d := range p.Delete {
				deleted++
				if since, lacking := lacks[d.Key]; !lacking || now.Sub(since) < sync.Settle {
					t.Fatalf("seed %d: %s was deleted at %s, and two good fetches did not lack it: %v", seed, d.Key, now, since)
				}
				delete(c, d.Key)
			}
			for _, a := range p.Apply {
				c[a.Object.Key] = sync.Live{Digest: a.Object.Digest, Sync: ours}
			}
			inventory, missing = p.Inventory, p.Missing
		}
	}
	if deleted < 100 {
		t.Errorf("only %d deletions: the histories say little", deleted)
	}
}
