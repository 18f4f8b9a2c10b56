package writeback_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/writeback"
)

// meanwhile is a Repository with which something happens before a fetch.
type meanwhile struct {
	writeback.Repository
	before func(place source.Place, seen []string)
}

func (m *meanwhile) Fetch(ctx context.Context, place source.Place, auth source.Auth, seen ...string) (source.Commit, error) {
	m.before(place, seen)
	return m.Repository.Fetch(ctx, place, auth, seen...)
}

// restart has the agent begin with an empty cache.
func (w *world) restart(before func(place source.Place, seen []string)) {
	w.t.Helper()
	repository, err := source.Open(filepath.Join(w.t.TempDir(), "cache"), source.Limits{})
	must(w.t, err)
	w.t.Cleanup(func() { _ = repository.Close() })
	w.remote.Repository = &meanwhile{repository, before}
}

// mergedLongAgo is a rotation whose branch was merged so many commits ago that the first fetch does not reach to it, and was not deleted; the keyring has rotated again.
func mergedLongAgo(t testing.TB) (w *world, k *keyring, in writeback.Cluster) {
	w, k, in = asking(t)
	w.good(in)
	w.pull("main")
	w.repo.Git("merge", "--quiet", "--no-edit", "origin/"+own)
	for range 120 {
		w.repo.Git("commit", "--quiet", "--allow-empty", "-m", "chore: on and on")
	}
	w.repo.Push()
	k.rotate()
	return w, k, writeback.Cluster{Keyrings: []writeback.Keyring{k.shows()}, Objects: []writeback.Object{live(t, w.file("main", "db.yaml"), k)}}
}

func TestABranchThatWasMergedLongAgoIsMerged(t *testing.T) {
	w, k, in := mergedLongAgo(t)
	fetches := 0
	w.restart(func(source.Place, []string) { fetches++ })
	r := w.good(in)
	if len(r.Pushed) != 1 || len(r.Messages) > 0 || !slices.Equal(r.Pushed[0].Parent, []string{w.repo.Head("main")}) || !k.opens(w.file(own, "db.yaml")) {
		t.Errorf("%+v", r)
	}
	// Once it is known, it costs no more requests.
	before := fetches
	if w.good(in); fetches-before != 2 {
		t.Errorf("a look costs %d fetches", fetches-before)
	}
}

// TestWhatIsFetchedToKnowABranchIsNotBuiltUpon has somebody push to the followed branch after the commit to build upon was taken, just before more of its history is fetched.
func TestWhatIsFetchedToKnowABranchIsNotBuiltUpon(t *testing.T) {
	w, k, in := mergedLongAgo(t)
	head, tip := w.repo.Head("main"), w.repo.Head(own)
	if r := w.looks(in); r.Wait == 0 {
		t.Fatalf("%+v", r)
	}
	theirs := ""
	w.clock = w.clock.Add(writeback.Quiet)
	w.restart(func(place source.Place, seen []string) {
		if theirs == "" && place.Branch == "main" && slices.Contains(seen, tip) {
			theirs = w.person("main", map[string]string{"README": "y\n"})
		}
	})
	r := w.looks(in)
	if theirs == "" || len(r.Pushed) != 1 || !slices.Equal(r.Pushed[0].Parent, []string{head}) || !k.opens(w.file(own, "db.yaml")) {
		t.Errorf("main is at %s: %+v", theirs, r)
	}
}

// looks is one look, without waiting.
func (w *world) looks(in writeback.Cluster) writeback.Report {
	w.t.Helper()
	r, err := w.writer.Run(w.t.Context(), in)
	must(w.t, err)
	return r
}
