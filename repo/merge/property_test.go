package merge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/merge"
)

// history is one random case: three versions, in one layout.
type history struct {
	base, ours, theirs object
	files              [3]string
	name               string
}

func (w *world) random(t testing.TB, seed uint64) history {
	r := rand.New(rand.NewPCG(seed, 1))
	h := history{base: w.object(map[string]int{}).clone(), name: "db.yaml"}
	for _, name := range names {
		if r.IntN(4) > 0 {
			h.base.items[name] = r.IntN(len(w.blocks))
		}
	}
	h.ours, h.theirs = w.change(r, h.base.clone()), w.change(r, h.base.clone())
	// What is decided does not depend on the syntax, and JSON is read in a fraction of the time.
	json, crlf, hasBase := seed%4 != 0, r.IntN(6) == 0, r.IntN(12) > 0
	for i, o := range []object{h.base, h.ours, h.theirs} {
		text := w.yaml(t, o)
		if json {
			text, h.name = indented(w.json(t, o)), "db.json"
		}
		text = w.around(r, i, text, json)
		if crlf {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		h.files[i] = text
	}
	if !hasBase {
		h.files[0], h.base = "", w.object(map[string]int{}).clone()
	}
	return h
}

func indented(doc []byte) string {
	var b bytes.Buffer
	_ = json.Indent(&b, doc, "", "  ")
	return b.String() + "\n"
}

// around puts other documents before and after. Side 0 is the base; each side adds one of its own at times.
func (w *world) around(r *rand.Rand, side int, text string, isJSON bool) string {
	config := func(name string) string {
		doc := fmt.Sprintf(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": %q}}`, name)
		if isJSON {
			return doc + "\n"
		}
		return "# " + name + "\n" + doc + "\n"
	}
	mark := "---\n"
	if isJSON {
		mark = ""
	}
	if r.IntN(3) == 0 {
		text += mark + config(fmt.Sprintf("own-%d", side))
	}
	if r.IntN(3) == 0 {
		text = config(fmt.Sprintf("first-%d", side)) + mark + text
	}
	return text
}

// change makes some random changes.
func (w *world) change(r *rand.Rand, o object) object {
	for range r.IntN(6) {
		name, block := names[r.IntN(len(names))], r.IntN(len(w.blocks))
		switch r.IntN(8) {
		case 0, 1, 2:
			o.items[name] = block
		case 3:
			delete(o.items, name)
		case 4:
			o.prod[block] = r.IntN(5)
		case 5:
			o.meta["labels"] = map[string]any{names[r.IntN(3)]: fmt.Sprint(r.IntN(2))}
		case 6:
			o.spec["suspend"] = r.IntN(2) == 0
		case 7:
			o.spec["template"] = map[string]any{"data": map[string]any{name: fmt.Sprint(r.IntN(2))}}
		}
	}
	return o
}

// TestRandomMerges holds 2,000 merges against a table of what may become of each item, both ways round; mustMerge checks the rest.
func TestRandomMerges(t *testing.T) {
	const rounds, shards = 2000, 4
	w := newWorld(t, 4)
	var conflicts, clean atomic.Int64
	t.Run("all", func(t *testing.T) {
		for shard := range uint64(shards) {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for seed := shard; seed < rounds; seed += shards {
					if w.randomMerge(t, seed) {
						conflicts.Add(1)
					} else {
						clean.Add(1)
					}
				}
			})
		}
	})
	if conflicts.Load() < rounds/8 || clean.Load() < rounds/8 {
		t.Errorf("%d merges with conflicts and %d without: too few of a kind to say anything", conflicts.Load(), clean.Load())
	}
}

// randomMerge checks one case, and says whether it had conflicts.
func (w *world) randomMerge(t *testing.T, seed uint64) bool {
	h := w.random(t, seed)
	r, both := mustMerge(t, h.name, h.files[0], h.files[1], h.files[2], merge.Options{})
	for i, c := range both {
		if len(c.specs) != 1 {
			t.Fatalf("seed %d: %d GitSecrets in the result", seed, len(c.specs))
		}
		if err := accounted(h, c, r); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, r.Data)
		}
		want := map[string]string{}
		for _, name := range names {
			if block, ok := expected(h, []object{h.ours, h.theirs}[i], name); ok {
				want[name] = valueOf(block, name)
			}
		}
		if got := w.opens(t, c); !maps.Equal(got, want) {
			t.Fatalf("seed %d: the items are %v, want %v\n%s", seed, got, want, r.Data)
		}
	}
	return len(r.Conflicts) > 0
}

// expected is the block of an item after the merge, where a conflict is resolved for side.
func expected(h history, side object, name string) (block int, ok bool) {
	type entry struct {
		block int
		ok    bool
	}
	of := func(o object) entry { b, ok := o.items[name]; return entry{b, ok} }
	b, o, t := of(h.base), of(h.ours), of(h.theirs)
	pick := of(side)
	switch {
	case o == t, t == b:
		pick = o
	case o == b:
		pick = t
	}
	return pick.block, pick.ok
}

// accounted says whether the envelopes are those of the items and of both candidates in conflicts, and no others; and all documents of either side are there.
func accounted(h history, c content, r *merge.Result) error {
	spec := c.specs[0]
	extra := 0
	for id := range spec.Envelopes {
		if !slices.Contains(spec.Referenced(), id) {
			extra++
		}
	}
	open := 0
	for _, conflict := range r.Conflicts {
		open += 2 * strings.Count(conflict.Field+".", "items.")
		if conflict.Field == "" {
			open += 2 * len(names)
		}
	}
	if extra > open {
		return fmt.Errorf("%d envelopes that nothing names, with %d candidates in conflicts", extra, open)
	}
	for _, text := range h.files[1:] {
		f, err := manifest.Parse(h.name, []byte(text))
		if err != nil {
			return err
		}
		for _, d := range f.Docs() {
			if d.Kind() == "ConfigMap" && !strings.HasSuffix(d.Name(), "-0") && !slices.ContainsFunc(c.docs, func(s string) bool { return strings.Contains(s, `"`+d.Name()+`"`) }) {
				return fmt.Errorf("document %s is lost", d.Name())
			}
		}
	}
	return nil
}
