package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/source/pack"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// raw is a repository whose objects are made by hand. It is served by a fake, because git does not send all of them.
type raw struct{ objects []pack.Object }

func (r *raw) add(t pack.Type, content []byte) pack.ID {
	o := pack.Object{Type: t, Content: content}
	r.objects = append(r.objects, o)
	return o.ID()
}

type line struct {
	mode, name string
	id         pack.ID
}

func (r *raw) tree(lines ...line) pack.ID {
	var text []byte
	for _, l := range lines {
		text = append(fmt.Appendf(text, "%s %s\x00", l.mode, l.name), l.id[:]...)
	}
	return r.add(pack.Tree, text)
}

func (r *raw) blob(text string) pack.ID { return r.add(pack.Blob, []byte(text)) }

// commit serves a repository whose main is at a tree.
func (r *raw) commit(t testing.TB, tree pack.ID) source.Place {
	t.Helper()
	return r.serve(t, fmt.Appendf(nil, "tree %s\nauthor Ann <ann@example.com> 1 +0000\ncommitter Ann <ann@example.com> 1 +0000\n\nhostile\n", tree))
}

func (r *raw) serve(t testing.TB, commit []byte) source.Place {
	t.Helper()
	tip := r.add(pack.Commit, commit)
	var out bytes.Buffer
	if err := pack.Write(&out, r.objects); err != nil {
		t.Fatal(err)
	}
	return lyingServer(t, tip.String(), sends(out.Bytes()))
}

// TestEntriesThatNobodyShouldTake has trees that Git would not make, or not check out: each file comes with what it is, and takes no other with it.
func TestEntriesThatNobodyShouldTake(t *testing.T) {
	r := &raw{}
	good, evil := r.blob("good"), r.blob("evil")
	inner := r.tree(line{"100644", "config", evil})
	place := r.commit(t, r.tree(
		line{"100644", "", evil},
		line{"100644", "..", evil},
		line{"40000", ".git", inner},
		line{"100644", "a/b", evil},
		line{"100644", "good", good},
		line{"100755", "good.sh", good},
		line{"100664", "good.txt", good},
		line{"120000", "link", evil},
		line{"160000", "module", evil},
		line{"100644", "not\nprintable", good},
		line{"100644", "not utf-8 \xff", good},
		line{"100644", "really a folder", inner},
		line{"100644", "twice", good},
		line{"100644", "twice", evil},
		line{"60000", "weird", evil},
		line{"040000", "zero", inner},
		line{"100644", strings.Repeat("n", 5000), evil},
		line{"40000", strings.Repeat("o", 5000), inner},
	))
	repo, _ := open(t, source.Limits{})
	files, err := repo.Files(t.Context(), fetch(t, repo, place))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]source.Kind{}
	for i, f := range files {
		name := f.Path
		if name == "" || name == "twice" {
			name = fmt.Sprint(name, "#", i)
		}
		got[name] = f.Kind
	}
	want := map[string]source.Kind{
		"#0": source.Malformed, "..": source.Regular, ".git/config": source.Regular, "a/b": source.Malformed, "good": source.Regular, "good.sh": source.Regular,
		"good.txt": source.Regular, "link": source.Symlink, "module": source.Submodule, "not\nprintable": source.Regular, "not utf-8 \xff": source.Regular,
		"really a folder": source.Malformed, "twice#12": source.Malformed, "twice#13": source.Malformed, "weird": source.Malformed, "zero/config": source.Regular,
		strings.Repeat("n", 4096): source.Malformed, strings.Repeat("o", 4096): source.Folder,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTreesThatAreBombs(t *testing.T) {
	for name, x := range map[string]struct {
		make func(r *raw) pack.ID
		says string
	}{
		"files beyond counting": {func(r *raw) pack.ID {
			id := r.tree(line{"100644", "f", r.blob("x")}, line{"100644", "g", r.blob("y")})
			for range 25 {
				id = r.tree(line{"40000", "a", id}, line{"40000", "b", id}, line{"40000", "c", id})
			}
			return id
		}, "more than 100000"},
		"folders without files": {func(r *raw) pack.ID {
			id := r.tree()
			for range 25 {
				id = r.tree(line{"40000", "a", id}, line{"40000", "b", id}, line{"40000", "c", id})
			}
			return id
		}, "more than 100000 folders"},
		"long paths": {func(r *raw) pack.ID {
			var lines []line
			id := r.blob("x")
			for i := range 9000 {
				lines = append(lines, line{"100644", fmt.Sprintf("%05d%s", i, strings.Repeat("n", 4000)), id})
			}
			return r.tree(lines...)
		}, "more than 32 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &raw{}
			repo, _ := open(t, source.Limits{ObjectBytes: 64 << 20})
			_, err := repo.Fetch(t.Context(), r.commit(t, x.make(r)), plain())
			refused(t, err, source.RepositoryTooLarge, x.says)
		})
	}
}

// TestFoldersAreCountedBeforeTheyAreLookedInto has many entries behind a folder, in each of many folders: all of them would lie in memory once the innermost is reached, which is not there.
func TestFoldersAreCountedBeforeTheyAreLookedInto(t *testing.T) {
	r := &raw{}
	file := r.blob("x")
	id := pack.Hash(pack.Tree, []byte("nowhere"))
	for range 20 {
		lines := []line{{"40000", "a", id}}
		for i := range 900 {
			lines = append(lines, line{"100644", fmt.Sprintf("f%d", i), file})
		}
		id = r.tree(lines...)
	}
	repo, _ := open(t, source.Limits{Files: 1000})
	_, err := repo.Fetch(t.Context(), r.commit(t, id), plain())
	refused(t, err, source.RepositoryTooLarge, "more than 1000 files")
}

func TestFoldersInFoldersEnd(t *testing.T) {
	r := &raw{}
	id := r.tree(line{"100644", "f", r.blob("x")})
	for range 500 {
		id = r.tree(line{"40000", "d", id})
	}
	repo, _ := open(t, source.Limits{})
	files, err := repo.Files(t.Context(), fetch(t, repo, r.commit(t, id)))
	if err != nil || len(files) != 1 || files[0].Kind != source.Folder || files[0].Path != strings.Repeat("d/", 31)+"d" {
		t.Errorf("the files are %+v (%v)", files, err)
	}
}

func TestCommitsThatGitDoesNotMake(t *testing.T) {
	who := "author Ann <ann@example.com> 1 +0000\ncommitter Ann <ann@example.com> 1 +0000\n"
	for name, text := range map[string]string{
		"no tree":       who + "\nm\n",
		"what is no id": "tree x\n" + who + "\nm\n",
		"no end":        "tree TREE\n" + who,
		"no author":     "tree TREE\ncommitter Ann <ann@example.com> 1 +0000\n\nm\n",
		"no committer":  "tree TREE\nauthor Ann <ann@example.com> 1 +0000\n\nm\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := &raw{}
			tree := r.tree(line{"100644", "f", r.blob("x")})
			repo, _ := open(t, source.Limits{})
			_, err := repo.Fetch(t.Context(), r.serve(t, []byte(strings.ReplaceAll(text, "TREE", tree.String()))), plain())
			refused(t, err, source.RepositoryUnsafe, name)
		})
	}
	r := &raw{}
	tree := r.tree(line{"100644", "f", r.blob("x")})
	place := r.serve(t, fmt.Appendf(nil, "tree %s\nauthor nobody\ncommitter \x1b[31m <> x\nencoding \xff\n\n\xff\x00", tree))
	repo, _ := open(t, source.Limits{})
	if c := fetch(t, repo, place); c.Tree != tree.String() || !c.When.IsZero() {
		t.Errorf("it is %+v", c)
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	commits(repo, "a", 1)
	r, _ := open(t, source.Limits{})
	c := fetch(t, r, mainOf(repo))
	files, err := r.Files(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Read(ctx, files[0].Blob); !errors.Is(err, context.Canceled) {
		t.Errorf("a file: %v", err)
	}
	if _, err := r.Fetch(ctx, mainOf(repo), plain()); !errors.Is(err, context.Canceled) {
		t.Errorf("a fetch: %v", err)
	}
	for _, blob := range []string{"", "x", strings.Repeat("7", 40), c.ID, c.Tree} {
		if _, err := r.Read(t.Context(), blob); !errors.Is(err, source.ErrNoBlob) {
			t.Errorf("blob %q: %v", blob, err)
		}
	}
}
