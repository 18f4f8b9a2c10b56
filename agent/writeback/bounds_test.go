package writeback_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/writeback"
)

// TestWhatHostileFilesCost holds that what one look keeps is bounded, whatever files a repository has, and however often each of them.
func TestWhatHostileFilesCost(t *testing.T) {
	k := newKeyring(t, "prod")
	db := sealed(t, "prod", "db", k)
	rules := settings(k)
	k.rotate()
	object, shown := live(t, db, k), []writeback.Keyring{k.shows()}
	t.Run("many values in a file", func(t *testing.T) {
		f := tree{".seal.yaml": rules, "db.yaml": db + "---\nx:\n" + strings.Repeat("- x\n", 70_000), "ok.yaml": db}.look(t, "", shown, object)
		if len(f.Due) != 1 || f.Due[0].Changes["ok.yaml"] == nil || f.Due[0].Changes["db.yaml"] != nil {
			t.Errorf("%+v", f.Due)
		}
	})
	t.Run("large settings in many folders", func(t *testing.T) {
		all := tree{}
		for i := range 20 {
			all[fmt.Sprintf("%02d/.seal.yaml", i)] = "#" + strings.Repeat("x", 512<<10) + "\n" + rules
			all[fmt.Sprintf("%02d/db.yaml", i)] = db
		}
		f := all.look(t, "", shown, object)
		if len(f.Due) != 1 || f.Due[0].Changes["00/db.yaml"] == nil || f.Due[0].Changes["19/db.yaml"] != nil {
			t.Errorf("%+v", f.Due)
		}
		if len(f.Unhelped) == 0 || !strings.Contains(f.Unhelped[0].Message, "settings and notes have more than") {
			t.Errorf("%+v", f.Unhelped)
		}
	})
	t.Run("one large file at many paths", func(t *testing.T) {
		all := tree{".seal.yaml": rules}
		large := db + "#" + strings.Repeat("x", 60<<10) + "\n"
		for i := range 40 {
			all[fmt.Sprintf("%02d.yaml", i)] = large
		}
		in := all.input(t, "", shown, object)
		in.Changed = 1 << 20
		f, err := writeback.Look(t.Context(), in)
		must(t, err)
		size := 0
		for _, data := range f.Want {
			size += len(data)
		}
		if size > 1100<<10 || size < 1000<<10 {
			t.Errorf("%d bytes change", size)
		}
		// Those that were left out are due afterwards.
		if rest := all.with(f.Want).look(t, "", shown, object); len(rest.Due) != 1 || len(rest.Want)+len(f.Want) < 40 {
			t.Errorf("%d and %d", len(f.Want), len(rest.Want))
		}
	})
	t.Run("many objects that nothing helps", func(t *testing.T) {
		one := "---\napiVersion: waxwing.io/v1alpha1\nkind: GitSecret\nspec: {envelopes: {e: {wraps: {prod: {keys: [x]}}}}}\n"
		all := tree{".seal.yaml": rules, "a.yaml": strings.Repeat(one, 900), "b.yaml": strings.Repeat(one, 900)}
		if f := all.look(t, "", shown, object); len(f.Unhelped) != 1000 {
			t.Errorf("%d", len(f.Unhelped))
		}
	})
}
