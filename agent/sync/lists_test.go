package sync_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	gosync "sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// twoLists are the contents of two Lists, by their paths, whose objects are in turn of one and of the other by their names: n of them together.
func twoLists(t *testing.T, n int) map[string][]byte {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	to, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	spec, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(
		seal.For{Scope: seal.ScopeCluster}, seal.Values{"a": seal.NewValue([]byte("canary-not-a-secret"))}, []seal.Holder{{Name: "prod", Recipients: []seal.Recipient{to}}})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"a.json", "b.json"}
	items := map[string][]any{}
	for i := range n {
		name := names[i%2]
		items[name] = append(items[name], map[string]any{
			"apiVersion": seal.APIVersion, "kind": seal.Kind, "metadata": map[string]any{"namespace": "prod", "name": fmt.Sprintf("s%04d", i)}, "spec": spec,
		})
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[name], err = json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items[name]}); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// unwritten gives manifests to nobody: there is no cluster to write to.
type unwritten struct {
	all *desired.Manifests

	mu    gosync.Mutex
	asked []string
}

func (u *unwritten) Manifest(ctx context.Context, o desired.Object) (*v1alpha1.GitSecret, error) {
	m, err := u.all.Manifest(ctx, o)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, m.Metadata.Name)
	return nil, errors.New("there is no cluster")
}

// TestListsAreReadOnceForAllTheirObjects carries out a plan whose objects are, by their names, in turn of one List and of another: none is read for each of its objects, and records,
// results and what is remembered fit one another.
func TestListsAreReadOnceForAllTheirObjects(t *testing.T) {
	const n, late = 1000, 16 // a writer that is late with one of the first List reads it again
	files := twoLists(t, n)
	var entries []desired.File
	for name, text := range files {
		entries = append(entries, desired.File{Path: name, Kind: desired.Regular, Size: int64(len(text)), Blob: name})
	}
	var mu gosync.Mutex
	reads := 0
	read := func(_ context.Context, blob string) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		reads++
		return files[blob], nil
	}
	cache := desired.NewCache(desired.Limits{FileBytes: 4 << 20})
	set, err := desired.Read(t.Context(), "", entries, read, cache)
	if err != nil || len(set.Objects) != n {
		t.Fatalf("%+v, %v", set.Refused, err)
	}
	for workers, most := range map[int]int{1: 2, 16: 2 + late} {
		memory, got, all := &sync.Memory{}, &noted{}, &unwritten{all: cache.Manifests(read)}
		in := sync.Input{Sync: ours, Set: set, Fetched: begin, Cluster: cluster{}, Now: begin}
		plan := memory.Decide(in)
		reads = 0
		a := sync.Actor{Manifests: all, Records: got, Memory: memory, Workers: workers, Now: func() time.Time { return begin }}
		results, err := a.Carry(t.Context(), plan)
		if err != nil || len(results) != n || len(all.asked) != n {
			t.Fatalf("%d results, %d manifests, %v", len(results), len(all.asked), err)
		}
		if reads < 2 || reads > most {
			t.Errorf("by %d at a time two Lists are read %d times", workers, reads)
		}
		var names []string
		for _, r := range results {
			names = append(names, r.Key.String())
		}
		if names[1] != "prod/s0002" || names[n/2] != "prod/s0001" || !slices.Equal(slices.Concat(*got...), names) {
			t.Errorf("the results are of %v", names)
		}
		if !slices.IsSortedFunc(plan.Apply, byKey) {
			t.Error("the plan itself has another order")
		}
		// Each failure is remembered for its own object.
		if again := memory.Decide(in); len(again.Apply) != 0 || len(again.Failing) != n || again.Failing[1].Key != set.Objects[1].Key || again.Failing[1].Failure != results[n/2].Failure {
			t.Errorf("%d are applied again, %d have failed", len(again.Apply), len(again.Failing))
		}
	}
}

func byKey(x, y sync.Apply) int {
	return slices.Compare([]string{x.Object.Key.Namespace, x.Object.Key.Name}, []string{y.Object.Key.Namespace, y.Object.Key.Name})
}
