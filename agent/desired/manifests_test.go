package desired_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"weak"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// dear makes a file one that takes its turn to be parsed.
func dear(text string) string {
	return text + "status: [" + strings.TrimSuffix(strings.Repeat("1,", 10_000), ",") + "]\n"
}

// TestDearFilesAreParsedOneAtATime has the files of two SecretSyncs be read, and what is applied of them be read anew, 16 at a time as writers do, all at once.
func TestDearFilesAreParsedOneAtATime(t *testing.T) {
	s, turn, parses := newSealer(t), scan.NewTurn(), &desired.Parses{}
	var syncs sync.WaitGroup
	for i := range 2 {
		c := newCommit()
		for j := range 16 {
			name := fmt.Sprintf("s%d-%02d", i, j)
			c.with(name+".yaml", dear(s.yaml("prod", name)))
		}
		syncs.Go(func() {
			cache := desired.NewCache(desired.Limits{Turn: turn})
			cache.Count(parses)
			set, err := desired.Read(t.Context(), "", c.files, c.read, cache)
			if err != nil || len(set.Objects) != 16 {
				t.Errorf("%+v, %v", set, err)
				return
			}
			apply(t, cache.Manifests(c.read), set.Objects, 16)
		})
	}
	syncs.Wait()
	if all, most := parses.All.Load(), parses.Most.Load(); all != 64 || most != 1 {
		t.Errorf("%d files were parsed, %d at a time", all, most)
	}
}

// apply asks for what is applied, in order, from some goroutines.
func apply(t *testing.T, all *desired.Manifests, objects []desired.Object, writers int) {
	t.Helper()
	next := make(chan desired.Object)
	var working sync.WaitGroup
	for range writers {
		working.Go(func() {
			for o := range next {
				if m, err := all.Manifest(t.Context(), o); err != nil || m.Metadata.Name != o.Key.Name {
					t.Errorf("%s: %+v, %v", o.Key, m, err)
				}
			}
		})
	}
	for _, o := range objects {
		next <- o
	}
	close(next)
	working.Wait()
}

// TestOnlyDearFilesWait has somebody else have the turn: what is cheap is read and applied meanwhile, and waiting for the turn ends with a context.
func TestOnlyDearFilesWait(t *testing.T) {
	s, turn := newSealer(t), scan.NewTurn()
	large := dear(s.yaml("prod", "large"))
	c := newCommit().with("large.yaml", large).with("small.yaml", s.yaml("prod", "small"))
	cache := desired.NewCache(desired.Limits{Turn: turn})
	set := c.set(t, "", cache)
	done, err := turn.Take(t.Context(), []byte(large))
	if err != nil {
		t.Fatal(err)
	}
	all := cache.Manifests(c.read)
	if _, err := all.Manifest(t.Context(), set.Objects[1]); err != nil {
		t.Errorf("the small one: %v", err)
	}
	// ends has a context end as soon as something is read.
	ends := func() (context.Context, desired.ReadFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		return ctx, func(ctx context.Context, blob string) ([]byte, error) {
			defer cancel()
			return c.read(ctx, blob)
		}
	}
	ctx, read := ends()
	if m, err := cache.Manifests(read).Manifest(ctx, set.Objects[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("the large one did not wait: %+v, %v", m, err)
	}
	fresh := desired.NewCache(desired.Limits{Turn: turn})
	ctx, read = ends()
	if _, err := desired.Read(ctx, "", c.files[:1], read, fresh); !errors.Is(err, context.Canceled) {
		t.Errorf("reading did not wait: %v", err)
	}
	if n, _ := fresh.Kept(); n != 0 {
		t.Error("the large one was parsed in spite of the turn")
	}
	small := &commit{files: c.files[1:], blobs: c.blobs, names: c.names}
	holds(t, small.set(t, "", fresh), "prod/small")
	done()
	holds(t, c.set(t, "", fresh), "prod/large prod/small")
}

// lists are files of as many objects each, whose objects are in turn of one and of another file by their names.
func lists(t *testing.T, s *sealer, files, each int) *commit {
	t.Helper()
	items := make([][]any, files)
	for i := range each {
		for f := range files {
			items[f] = append(items[f], s.object("prod", fmt.Sprintf("s%04d", i*files+f)))
		}
	}
	c := newCommit()
	for f := range files {
		c.with(fmt.Sprintf("l%02d.json", f), jsonOf(t, map[string]any{"apiVersion": "v1", "kind": "List", "items": items[f]}))
	}
	return c
}

// TestListsAreParsedOnce has the items of Lists be asked for in the order of the files.
func TestListsAreParsedOnce(t *testing.T) {
	c := lists(t, newSealer(t), 3, 40)
	cache := desired.NewCache(desired.Limits{})
	objects := slices.SortedFunc(slices.Values(c.set(t, "", cache).Objects), desired.Order)
	if len(objects) != 120 || objects[0].Path != "l00.json" || objects[39].Path != "l00.json" || objects[40].Path != "l01.json" {
		t.Fatalf("%d objects, out of order", len(objects))
	}
	parses := func(do func(all *desired.Manifests)) int64 {
		n := &desired.Parses{}
		cache.Count(n)
		do(cache.Manifests(c.read))
		return n.All.Load()
	}
	if n := parses(func(all *desired.Manifests) { apply(t, all, objects, 1) }); n != 3 {
		t.Errorf("one after the other they are parsed %d times", n)
	}
	if n := parses(func(all *desired.Manifests) { apply(t, all, objects[:40], 16) }); n != 1 {
		t.Errorf("a List is parsed %d times by several at a time", n)
	}
	// The last of the first List comes after the first ones of the second.
	if n := parses(func(all *desired.Manifests) {
		apply(t, all, slices.Concat(objects[:39], objects[40:50], objects[39:40], objects[50:80]), 1)
	}); n != 3 {
		t.Errorf("with one that comes late they are parsed %d times", n)
	}
}

// TestNothingIsKeptOfWhatWasApplied has what was read be gone as soon as nobody asks any more, although what is known of the files stays.
func TestNothingIsKeptOfWhatWasApplied(t *testing.T) {
	c := lists(t, newSealer(t), 1, 2)
	cache := desired.NewCache(desired.Limits{})
	set := c.set(t, "", cache)
	spec := func() weak.Pointer[seal.Spec] {
		m, err := cache.Manifests(c.read).Manifest(t.Context(), set.Objects[0])
		if err != nil {
			t.Fatal(err)
		}
		return weak.Make(m.Spec)
	}()
	for range 10 {
		if runtime.GC(); spec.Value() == nil {
			break
		}
	}
	if spec.Value() != nil {
		t.Error("a spec is kept")
	}
	runtime.KeepAlive(set)
	runtime.KeepAlive(cache)
}
