package scan_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// write writes files below dir; a name that ends with / is a folder.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		folder := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			folder = path
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if folder == path {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// inTree makes a tree with everything that a walk leaves out.
func inTree(t *testing.T) string {
	t.Helper()
	dir, outside := t.TempDir(), t.TempDir()
	write(t, outside, map[string]string{"out.yaml": "kind: Secret"})
	write(t, dir, map[string]string{
		".seal.yaml": "version: 1\nignore: ['charts/**', 'apps/*.gen.yaml']\n", ".seal/a.yaml": "x", ".seal/a.note": "x", "sub/.seal.yaml": "version: 1\nignore: [left.yml]\n",
		"a.yaml": "x", "b.YML": "x", "c.json": "x", "d.txt": "x", "sub/e.yaml": "x", "sub/left.yml": "x", "sub/é ü.yaml": "x",
		"charts/templates/f.yaml": "x", "apps/g.gen.yaml": "x", "apps/g.yaml": "x", "dir.yaml/h.yaml": "x", "nested/.git/HEAD": "x", "nested/i.yaml": "x",
		"ignored/j.yaml": "x", "k.ignored.yaml": "x", ".gitignore": "ignored/\n*.ignored.yaml\n",
	})
	for link, target := range map[string]string{"link.yaml": "a.yaml", "away.yaml": filepath.Join(outside, "out.yaml"), "folder": outside, "again": "sub"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	names, err := scan.List(t.Context(), "D", dir, scan.Options{Settings: repo.NewTree(dir), Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range names {
		names[i] = strings.TrimPrefix(filepath.ToSlash(n), "D/")
	}
	return names
}

func TestListOutsideOfGit(t *testing.T) {
	dir := inTree(t)
	// Without .git, only the settings of a file's own folder hold.
	want := []string{".seal.yaml", ".seal/a.yaml", "a.yaml", "apps/g.gen.yaml", "apps/g.yaml", "b.YML", "c.json", "dir.yaml/h.yaml", "ignored/j.yaml", "k.ignored.yaml", "sub/.seal.yaml", "sub/e.yaml", "sub/é ü.yaml"}
	if got := list(t, dir); !slices.Equal(got, want) {
		t.Errorf("\n%q, not\n%q", got, want)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

func TestListInGit(t *testing.T) {
	dir := inTree(t)
	git(t, dir, "init", "-q")
	git(t, dir, "add", "-f", "a.yaml", "k.ignored.yaml", "sub", "link.yaml")
	if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	want := []string{".seal.yaml", ".seal/a.yaml", "apps/g.yaml", "b.YML", "c.json", "dir.yaml/h.yaml", "k.ignored.yaml", "sub/.seal.yaml", "sub/e.yaml", "sub/é ü.yaml"}
	if got := list(t, dir); !slices.Equal(got, want) {
		t.Errorf("\n%q, not\n%q", got, want)
	}
	if got := list(t, filepath.Join(dir, "sub")); !slices.Equal(got, []string{".seal.yaml", "e.yaml", "é ü.yaml"}) {
		t.Errorf("of a folder below: %q", got)
	}
	// A folder that git knows, and that has since become a link out of the tree.
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "sub")), os.Symlink(t.TempDir(), filepath.Join(dir, "sub"))); err != nil {
		t.Fatal(err)
	}
	target, err := os.Readlink(filepath.Join(dir, "sub"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, target, map[string]string{"e.yaml": "kind: Secret"})
	if got := list(t, dir); slices.Contains(got, "sub/e.yaml") {
		t.Errorf("it followed a link: %q", got)
	}
}

func TestAllFindsWhatGitAndListLeaveOut(t *testing.T) {
	dir, err := filepath.EvalSymlinks(inTree(t))
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "init", "-q")
	all := func(settings scan.Settings) []string {
		found, err := scan.All(t.Context(), dir, settings)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range found {
			name, err := filepath.Rel(dir, f.Path)
			if err != nil {
				t.Fatal(err)
			}
			name = filepath.ToSlash(name)
			if wrong := name == "away.yaml"; wrong != errors.Is(f.Err, scan.ErrLeadsOut) || !wrong && f.Err != nil {
				t.Errorf("%s: the error is %v", name, f.Err)
			}
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	ignored := []string{"apps/g.gen.yaml", "charts/templates/f.yaml", "sub/left.yml"}
	want := []string{".seal.yaml", ".seal/a.yaml", "a.yaml", "apps/g.yaml", "away.yaml", "b.YML", "c.json", "dir.yaml/h.yaml", "ignored/j.yaml", "k.ignored.yaml", "link.yaml",
		"nested/i.yaml", "sub/.seal.yaml", "sub/e.yaml", "sub/é ü.yaml"}
	if got := all(repo.NewTree(dir)); !slices.Equal(got, want) {
		t.Errorf("\n%q, not\n%q", got, want)
	}
	want = append(want, ignored...)
	slices.Sort(want)
	if got := all(nil); !slices.Equal(got, want) {
		t.Errorf("without settings:\n%q, not\n%q", got, want)
	}
}

func TestListSaysWhatIsWrongWithSettings(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{".seal.yaml": "version: 7\n", "a.yaml": ""})
	if _, err := scan.List(t.Context(), dir, dir, scan.Options{Settings: repo.NewTree(dir), Environ: os.Environ()}); err == nil || !strings.Contains(err.Error(), "version must be 1") {
		t.Errorf("the error is %v", err)
	}
}

func TestTenThousandFiles(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for i := range 10_000 {
		content := "kind: ConfigMap\ndata: {a: b}\n"
		switch i % 10 {
		case 0:
			content = "kind: Secret\n"
		case 1:
			content = strings.ReplaceAll(sealed, "01kb0000000000000000000000", fmt.Sprintf("01kb%022d", i))
		}
		files[fmt.Sprintf("%02d/%05d.yaml", i%97, i)] = content
	}
	write(t, dir, files)
	names, err := scan.List(t.Context(), dir, dir, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := scan.Files(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	secrets, sealed := 0, 0
	for i, f := range found {
		if f.Path != names[i] {
			t.Fatalf("file %d is %s, not %s", i, f.Path, names[i])
		}
		if f.Secret {
			secrets++
		}
		if f.Sealed {
			sealed++
		}
	}
	if secrets != 1000 || sealed != 1000 {
		t.Errorf("%d files with Secrets, %d sealed", secrets, sealed)
	}
	x := scan.NewIndex(found)
	if got := x.Envelope(fmt.Sprintf("01kb%022d", 5001)); len(got) != 1 || filepath.Base(got[0]) != "05001.yaml" {
		t.Errorf("the envelope lies in %v", got)
	}
	if got := x.Holder("prod-eu"); len(got) != 1000 {
		t.Errorf("the holder has %d files", len(got))
	}
}

func TestFilesStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scan.Files(ctx, []string{"a", "b"}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if _, err := scan.List(ctx, ".", t.TempDir(), scan.Options{Environ: os.Environ()}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func TestAFileThatIsTooLargeIsLookedAtToTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.yaml")
	for name, tail := range map[string]string{"no": "a: b\n", "secret": "kind: Secret\n", "alias": "x: &a y\nsecret: x\nkind: *a\n"} {
		if err := os.WriteFile(path, []byte(strings.Repeat("a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", scan.MaxFile/60)+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		files, err := scan.Files(t.Context(), []string{path})
		if err != nil {
			t.Fatal(err)
		}
		if f := files[0]; !f.TooLarge || f.Secret != (name != "no") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
