package merge_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/merge"
)

// rule is one rule of merging one GitSecret: what each side makes of the base, and what comes of it.
type rule struct {
	name         string
	ours, theirs func(o *object)
	noBase       bool
	conflicts    []string              // fields, in order
	reason       string                // of the first conflict
	items        map[string]int        // blocks, with ours in conflicts; nil for those of the base
	check        func(*seal.Spec) bool // of both choices
}

func nothing(*object) {}

func set(name string, block int) func(*object) { return func(o *object) { o.items[name] = block } }

func remove(name string) func(*object) { return func(o *object) { delete(o.items, name) } }

func wrap(block, which int) func(*object) { return func(o *object) { o.prod[block] = which } }

func spec(name string, v any) func(*object) { return func(o *object) { o.spec[name] = v } }

func meta(name string, v any) func(*object) { return func(o *object) { o.meta[name] = v } }

func both(changes ...func(*object)) func(*object) {
	return func(o *object) {
		for _, change := range changes {
			change(o)
		}
	}
}

func (w *world) rules() []rule {
	prod := func(block, which int) func(*seal.Spec) bool {
		return func(s *seal.Spec) bool {
			return s.Envelopes[w.blocks[block].id].Wraps["prod"].Age == w.blocks[block].prod[which].Age
		}
	}
	data := func(m map[string]string) func(*seal.Spec) bool {
		return func(s *seal.Spec) bool { return s.Template != nil && maps.Equal(s.Template.Data, m) }
	}
	template := func(m map[string]any) func(*object) { return spec("template", map[string]any{"data": m}) }
	none := func(block int) func(*seal.Spec) bool {
		return func(s *seal.Spec) bool { _, there := s.Envelopes[w.blocks[block].id]; return !there }
	}
	// The base has a and b in block 0.
	return []rule{
		{name: "different items are added", ours: set("c", 1), theirs: set("d", 2), items: map[string]int{"a": 0, "b": 0, "c": 1, "d": 2}},
		{name: "different items are replaced", ours: set("a", 1), theirs: set("b", 2), items: map[string]int{"a": 1, "b": 2}, check: none(0)},
		{name: "one is removed, one is replaced", ours: remove("a"), theirs: set("b", 2), items: map[string]int{"b": 2}, check: none(0)},
		{name: "all are removed, one each", ours: remove("a"), theirs: remove("b"), items: map[string]int{}, check: none(0)},
		{name: "the same is removed by both", ours: remove("a"), theirs: remove("a"), items: map[string]int{"b": 0}},
		{name: "both have the same new value", ours: set("a", 1), theirs: both(set("a", 1), set("c", 2)), items: map[string]int{"a": 1, "b": 0, "c": 2}},
		{name: "an item is replaced by both", ours: set("a", 1), theirs: set("a", 2), conflicts: []string{"items.a"}, items: map[string]int{"a": 1, "b": 0},
			reason: "is changed on both sides", check: func(s *seal.Spec) bool { return len(s.Envelopes) == 3 }},
		{name: "two items are replaced by both", ours: both(set("a", 1), set("b", 1)), theirs: both(set("b", 2), set("a", 2)),
			conflicts: []string{"items.a", "items.b"}, items: map[string]int{"a": 1, "b": 1}, check: none(0)},
		{name: "an item is replaced and removed", ours: set("a", 1), theirs: remove("a"), conflicts: []string{"items.a"}, items: map[string]int{"a": 1, "b": 0},
			reason: "is removed on one side and changed on the other", check: func(s *seal.Spec) bool { return len(s.Envelopes) == 2 }},
		{name: "an item is added by both", ours: set("c", 1), theirs: set("c", 2), conflicts: []string{"items.c"}, items: map[string]int{"a": 0, "b": 0, "c": 1}},
		{name: "both add the object", noBase: true, ours: both(remove("b"), set("c", 1)), theirs: both(remove("a"), set("d", 1)),
			items: map[string]int{"a": 0, "b": 0, "c": 1, "d": 1}},

		{name: "one side rewraps", ours: wrap(0, 1), theirs: set("c", 1), items: map[string]int{"a": 0, "b": 0, "c": 1}, check: prod(0, 1)},
		{name: "both rewrap, one of them further", ours: wrap(0, 1), theirs: wrap(0, 2), check: prod(0, 2)},
		{name: "both rewrap to different keys", ours: wrap(0, 1), theirs: wrap(0, 3), conflicts: []string{"envelopes." + w.blocks[0].id + ".wraps.prod"}},
		{name: "both rewrap to the same keys", ours: wrap(0, 1), theirs: wrap(0, 4), check: func(s *seal.Spec) bool { return prod(0, 1)(s) || prod(0, 4)(s) }},
		{name: "a rewrap of what is not needed any more", ours: wrap(0, 1), theirs: both(set("a", 1), set("b", 1)), items: map[string]int{"a": 1, "b": 1}, check: none(0)},
		{name: "a holder is removed and rewrapped", ours: wrap(0, -1), theirs: wrap(0, 1), conflicts: []string{"envelopes." + w.blocks[0].id + ".wraps.prod"}},
		{name: "different holders", ours: wrap(0, 1), theirs: func(o *object) { o.noGlass[0] = true },
			check: func(s *seal.Spec) bool { return prod(0, 1)(s) && len(s.Envelopes[w.blocks[0].id].Wraps) == 1 }},
		{name: "all holders are removed between them", ours: wrap(0, -1), theirs: func(o *object) { o.noGlass[0] = true }, conflicts: []string{""},
			reason: "cannot be merged item by item: the sides remove all holders of an envelope between them"},

		{name: "template members", ours: template(map[string]any{"x": "1"}), theirs: template(map[string]any{"z": "2"}), check: data(map[string]string{"x": "1", "z": "2"})},
		{name: "one template member", ours: template(map[string]any{"x": "1"}), theirs: template(map[string]any{"x": "2"}), conflicts: []string{"template.data.x"}},
		{name: "options", ours: spec("suspend", true), theirs: both(spec("deletionPolicy", "Retain"), both(spec("immutable", true), spec("onImmutable", "Recreate"))),
			check: func(s *seal.Spec) bool {
				return s.Suspend && s.DeletionPolicy == "Retain" && *s.Immutable && s.OnImmutable == "Recreate"
			}},
		{name: "type", ours: spec("type", "Opaque"), theirs: spec("type", "example.org/other"), conflicts: []string{"type"}},
		{name: "labels", ours: meta("labels", map[string]any{"x": "1"}), theirs: meta("labels", map[string]any{"z": "1"})},
		{name: "an annotation", ours: meta("annotations", map[string]any{"x": "1"}), theirs: meta("annotations", map[string]any{"x": "2"}),
			conflicts: []string{"metadata.annotations.x"}},
		{name: "a list of metadata", ours: meta("finalizers", []any{"x"}), theirs: meta("finalizers", []any{"z"}), conflicts: []string{"metadata.finalizers"}},
		{name: "one adds a member, one takes the mapping away", ours: template(map[string]any{}), theirs: nothing},

		{name: "the scope goes with a side that seals nothing", ours: moved, theirs: wrap(0, 1), check: func(s *seal.Spec) bool { return s.For.Scope == seal.ScopeCluster }},
		{name: "the scope, and a value sealed for the old one", ours: moved, theirs: set("c", 1), conflicts: []string{""},
			reason: "cannot be merged item by item: spec.for was changed, and values were sealed on the other side, which do not open under it"},
	}
}

// moved stands for a reseal of everything for another scope. The values are of another block, and open nowhere: these tests do not open.
func moved(o *object) {
	o.spec["for"] = map[string]any{"scope": "cluster"}
	o.items["a"], o.items["b"] = 2, 2
}

func TestRules(t *testing.T) {
	w := newWorld(t, 3)
	for _, r := range w.rules() {
		t.Run(r.name, func(t *testing.T) { w.checkRule(t, r) })
	}
}

func (w *world) checkRule(t *testing.T, r rule) {
	base := w.object(map[string]int{"a": 0, "b": 0})
	ours, theirs := base.clone(), base.clone()
	r.ours(&ours)
	r.theirs(&theirs)
	was := w.yaml(t, base)
	if r.noBase {
		was = ""
	}
	result, means := mustMerge(t, "db.yaml", was, w.yaml(t, ours), w.yaml(t, theirs), merge.Options{})
	var fields []string
	for _, c := range result.Conflicts {
		fields = append(fields, c.Field)
	}
	if !slices.Equal(fields, r.conflicts) {
		t.Fatalf("conflicts %q, want %q\n%s", fields, r.conflicts, result.Data)
	}
	if r.reason != "" && result.Conflicts[0].Reason != r.reason {
		t.Errorf("the reason is %q", result.Conflicts[0].Reason)
	}
	for _, c := range means {
		if r.check != nil && !r.check(c.specs[0]) {
			t.Errorf("not as it should be:\n%s", result.Data)
		}
	}
	if slices.Contains(fields, "") || ours.spec["for"] != nil {
		return
	}
	want := map[string]string{}
	items := r.items
	if items == nil {
		items = base.items
	}
	for name, block := range items {
		want[name] = valueOf(block, name)
	}
	if got := w.opens(t, means[0]); !maps.Equal(got, want) {
		t.Errorf("the items are %v, want %v", got, want)
	}
}

func TestConflictsShowOneItemEach(t *testing.T) {
	w := newWorld(t, 3)
	base := w.object(map[string]int{"a": 0, "b": 0, "c": 0}).clone()
	ours, theirs := base.clone(), base.clone()
	ours.items = map[string]int{"a": 1, "b": 1, "c": 1}
	theirs.items = map[string]int{"a": 2, "b": 0, "d": 2}
	r, _ := mustMerge(t, "db.yaml", w.yaml(t, base), w.yaml(t, ours), w.yaml(t, theirs), merge.Options{
		Note: func(s merge.Side) string { return "brought\x1b by\n" + s.Envelope[len(s.Envelope)-4:] },
	})
	var labels, inside []string
	in := false
	for line := range strings.Lines(string(r.Data)) {
		switch line = strings.TrimRight(line, "\n"); {
		case strings.HasPrefix(line, "<<<<<<< "), strings.HasPrefix(line, ">>>>>>> "):
			in = line[0] == '<'
			labels = append(labels, line)
		case in:
			name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
			inside = append(inside, name)
		}
	}
	id := func(block int) string { return w.blocks[block].id[len(w.blocks[block].id)-4:] }
	want := []string{
		"<<<<<<< ours: items.a sealed 2026-11-01T01:00:00Z (brought� by�" + id(1) + ")",
		">>>>>>> theirs: items.a sealed 2026-11-01T02:00:00Z (brought� by�" + id(2) + ")",
		"<<<<<<< ours: items.c sealed 2026-11-01T01:00:00Z (brought� by�" + id(1) + ")",
		">>>>>>> theirs: items.c removed",
	}
	if !slices.Equal(labels, want) {
		t.Errorf("labels:\n%s\nwant:\n%s", strings.Join(labels, "\n"), strings.Join(want, "\n"))
	}
	if want := []string{"envelope", "value", "=======", "envelope", "value", "c", "envelope", "value", "======="}; !slices.Equal(inside, want) {
		t.Errorf("inside of the conflicts: %q", inside)
	}
	// Any combination of choices is sound: ours for the first, theirs for the second.
	mixed := strings.Replace(string(r.Data), "<<<<<<< ours: items.c", "<<<<<<< ours: last", 1)
	head, tail, _ := strings.Cut(mixed, "<<<<<<< ours: last")
	c := read(t, "db.yaml", []byte(choose(head, false)+choose("<<<<<<< ours: last"+tail, true)))
	if got := w.opens(t, c); !maps.Equal(got, map[string]string{"a": valueOf(1, "a"), "b": valueOf(1, "b"), "d": valueOf(2, "d")}) {
		t.Errorf("a mixed choice opens to %v", got)
	}
}
