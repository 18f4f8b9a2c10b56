package merge_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/merge"
)

// many is an object with n items of block, all with the same ciphertext: they would not open, but are sound without a key.
func (w *world) many(t testing.TB, n, block int) string {
	t.Helper()
	o := w.object(map[string]int{"a": block}).clone()
	items := map[string]any{}
	for i := range n {
		items[fmt.Sprintf("item-%04d", i)] = w.blocks[block].items["a"]
	}
	o.spec["items"] = items
	return w.sealedYAML(t, o)
}

// TestManyChanges is about work: edits are bounded by the length of the document, so that thousands of changes end in seconds, and all are there.
func TestManyChanges(t *testing.T) {
	w := newWorld(t, 3)
	const n = 1000
	base := w.many(t, n, 0)
	// All values are new on one side, one item has another name on the other: one conflict, and everything else is taken.
	r, means := mustMerge(t, "db.yaml", base, w.many(t, n, 1), strings.Replace(base, "\n    item-0007:\n", "\n    extra:\n", 1), merge.Options{})
	if len(r.Conflicts) != 1 || r.Conflicts[0].Field != "items.item-0007" || len(means[0].specs[0].Items) != n+1 || len(means[1].specs[0].Items) != n {
		t.Errorf("%d items, conflicts: %+v", len(means[0].specs[0].Items), r.Conflicts)
	}
	// Everything is new on both sides: one conflict for all of it.
	r, _ = mustMerge(t, "db.yaml", base, w.many(t, n, 1), w.many(t, n, 2), merge.Options{})
	if len(r.Conflicts) != 1 {
		t.Errorf("%d conflicts", len(r.Conflicts))
	}
}

func TestOverTheLimits(t *testing.T) {
	w := newWorld(t, 3)
	base := w.many(t, seal.MaxItems-1, 0)
	added := func(name string) string {
		return strings.Replace(base, "\n  items:\n", "\n  items:\n    "+name+": {envelope: "+w.blocks[0].id+", value: \""+w.blocks[0].items["a"].Value+"\"}\n", 1)
	}
	r, _ := mustMerge(t, "db.yaml", base, added("x"), added("z"), merge.Options{})
	if len(r.Conflicts) != 1 || !strings.Contains(r.Conflicts[0].Reason, "more than 4096 items") {
		t.Errorf("%+v", r.Conflicts)
	}
}

// TestHostileFiles must end with an error, or with a result that is no worse than its sides; never with a panic.
func TestHostileFiles(t *testing.T) {
	w := newWorld(t, 2)
	doc := w.yaml(t, w.object(map[string]int{"a": 0}))
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", 'b'+i, 'b'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i)
	}
	aliased := strings.Replace(strings.Replace(doc, "  name: \"db\"", "  name: &n \"db\"", 1), "scope:", "# x\n    scope:", 1)
	aliased = strings.Replace(aliased, "    name: \"db\"", "    name: *n", 1)
	files := []string{
		"", "---\n---\n---\n", doc, join(doc, doc), join(doc, bomb), bomb, aliased,
		"<<<<<<< ours\n" + doc + "=======\n>>>>>>> theirs\n", doc + strings.Repeat("---\n", 20000), strings.Repeat("[", 100000) + "GitSecret",
		strings.Replace(doc, "items:", "items: {}\n  stray:", 1), strings.Replace(doc, "spec:", "spec: null\nother:", 1),
		strings.ReplaceAll(doc, "\n", "\r"), doc + "\x00", "%YAML 1.1\n---\n" + doc, "kind: List\napiVersion: v1\nitems:\n- kind: GitSecret\n",
	}
	merged := 0
	for i := 0; i < len(files); i += 3 {
		base := files[i]
		for j, ours := range files {
			for k, theirs := range files {
				r, err := merge.Merge("db.yaml", []byte(base), []byte(ours), []byte(theirs), merge.Options{})
				if err != nil {
					continue
				}
				merged++
				if len(r.Conflicts) > 0 || merge.Sound("db.yaml", []byte(ours)) != nil || merge.Sound("db.yaml", []byte(theirs)) != nil {
					continue
				}
				if err := merge.Sound("db.yaml", r.Data); err != nil {
					t.Errorf("%d, %d, %d: %v", i, j, k, err)
				}
			}
		}
	}
	if merged < 100 {
		t.Errorf("only %d were merged at all", merged)
	}
}
