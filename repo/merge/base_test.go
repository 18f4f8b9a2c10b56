package merge_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/repo/merge"
)

// TestBaseWithConflicts is what git asks for where histories cross: the base is a merge of its own, with its conflicts in it.
func TestBaseWithConflicts(t *testing.T) {
	w := newWorld(t, 4)
	start := w.object(map[string]int{"a": 0, "b": 0})
	with := func(change func(*object)) object { o := start.clone(); change(&o); return o }
	left, right := with(set("a", 1)), with(set("a", 2))
	inner, err := merge.Merge("db.yaml", []byte(join(w.yaml(t, start), configA)), []byte(join(w.yaml(t, left), configA)), []byte(join(w.yaml(t, right), configA)), merge.Options{MarkerSize: 9})
	if err != nil || len(inner.Conflicts) != 1 {
		t.Fatalf("%v %+v", err, inner)
	}
	base := string(inner.Data)
	for _, c := range []struct {
		name         string
		ours, theirs func(*object)
		conflicts    []string
		items        map[string]int
	}{
		{"each keeps its own", set("a", 1), set("a", 2), []string{"items.a"}, map[string]int{"a": 1, "b": 0}},
		{"both keep one", both(set("a", 1), set("c", 3)), both(set("a", 1), set("d", 3)), nil, map[string]int{"a": 1, "b": 0, "c": 3, "d": 3}},
		{"one drops it", remove("a"), set("a", 2), []string{"items.a"}, map[string]int{"b": 0}},
		{"one makes it new", set("a", 3), set("a", 2), []string{"items.a"}, map[string]int{"a": 3, "b": 0}},
		{"others are merged all the same", both(set("a", 1), set("b", 3)), both(set("a", 2), remove("b")), []string{"items.a", "items.b"}, map[string]int{"a": 1, "b": 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, means := mustMergeText(t, base, join(w.yaml(t, with(c.ours)), configA), join(w.yaml(t, with(c.theirs)), configA))
			var fields []string
			for _, conflict := range r.Conflicts {
				fields = append(fields, conflict.Field)
			}
			if !slices.Equal(fields, c.conflicts) {
				t.Errorf("conflicts %q, want %q", fields, c.conflicts)
			}
			want := map[string]string{}
			for name, block := range c.items {
				want[name] = valueOf(block, name)
			}
			if got := w.opens(t, means[0]); !maps.Equal(got, want) {
				t.Errorf("the items are %v, want %v\n%s", got, want, r.Data)
			}
		})
	}
	// The object is gone on one side: that is no agreement with either version of the base.
	r, _ := mustMergeText(t, base, configA, join(w.yaml(t, left), configA))
	if len(r.Conflicts) != 1 || r.Conflicts[0].Field != "" {
		t.Errorf("%+v", r.Conflicts)
	}
	// Conflicts in conflicts, and halves of conflicts, are for git.
	for _, bad := range []string{strings.Replace(base, "=========", "=======", 1), strings.Replace(base, "<<<<<<<<<", "<<<<<<< x\n<<<<<<<<<", 1), base + "<<<<<<< x\n"} {
		if _, err := merge.Merge("db.yaml", []byte(bad), []byte(w.yaml(t, left)), []byte(w.yaml(t, right)), merge.Options{}); err == nil {
			t.Errorf("this base is no base:\n%s", bad)
		}
	}
}
