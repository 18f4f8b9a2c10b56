package merge_test

import (
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/repo/merge"
)

// TestListsMergeByLineUnlessThatBreaksThem has lines that merge, and a value without its envelope if they did.
func TestListsMergeByLineUnlessThatBreaksThem(t *testing.T) {
	w := newWorld(t, 3)
	base := w.object(map[string]int{"b": 0, "c": 0, "d": 1})
	mine, yours := base.clone(), base.clone()
	mine.items["d"], yours.items["a"] = 2, 1
	list := func(o object) string {
		var b strings.Builder
		for line := range strings.Lines(w.sealedYAML(t, o)) {
			b.WriteString("  " + line)
		}
		return "apiVersion: v1\nkind: List\nitems:\n-\n" + b.String() + "---\n" + w.sealedYAML(t, w.object(map[string]int{"a": 0}))
	}
	r, err := merge.Merge("db.yaml", []byte(list(base)), []byte(list(mine)), []byte(list(yours)), merge.Options{Text: byGit(t)})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Conflicts) != 1 || r.Conflicts[0].Reason != "holds sealed objects that do not merge line by line" {
		t.Fatalf("%+v\n%s", r.Conflicts, r.Data)
	}
	for i, want := range []object{mine, yours} {
		if got := choose(string(r.Data), i == 1); got != list(want) {
			t.Errorf("choice %d:\n%s", i, got)
		}
	}
	// What does not break is merged by line.
	mine.items["d"] = 1
	mine.meta["labels"] = map[string]any{"x": "1"}
	r, err = merge.Merge("db.yaml", []byte(list(base)), []byte(list(mine)), []byte(list(yours)), merge.Options{Text: byGit(t)})
	if err != nil || len(r.Conflicts) != 0 || merge.Sound("db.yaml", r.Data) != nil {
		t.Errorf("%v %+v", err, r)
	}
}

func TestOneEnvelopeWithTwoKeysIsAConflict(t *testing.T) {
	w := newWorld(t, 2)
	base := w.object(map[string]int{"a": 0, "b": 0})
	mine, yours := base.clone(), base.clone()
	mine.items["c"], yours.items["d"] = 1, 1
	forged := strings.Replace(w.yaml(t, yours), w.blocks[0].first.Commit, w.blocks[1].first.Commit, 1)
	r, _ := mustMerge(t, "db.yaml", w.yaml(t, base), w.yaml(t, mine), forged, merge.Options{})
	if len(r.Conflicts) != 1 || !strings.HasSuffix(r.Conflicts[0].Reason, "an envelope has one id and two keys") {
		t.Errorf("%+v", r.Conflicts)
	}
}

func TestDifferentHoldersAreToldOf(t *testing.T) {
	w := newWorld(t, 3) // block 0 is sealed for glass and prod, the others for prod
	base := w.object(map[string]int{"a": 1})
	mine, yours := base.clone(), base.clone()
	mine.items["a"], yours.items["b"] = 0, 2
	r, _ := mustMerge(t, "db.yaml", w.yaml(t, base), w.yaml(t, mine), w.yaml(t, yours), merge.Options{})
	if len(r.Warnings) != 1 || r.Warnings[0] != "GitSecret prod/db: not all values are sealed for the same holders: some for glass, prod; some for prod" {
		t.Errorf("%q", r.Warnings)
	}
	mine.items["a"], mine.items["c"] = 1, 0
	r, _ = mustMerge(t, "db.yaml", w.yaml(t, base), w.yaml(t, mine), w.yaml(t, yours), merge.Options{})
	if len(r.Warnings) != 0 {
		t.Errorf("ours was so before: %q", r.Warnings)
	}
}

func TestSameKeysKeepBothHistories(t *testing.T) {
	w := newWorld(t, 1)
	base := w.object(map[string]int{"a": 0})
	with := func(which int, id string) string {
		o := base.clone()
		o.prod[0] = which
		old := w.blocks[0].prod[which].WrappedBefore[0]
		return strings.Replace(w.yaml(t, o), `wrappedBefore: ["`+old, `wrappedBefore: ["`+strings.Repeat(id, 32)+`","`+old, 1)
	}
	_, means := mustMerge(t, "db.yaml", w.yaml(t, base), with(1, "0"), with(4, "f"), merge.Options{})
	if got := means[0].specs[0].Envelopes[w.blocks[0].id].Wraps["prod"].WrappedBefore; len(got) != 3 {
		t.Errorf("wrapped before for %q", got)
	}
}

// TestValuesOnOneLineAreOneConflict: what shares lines cannot be chosen one by one.
func TestValuesOnOneLineAreOneConflict(t *testing.T) {
	w := newWorld(t, 3)
	base := w.object(map[string]int{"a": 0, "b": 0})
	mine, yours := base.clone(), base.clone()
	mine.items["a"], mine.items["b"], yours.items["a"], yours.items["b"] = 1, 1, 2, 2
	for _, begin := range []string{`{"apiVersion":`, `{apiVersion: `} { // JSON, and YAML in flow style
		text := func(o object) string { return strings.Replace(string(w.json(t, o)), `{"apiVersion":`, begin, 1) }
		r, means := mustMerge(t, "db.yaml", text(base), text(mine), text(yours), merge.Options{})
		if len(r.Conflicts) != 1 || r.Conflicts[0].Field != "" || r.Conflicts[0].Reason != "is changed on both sides" {
			t.Errorf("%+v", r.Conflicts)
		}
		for i, c := range means {
			if got := w.opens(t, c); got["a"] != valueOf(i+1, "a") || got["b"] != valueOf(i+1, "b") {
				t.Errorf("choice %d opens to %v", i, got)
			}
		}
	}
}
