package writeback_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/writeback"
)

// TestHostileFilesCostLittle has files that are small as they are, and large as parsers have them, beside one that is due: that one is due all the same, and memory stays small.
func TestHostileFilesCostLittle(t *testing.T) {
	k := newKeyring(t, "prod")
	db := sealed(t, "prod", "db", k)
	files := tree{
		".seal.yaml": settings(k), "db.yaml": db,
		// 300 MB, if it was written out.
		"aliases.yaml": db + "x: &x " + strings.Repeat("y", 100_000) + "\nz: [" + strings.TrimSuffix(strings.Repeat("*x, ", 3000), ", ") + "]\n",
		"values.yaml":  db + "x: [" + strings.Repeat("1,", 300_000) + "]\n",
		"levels.yaml":  db + "x: " + strings.Repeat("[", 500_000),
		"anchors.yaml": db + "x:\n" + strings.Repeat("- &a x\n", 80_000),
	}
	k.rotate()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	found := files.look(t, "", []writeback.Keyring{k.shows()}, live(t, db, k))
	runtime.ReadMemStats(&after)
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 200 {
		t.Errorf("it took %d MiB", used)
	}
	if due := slices.Sorted(maps.Keys(found.Want)); !slices.Equal(due, []string{".seal/prod.note", "db.yaml"}) {
		t.Errorf("due are %q: %q", due, found.Problems)
	}
}

// TestWhatIsKeptOfFilesIsBounded has files claim wraps of more than is kept of them: what is kept of them has an end, and that is told.
func TestWhatIsKeptOfFilesIsBounded(t *testing.T) {
	k := newKeyring(t, "prod")
	db := sealed(t, "prod", "db", k)
	files := tree{".seal.yaml": settings(k), "a.yaml": db}
	for i := range 20 {
		var wraps []string
		for j := range 100 {
			wraps = append(wraps, fmt.Sprintf(`"%02d-%04d-%s":{"keys":["k"]}`, i, j, strings.Repeat("h", 9000)))
		}
		files[fmt.Sprintf("x%02d.json", i)] = `{"apiVersion":"waxwing.io/v1alpha1","kind":"GitSecret","spec":{"envelopes":{"e":{"wraps":{` + strings.Join(wraps, ",") + `}}}}}`
	}
	k.rotate()
	found := files.look(t, "", []writeback.Keyring{k.shows()}, live(t, db, k))
	if len(found.Problems) != 1 || !strings.Contains(found.Problems[0], "16 MiB") {
		t.Errorf("nothing is told: %q", found.Problems)
	}
	if found.Want["a.yaml"] == nil {
		t.Error("the file before them is not due")
	}
}
