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
