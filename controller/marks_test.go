package controller

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/waxwing-io/waxwing/unseal"
)

// Envelopes in the order of their age.
const (
	first  = "01100000000000000000000000"
	second = "01200000000000000000000000"
	third  = "01300000000000000000000000"
)

func markOf(envelope string) string {
	return unseal.Mark{Items: map[string]unseal.Seen{"a": {Newest: envelope}}}.Text()
}

// needingKeys is markOf with a key that the envelope needs.
func needingKeys(envelope string) string {
	key := strings.Repeat("0f", 16)
	m := unseal.Mark{Items: map[string]unseal.Seen{"a": {Newest: envelope}}}
	m.Envelopes = map[string]unseal.Wrapped{envelope: {Needs: []string{key}, Ever: []string{key}}}
	return m.Text()
}

func emptyShard() *markShard {
	return newMarkStore(nil, nil, "home", time.Now, slog.New(slog.DiscardHandler)).shards[7]
}

func configMap(version string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "waxwing-marks-07", ResourceVersion: version}, Data: data}
}

// TestAShardAbsorbsItsConfigMap holds what becomes of each mark when the ConfigMap is read: known at version 10, with what was noted since.
func TestAShardAbsorbsItsConfigMap(t *testing.T) {
	for name, c := range map[string]struct {
		known, noted, read map[string]string
		version            string
		want               map[string]string
		unsaved            []string
		changed            []string
	}{
		"nothing has changed":             {known: map[string]string{"x": markOf(first)}, read: map[string]string{"x": markOf(first)}, version: "11", want: map[string]string{"x": markOf(first)}},
		"somebody has removed one":        {known: map[string]string{"x": markOf(first), "y": markOf(first)}, read: map[string]string{"y": markOf(first)}, version: "11", want: map[string]string{"y": markOf(first)}, changed: []string{"x"}},
		"somebody has written a newer":    {known: map[string]string{"x": markOf(first)}, read: map[string]string{"x": markOf(second)}, version: "11", want: map[string]string{"x": markOf(second)}, changed: []string{"x"}},
		"somebody has written an older":   {known: map[string]string{"x": markOf(second)}, read: map[string]string{"x": markOf(first)}, version: "11", want: map[string]string{"x": markOf(first)}, changed: []string{"x"}},
		"somebody has added one":          {read: map[string]string{"x": markOf(first)}, version: "11", want: map[string]string{"x": markOf(first)}, changed: []string{"x"}},
		"ours is unsaved and newer":       {known: map[string]string{"x": markOf(first)}, noted: map[string]string{"x": markOf(third)}, read: map[string]string{"x": markOf(second)}, version: "11", want: map[string]string{"x": markOf(third)}, unsaved: []string{"x"}},
		"ours is unsaved and older":       {known: map[string]string{"x": markOf(first)}, noted: map[string]string{"x": markOf(second)}, read: map[string]string{"x": markOf(third)}, version: "11", want: map[string]string{"x": markOf(third)}},
		"ours is unsaved and removed":     {known: map[string]string{"x": markOf(first)}, noted: map[string]string{"x": markOf(second)}, version: "11", want: map[string]string{"x": markOf(second)}, unsaved: []string{"x"}},
		"ours is of keys and removed":     {known: map[string]string{"x": markOf(first)}, noted: map[string]string{"x": needingKeys(first)}, version: "11", want: map[string]string{}, changed: []string{"x"}},
		"ours was saved after all":        {noted: map[string]string{"x": markOf(second)}, read: map[string]string{"x": markOf(second)}, version: "11", want: map[string]string{"x": markOf(second)}},
		"theirs is damaged":               {noted: map[string]string{"x": markOf(second)}, read: map[string]string{"x": "damaged"}, version: "11", want: map[string]string{"x": "damaged"}, changed: []string{"x"}},
		"an older backup: one is missing": {known: map[string]string{"x": markOf(first), "y": markOf(first)}, read: map[string]string{"y": markOf(first)}, version: "9", want: map[string]string{"x": markOf(first), "y": markOf(first)}, unsaved: []string{"x"}},
		"an older backup: one is older":   {known: map[string]string{"x": markOf(second)}, read: map[string]string{"x": markOf(first)}, version: "9", want: map[string]string{"x": markOf(second)}, unsaved: []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			sh := emptyShard()
			sh.absorb(configMap("10", c.known))
			for key, text := range c.noted {
				sh.note(key, text)
			}
			changed := sh.absorb(configMap(c.version, c.read))
			if diff := cmp.Diff(c.want, sh.texts); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.changed, changed); diff != "" {
				t.Error("changed by others", diff)
			}
			var unsaved []string
			for key := range maps.Keys(sh.unsaved) {
				unsaved = append(unsaved, key)
			}
			if diff := cmp.Diff(c.unsaved, unsaved); diff != "" {
				t.Error("unsaved", diff)
			}
			if sh.version != c.version {
				t.Errorf("version %s", sh.version)
			}
		})
	}
}

// TestAConfigMapThatIsBehind holds which ConfigMaps are written anew at the end of a process, and that what is written then is joined with what is there.
func TestAConfigMapThatIsBehind(t *testing.T) {
	sh := emptyShard()
	if sh.behind("") || sh.behind("9") {
		t.Error("one of which nothing is known is behind")
	}
	sh.absorb(configMap("10", map[string]string{"x": markOf(second), "y": markOf(first)}))
	for version, want := range map[string]bool{"": true, "9": true, "10": false, "11": false} {
		if sh.behind(version) != want {
			t.Errorf("version %q is behind 10: %v", version, !want)
		}
	}
	sh.gone()
	sh.absorb(configMap("9", map[string]string{"x": markOf(first), "y": markOf(third)}))
	d := sh.unsavedDelta()
	if len(d.texts) != 1 || d.texts["x"] == nil || *d.texts["x"] != markOf(second) || d.version != "9" || sh.texts["y"] != markOf(third) {
		t.Errorf("written: %+v, known: %v", d, sh.texts)
	}
}

func TestADamagedMarkIsNotWrittenOver(t *testing.T) {
	sh := emptyShard()
	sh.absorb(configMap("10", map[string]string{"x": "damaged"}))
	if sh.note("x", markOf(first)) || sh.texts["x"] != "damaged" {
		t.Errorf("it is %q now", sh.texts["x"])
	}
}

// TestWhatChangesDuringAWriteIsWrittenNext holds that a write that ends does not pass for one of what was noted meanwhile.
func TestWhatChangesDuringAWriteIsWrittenNext(t *testing.T) {
	sh := emptyShard()
	sh.note("x", markOf(first))
	sh.note("y", markOf(first))
	d := sh.unsavedDelta()
	sh.note("x", markOf(second))
	sh.wrote(d, "11")
	if next := sh.unsavedDelta(); len(next.texts) != 1 || next.texts["x"] == nil || *next.texts["x"] != markOf(second) || next.version != "11" {
		t.Errorf("next: %+v", next)
	}
}

// TestAFullShardForgetsWhatIsGone holds that room is made by marks of objects that are gone, those with the oldest envelopes first, and by no others.
func TestAFullShardForgetsWhatIsGone(t *testing.T) {
	sh := emptyShard()
	present := map[string]bool{}
	for i := range 100 {
		key := fmt.Sprintf("prod_%02d", i)
		present[key] = i%2 == 0
		sh.note(key, markOf(fmt.Sprintf("01%02d0000000000000000000000", i)))
	}
	sh.note("prod_damaged", "damaged")
	sh.store.limit = sh.size() - 1
	dropped := sh.drop(func(key string) bool { return present[key] })
	if len(dropped) < 12 || len(dropped) > 14 || dropped[0] != "prod_01" || dropped[1] != "prod_03" || sh.texts["prod_damaged"] == "" {
		t.Errorf("dropped: %s", dropped)
	}
	if d := sh.unsavedDelta(); d.texts["prod_01"] != nil {
		t.Error("the first is not to be removed from the ConfigMap")
	} else if _, ok := d.texts["prod_01"]; !ok {
		t.Error("the first is not to be written at all")
	}
	for key, is := range present {
		if _, ok := sh.texts[key]; is && !ok {
			t.Errorf("%s is there, and its mark is not", key)
		}
	}
}

// TestAFullShardShortensLongMarks holds that long marks lose their items before any other mark is lost, and that what is left still says what goes back.
func TestAFullShardShortensLongMarks(t *testing.T) {
	sh := emptyShard()
	long := unseal.Mark{Items: map[string]unseal.Seen{"old": {Newest: first}}, Spent: first, Signed: true}
	for i := range 4000 {
		long.Items[fmt.Sprintf("i%d", i)] = unseal.Seen{Newest: third}
	}
	sh.note("prod_long", long.Text())
	delete(long.Items, "old")
	sh.note("prod_less", long.Text())
	sh.note("prod_short", markOf(first))
	sh.store.limit = sh.size() - 1
	if compacted := sh.compact(); !slices.Equal(compacted, []string{"prod_long"}) || sh.texts["prod_short"] != markOf(first) || sh.texts["prod_less"] != long.Text() {
		t.Errorf("compacted: %s", compacted)
	}
	want := unseal.Mark{Floor: third, Spent: first, Signed: true}.Text()
	if d := sh.unsavedDelta(); sh.texts["prod_long"] != want || d.texts["prod_long"] == nil || *d.texts["prod_long"] != want {
		t.Errorf("the long one is %s", sh.texts["prod_long"])
	}
}

// TestObjectsOfANamespaceThatIsNotReadAreNotGone holds that in namespaced mode the marks of a namespace that cannot be read at present are kept when room is made.
func TestObjectsOfANamespaceThatIsNotReadAreNotGone(t *testing.T) {
	n := &namespaces{names: []string{"away", "read"}, synced: map[string]bool{"read": true}}
	if got := n.unread(); len(got) != 1 || !got["away"] {
		t.Errorf("unread: %v", got)
	}
}

// TestWritesOfAColdStart plays cold starts of 10,000 objects at several speeds: at most 0.05 writes an object, and everything is written at the end.
func TestWritesOfAColdStart(t *testing.T) {
	for _, rate := range []int{10, 20, 50, 100, 200, 500, 1000} {
		const objects = 10_000
		s := newMarkStore(nil, nil, "home", time.Now, slog.New(slog.DiscardHandler))
		unsaved, writes, earned := map[*markShard]int{}, 0, 0.0
		for noted := 0; noted < objects || len(unsaved) > 0; {
			turn := min(rate*int(flushEvery.Seconds()), objects-noted)
			for range turn {
				unsaved[s.shardOf(fmt.Sprintf("prod_%d", noted))]++
				noted++
			}
			var n int
			n, earned = allowance(int64(turn), earned, len(unsaved))
			for sh := range unsaved {
				if n == 0 {
					break
				}
				delete(unsaved, sh)
				n, writes = n-1, writes+1
			}
		}
		if limit := objects * 5 / 100; writes > limit {
			t.Errorf("%d objects a second: %d writes, at most %d", rate, writes, limit)
		}
		t.Logf("%d objects a second: %.3f writes an object", rate, float64(writes)/objects)
	}
}

// TestNobodyKeepsAConfigMapFromBeingWritten has somebody change an object in each of 31 ConfigMaps again and again, twice as often as they can be written: what was noted in the
// last one is written all the same.
func TestNobodyKeepsAConfigMapFromBeingWritten(t *testing.T) {
	s := newMarkStore(nil, nil, "home", time.Now, slog.New(slog.DiscardHandler))
	last := s.shards[markShards-1]
	s.shards[3].note("full", markOf(first))
	last.note("victim", markOf(first))
	for turn := range 2 * markShards {
		for i, sh := range s.shards[:markShards-1] {
			for range 2 {
				sh.note(fmt.Sprintf("his_%d", i), markOf(fmt.Sprintf("01%06d000000000000000000", turn)))
				sh.note(fmt.Sprintf("another_%d", i), markOf(fmt.Sprintf("01%06d000000000000000000", turn)))
			}
		}
		next := s.due()[0]
		s.tries([]*markShard{next})
		if next == last {
			return
		}
		if next != s.shards[3] { // which cannot be written
			next.wrote(next.unsavedDelta(), "1")
		}
	}
	t.Error("it is never its turn")
}

func TestKeysOfMarks(t *testing.T) {
	long := types.NamespacedName{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("x", 253)}
	for _, object := range []types.NamespacedName{{Namespace: "prod", Name: "db"}, {Namespace: "prod", Name: "db.example.com"}, long} {
		key := markKey(object)
		if errs := validation.IsConfigMapKey(key); len(errs) > 0 {
			t.Errorf("%s: %s", key, errs)
		}
		back, ok := objectOf(key)
		if ok != (object != long) || back.Namespace != object.Namespace || (ok && back != object) {
			t.Errorf("%s leads back to %s (%v)", key, back, ok)
		}
	}
	other := long
	other.Name = strings.Repeat("x", 252) + "y"
	if markKey(other) == markKey(long) {
		t.Error("two long names have one key")
	}
}

// TestShardsAreEven holds that marks spread: the ConfigMap of most objects is not twice the mean.
func TestShardsAreEven(t *testing.T) {
	s := newMarkStore(nil, nil, "home", time.Now, slog.New(slog.DiscardHandler))
	n := map[*markShard]int{}
	for i := range 10_000 {
		n[s.shardOf(markKey(types.NamespacedName{Namespace: fmt.Sprintf("team-%d", i%40), Name: fmt.Sprintf("app-%d", i)}))]++
	}
	for sh, count := range n {
		if len(n) != markShards || count > 2*10_000/markShards {
			t.Errorf("%s has %d", sh.name, count)
		}
	}
}
