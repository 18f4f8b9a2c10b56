package sync_test

import (
	"fmt"
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
func (c cluster) Sees(namespace string) bool                      { return namespace != "unwatched" }

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
		Sync: ours, Fetched: begin, Now: begin,
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
	in := sync.Input{Sync: ours, Fetched: begin, Now: begin, Cluster: c, Prune: &v1alpha1.SyncPrune{}, Missing: map[types.NamespacedName]time.Time{key("gone"): begin.Add(-time.Minute)}}
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
		"a fetch that failed":    {func(in *sync.Input) { in.Doubt = "the server is away" }, "the server is away"},
		"a plan made anew later": {func(in *sync.Input) { in.Missing[key("gone")] = begin; in.Now = begin.Add(time.Hour) }, "a second fetch"},
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

func TestAClockThatIsSetBackBeginsAnew(t *testing.T) {
	p := pruning(func(in *sync.Input) { in.Missing[key("gone")] = begin.Add(time.Hour) })
	if !p.Missing[key("gone")].Equal(begin) {
		t.Errorf("missing since %s", p.Missing[key("gone")])
	}
}

func TestWhatSomebodyIsDeletingIsNotDeletedAgain(t *testing.T) {
	p := pruning(func(in *sync.Input) {
		live := in.Cluster.(cluster)[key("gone")]
		live.Deleting = true
		in.Cluster.(cluster)[key("gone")] = live
	})
	if len(p.Delete) != 0 || len(p.Gone) != 0 || p.Held != "" || !slices.Contains(p.Inventory, key("gone")) {
		t.Errorf("%+v", p)
	}
}

func TestOfNamespacesThatAreNotWatchedNothingIsKnown(t *testing.T) {
	far := types.NamespacedName{Namespace: "unwatched", Name: "a"}
	p := pruning(func(in *sync.Input) {
		in.Set.Objects = append(in.Set.Objects, desired.Object{Key: far, Path: "far.yaml", Document: 1})
		in.Inventory = append(in.Inventory, types.NamespacedName{Namespace: "unwatched", Name: "b"})
	})
	if len(p.Apply) != 0 || len(p.Denied) != 1 || p.Denied[0].Reason != sync.NamespaceNotWatched || p.Denied[0].Path != "far.yaml" {
		t.Errorf("applied: %v, denied: %+v", p.Apply, p.Denied)
	}
	if len(p.Delete) != 1 || !slices.ContainsFunc(p.Inventory, func(k types.NamespacedName) bool { return k.Namespace == "unwatched" && k.Name == "b" }) {
		t.Errorf("deleted: %v, inventory: %v", p.Delete, p.Inventory)
	}
}

func TestTheShareIsOfWhatIsThere(t *testing.T) {
	p := pruning(func(in *sync.Input) {
		lacking(2)(in)
		for i := range 5 { // people have deleted them
			name := fmt.Sprint("stays", 8-i)
			delete(in.Cluster.(cluster), key(name))
		}
	})
	if len(p.Delete) != 0 || !strings.Contains(p.Held, "2 of 5") {
		t.Errorf("deleted: %v, held: %q", p.Delete, p.Held)
	}
}

func TestWhoeverChangesAnObjectAgainAndAgainIsNotOutrun(t *testing.T) {
	var m sync.Memory
	c := cluster{key("a"): {Digest: "theirs", Sync: ours, Rival: "kubectl-edit", UID: "u", ResourceVersion: "5"}}
	now := begin
	look := func() sync.Plan {
		return m.Decide(sync.Input{Sync: ours, Set: wants(map[string]string{"a": "1"}), Fetched: begin, Now: now, Cluster: c})
	}
	var applied []time.Duration
	for range 400 {
		p := look()
		switch {
		case len(p.Apply) == 1:
			applied = append(applied, now.Sub(begin))
			m.Done(p.Apply[0], nil, now)
		case len(p.Fights) != 1 || p.Fights[0] != (sync.Fight{Key: key("a"), Rival: "kubectl-edit", Again: len(applied) > 1}) || !p.Again.After(now):
			t.Fatalf("at %s: %+v", now.Sub(begin), p)
		case !slices.Contains(p.Inventory, key("a")):
			t.Fatal("an object that waits is not of the inventory")
		}
		now = now.Add(time.Second)
	}
	if want := []time.Duration{0, 5 * time.Second, 15 * time.Second, 35 * time.Second, 75 * time.Second, 155 * time.Second, 315 * time.Second}; !slices.Equal(applied, want) {
		t.Errorf("applied at %v, want %v", applied, want)
	}
	// One that was left alone for long is repaired at once, and so is one that Git changes.
	now = now.Add(time.Hour)
	if p := look(); len(p.Apply) != 1 || p.Apply[0].Why != sync.Drifted || p.Apply[0].Live.ResourceVersion != "5" {
		t.Errorf("after an hour: %+v", p)
	}
	m.Done(look().Apply[0], nil, now)
	p := m.Decide(sync.Input{Sync: ours, Set: wants(map[string]string{"a": "2"}), Fetched: now, Now: now, Cluster: c})
	if len(p.Apply) != 1 || p.Apply[0].Why != sync.Changed {
		t.Errorf("of a new commit: %+v", p)
	}
	if p := m.Decide(sync.Input{Sync: ours, Set: wants(map[string]string{"a": "1"}), Fetched: now, Now: now, Cluster: c, Asked: true}); len(p.Apply) != 1 {
		t.Errorf("when it is asked for: %+v", p)
	}
}

func TestWhatCouldNotBeWrittenRests(t *testing.T) {
	var m sync.Memory
	in := sync.Input{Sync: ours, Set: wants(map[string]string{"a": "1"}), Fetched: begin, Now: begin, Cluster: cluster{}}
	first := m.Decide(in)
	m.Done(first.Apply[0], &sync.Failure{Reason: sync.Unavailable}, begin)
	if p := m.Decide(in); len(p.Apply) != 1 || p.Apply[0].Why != sync.New {
		t.Errorf("the API server was away: %+v", p)
	}
	no := &sync.Failure{Reason: sync.Forbidden, Message: "no"}
	m.Done(first.Apply[0], no, begin)
	p := m.Decide(in)
	if len(p.Apply) != 0 || len(p.Failing) != 1 || p.Failing[0].Failure != no || !p.Again.Equal(begin.Add(5*time.Second)) {
		t.Errorf("it is forbidden: %+v", p)
	}
	in.Now = begin.Add(5 * time.Second)
	if p := m.Decide(in); len(p.Apply) != 1 || p.Apply[0].Why != sync.New {
		t.Errorf("after five seconds: %+v", p)
	}
	m.Done(first.Apply[0], no, in.Now)
	if p := m.Decide(in); !p.Again.Equal(in.Now.Add(10 * time.Second)) {
		t.Errorf("it rests until %s", p.Again)
	}
	m.Done(first.Apply[0], nil, in.Now) // that it has failed before is no fight
	if p := m.Decide(in); len(p.Fights) != 1 || !p.Again.Equal(in.Now.Add(5*time.Second)) {
		t.Errorf("it is left alone until %s", p.Again)
	}
}

func TestObserving(t *testing.T) {
	set := wants(map[string]string{"a": "1", "b": "1", "c": "1", "d": "1"})
	for i := range set.Objects {
		set.Objects[i].SpecDigest = "s"
	}
	c := cluster{key("a"): {Spec: "s", Digest: "other labels"}, key("b"): {Spec: "t"}, key("d"): {Spec: "s", Deleting: true}}
	got := sync.Observe(set, c)
	if got.Same != 1 || !slices.Equal(got.Other, []types.NamespacedName{key("b")}) || !slices.Equal(got.Absent, []types.NamespacedName{key("c"), key("d")}) || got.All() {
		t.Errorf("%+v", got)
	}
	c[key("b")], c[key("c")], c[key("d")] = sync.Live{Spec: "s"}, sync.Live{Spec: "s"}, sync.Live{Spec: "s"}
	if got := sync.Observe(set, c); !got.All() {
		t.Errorf("%+v", got)
	}
	if sync.Observe(&desired.Set{}, c).All() {
		t.Error("a commit with nothing is never applied")
	}
}

func TestWhatGoesWithASecretSync(t *testing.T) {
	c := cluster{key("a"): {Sync: ours, UID: "u"}, key("b"): {Sync: "team/other"}, key("c"): {}, key("d"): {Sync: ours, Deleting: true}}
	far := types.NamespacedName{Namespace: "unwatched", Name: "a"}
	now, left, unseen := sync.Retire(ours, []types.NamespacedName{key("d"), key("c"), key("b"), key("a"), key("never"), far}, c)
	if len(now) != 1 || now[0].Key != key("a") || now[0].Live.UID != "u" {
		t.Errorf("deleted: %v", now)
	}
	if !slices.Equal(left, []types.NamespacedName{key("d")}) || !slices.Equal(unseen, []types.NamespacedName{far}) {
		t.Errorf("left: %v, unseen: %v", left, unseen)
	}
}
