package merge_test

import (
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/repo/merge"
)

// TestMovedItems is about conflicts over comments where a side has moved an item: with one side taken above and the other below, the item would be gone.
func TestMovedItems(t *testing.T) {
	w := newWorld(t, 3)
	was := w.object(map[string]int{"a": 0, "b": 0, "c": 0})
	mine, yours := was.clone(), was.clone()
	mine.items["b"], yours.items["c"] = 1, 2
	base := w.sealedYAML(t, was)
	ours := strings.Replace(w.sealedYAML(t, mine), "\n    a:\n", "\n    # mine\n    a:\n", 1) + "    # mine below\n"
	theirs := w.sealedYAML(t, yours)
	start, end := strings.Index(theirs, "    a:\n"), strings.Index(theirs, "    b:\n")
	moved := strings.Replace(theirs[start:end], "a:\n", "a: # theirs\n", 1)
	theirs = theirs[:start] + theirs[end:] + moved + "    # theirs below\n"
	r, err := merge.Merge("db.yaml", []byte(base), []byte(ours), []byte(theirs), merge.Options{Text: byGit(t)})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Conflicts) > 0 {
		t.Errorf("a conflict that can lose an item:\n%s", r.Data)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "comments that the other side changed are left out") {
		t.Errorf("warnings: %q", r.Warnings)
	}
	if got := w.opens(t, read(t, "db.yaml", r.Data)); got["a"] != valueOf(0, "a") || got["b"] != valueOf(1, "b") || got["c"] != valueOf(2, "c") {
		t.Errorf("%q", got)
	}
}

// TestChoicesThatEmptyAMapping is about conflicts that take the last member of a mapping away, each for itself or together: what another choice adds has to
// stand in a mapping all the same.
func TestChoicesThatEmptyAMapping(t *testing.T) {
	w := newWorld(t, 3)
	labels := func(list map[string]any) map[string]any { return map[string]any{"labels": list} }
	for _, c := range []struct {
		name               string
		base, ours, theirs object
	}{
		{"one for the other", w.object(map[string]int{"a": 0, "b": 0}), w.object(map[string]int{"a": 1}), w.object(map[string]int{"b": 2})},
		{"the other for one", w.object(map[string]int{"a": 0, "b": 0}), w.object(map[string]int{"b": 1}), w.object(map[string]int{"a": 2})},
		{"two for one", w.object(map[string]int{"a": 0, "b": 0, "c": 0}), w.object(map[string]int{"a": 1, "b": 1}), w.object(map[string]int{"c": 2})},
		{"labels", object{items: map[string]int{"a": 0}, meta: labels(map[string]any{"x": "0", "y": "0"})},
			object{items: map[string]int{"a": 0}, meta: labels(map[string]any{"x": "1"})},
			object{items: map[string]int{"a": 0}, meta: labels(map[string]any{"y": "2"})}},
	} {
		for _, json := range []bool{false, true} {
			name, text := "db.yaml", w.sealedYAML
			if json {
				name, text = "db.json", func(t testing.TB, o object) string { return indented(w.json(t, o)) }
			}
			t.Run(c.name+" in "+name, func(t *testing.T) {
				r, means := mustMerge(t, name, text(t, c.base), text(t, c.ours), text(t, c.theirs), merge.Options{})
				want := [2]object{c.ours, c.theirs}
				for i, m := range means {
					if got := read(t, name, []byte(text(t, want[i]))); len(m.specs[0].Items) != len(got.specs[0].Items) {
						t.Errorf("%d items, want %d:\n%s", len(m.specs[0].Items), len(got.specs[0].Items), r.Data)
					}
				}
			})
		}
	}
}
