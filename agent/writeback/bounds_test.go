package writeback_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/repo/rewrap"
	"github.com/waxwing-io/waxwing/repo/scan"
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

// TestAKeyringIsCheckedOnceALook has many files with wraps of many keyrings that their settings pin no key of: what a keyring shows is checked for each keyring, and not for each file too.
func TestAKeyringIsCheckedOnceALook(t *testing.T) {
	const rings, files = 30, 100
	var all []*keyring
	var shown []writeback.Keyring
	for i := range rings {
		all = append(all, newKeyring(t, fmt.Sprintf("ring-%02d", i)))
		shown = append(shown, all[i].shows())
	}
	one := testing.AllocsPerRun(10, func() {
		n := rewrap.News{Holder: all[0].name, Pin: all[0].pin}
		must(t, n.Hear(shown[0].Published))
	})
	db, paths := sealed(t, "prod", "db", all...), tree{}
	for i := range files {
		paths[fmt.Sprintf("%03d.yaml", i)] = db
	}
	in := paths.input(t, "", shown)
	look := func(with []writeback.Keyring) float64 {
		in.Keyrings = with
		return testing.AllocsPerRun(1, func() {
			found, err := writeback.Look(t.Context(), in)
			must(t, err)
			if len(found.Unhelped) > 0 {
				t.Errorf("%+v", found.Unhelped)
			}
		})
	}
	if more := look(shown) - look(shown[:1]); more > rings*files/3*one {
		t.Errorf("%d more keyrings cost as much as %.0f checks of what one shows, in %d files", rings-1, more/one, files)
	}
}

// endingAfter is a context that ends when it was asked so many times whether it has.
type endingAfter struct {
	context.Context
	left *atomic.Int64
}

func (e endingAfter) Err() error {
	if e.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestALookEndsWithItsContext has the context end before each of the files of a look whose files are known and need no reading.
func TestALookEndsWithItsContext(t *testing.T) {
	k := newKeyring(t, "prod")
	files := tree{".seal.yaml": settings(k)}
	for i := range 500 {
		files[fmt.Sprintf("%03d.yaml", i)] = sealed(t, "prod", "db", k)
	}
	in := files.input(t, "", []writeback.Keyring{k.shows()})
	asked := func(after int64) (int64, error) {
		var left atomic.Int64
		left.Store(after)
		_, err := writeback.Look(endingAfter{t.Context(), &left}, in)
		return after - left.Load(), err
	}
	const most = 1 << 20
	if _, err := asked(most); err != nil {
		t.Fatal(err) // and now all files are known
	}
	all, err := asked(most)
	must(t, err)
	// Once for each file that is listed, that settings are found for, and that is looked through for each keyring.
	if all < 3*500 {
		t.Errorf("it asks %d times", all)
	}
	if n, err := asked(all - 400); !errors.Is(err, context.Canceled) || n > all-390 {
		t.Errorf("it goes on (%v) and asks %d times", err, n)
	}
}

// TestAFileDoesNotGrowBeyondWhatIsRead has files that are as large as they may be, and get longer wraps: what the agent does not read itself is not applied, and holds up deletions.
func TestAFileDoesNotGrowBeyondWhatIsRead(t *testing.T) {
	k := newKeyring(t, "prod")
	db := sealed(t, "prod", "db", k)
	start := db + "---\nx:\n"
	for name, c := range map[string]struct{ file, says string }{
		"bytes":  {db + "#" + strings.Repeat("x", writeback.MaxFile-len(db)-2) + "\n", "larger than the 1024 KiB that are read"},
		"values": {start + strings.Repeat("- x\n", scan.MaxNodes-scan.Nodes([]byte(start))), "more than the 65536 values that are read"},
	} {
		t.Run(name, func(t *testing.T) {
			rotated := *k
			rotated.rotate()
			files := tree{".seal.yaml": settings(k), "large.yaml": c.file, "ok.yaml": db}
			offered := live(t, db, &rotated)
			f := files.look(t, "", []writeback.Keyring{rotated.shows()}, offered)
			if len(f.Due) != 1 || f.Due[0].Objects != 1 || f.Due[0].Wraps != 1 || f.Want["ok.yaml"] == nil || f.Want["large.yaml"] != nil {
				t.Fatalf("%+v", f.Due)
			}
			if len(f.Unhelped) != 1 || f.Unhelped[0].Path != "large.yaml" || f.Unhelped[0].Reason != "NotEditable" || !strings.Contains(f.Unhelped[0].Message, c.says) {
				t.Errorf("%+v", f.Unhelped)
			}
			delete(files, "large.yaml")
			if without := files.look(t, "", []writeback.Keyring{rotated.shows()}, offered); without.Digest != f.Digest {
				t.Error("what is not written counts as due")
			}
		})
	}
}

// TestFilesThatNothingHelpsDoNotHideOthers has more files with old wraps than are parsed in one look, and an offer for the last one alone.
func TestFilesThatNothingHelpsDoNotHideOthers(t *testing.T) {
	k := newKeyring(t, "prod")
	db, lost := sealed(t, "prod", "db", k), sealed(t, "prod", "lost", k)
	files := tree{".seal.yaml": settings(k)}
	k.rotate()
	files[".seal/prod.note"], files["z.yaml"] = k.note(), db
	for i := range 20 {
		files[fmt.Sprintf("%02d.yaml", i)] = lost
	}
	in := files.input(t, "", []writeback.Keyring{k.shows()}, live(t, db, k))
	in.Edited = int64(len(lost) * 8)
	var begins []int
	for range 3 {
		f, err := writeback.Look(t.Context(), in)
		must(t, err)
		if len(f.Problems) != 1 || !strings.Contains(f.Problems[0], "that are looked into at a time: these are ") {
			t.Errorf("%q", f.Problems)
		}
		begins = append(begins, in.Begin)
		if in.Begin = f.Next; f.Want["z.yaml"] != nil {
			break
		}
	}
	if !slices.Equal(begins, []int{0, 8, 16}) || in.Begin != 0 {
		t.Errorf("they begin at %v, and then at %d", begins, in.Begin)
	}
	// There are fewer files by now.
	in.Begin = 99
	if f, err := writeback.Look(t.Context(), in); err != nil || f.Next != 8 {
		t.Errorf("it goes on at %d, %v", f.Next, err)
	}
	// Where all are looked into there is nothing to tell.
	in.Edited, in.Begin = 0, 8
	if f, err := writeback.Look(t.Context(), in); err != nil || len(f.Problems) > 0 || f.Want["z.yaml"] == nil {
		t.Errorf("%q, %v", f.Problems, err)
	}
}

// fakeSizes is a Git that says that files of a folder are as large as they may be, because it takes long to parse so many that are.
type fakeSizes struct {
	writeback.Git
	folder string
}

func (g *fakeSizes) Files(ctx context.Context, c source.Commit) ([]source.File, error) {
	files, err := g.Git.Files(ctx, c)
	files = slices.Clone(files)
	for i := range files {
		if strings.HasPrefix(files[i].Path, g.folder) {
			files[i].Size = writeback.MaxFile
		}
	}
	return files, err
}

// TestTheNextLookGoesOn has a Writer look at more files than are parsed in one look: what is due in the last one is written by and by.
func TestTheNextLookGoesOn(t *testing.T) {
	k := newKeyring(t, "prod")
	db, lost := sealed(t, "prod", "db", k), sealed(t, "prod", "lost", k)
	files := tree{".seal.yaml": settings(k)}
	k.rotate()
	files[".seal/prod.note"], files["z.yaml"] = k.note(), db
	for i := range 280 {
		files[fmt.Sprintf("lost/%03d.yaml", i)] = lost
	}
	w := newWorld(t, files)
	w.writer.Git = &fakeSizes{w.remote, "lost/"}
	in := writeback.Cluster{Keyrings: []writeback.Keyring{k.shows()}, Objects: []writeback.Object{live(t, db, k)}}
	if r := w.good(in); len(r.Pushed) > 0 || len(r.Messages) != 1 || !strings.Contains(r.Messages[0], "256 MiB") {
		t.Errorf("%d pushed: %q", len(r.Pushed), r.Messages)
	}
	if r := w.good(in); len(r.Pushed) != 1 || !k.opens(w.file("main", "z.yaml")) {
		t.Errorf("%d pushed: %q", len(r.Pushed), r.Messages)
	}
}
