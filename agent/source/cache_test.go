package source_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

func TestTheCacheIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	commits(repo, "a", 1)
	fetch(t, reopen(t, dir, source.Limits{}), mainOf(repo))
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, d os.DirEntry, err error) error {
		if err != nil || path == filepath.Dir(dir) {
			return err
		}
		about, err := d.Info()
		if err == nil && about.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, about.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(link, source.Limits{}); err == nil {
		t.Error("a symlink is taken for the cache")
	}
}

// TestNoSymlinkLeadsOutOfTheCache has the names of the cache's files be symlinks to one elsewhere.
func TestNoSymlinkLeadsOutOfTheCache(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	ids := commits(repo, "a", 1)
	for _, name := range []string{"state.json", "tmp-state.json", "tmp-receive.pack", "tmp-receive.index"} {
		elsewhere := filepath.Join(t.TempDir(), "precious")
		if err := os.WriteFile(elsewhere, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		r, dir := open(t, source.Limits{})
		if err := os.Symlink(elsewhere, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if c := fetch(t, r, mainOf(repo)); c.ID != ids[0] || contents(t, r, c)["a"] != "0" {
			t.Errorf("with %s it is at %s", name, c.ID)
		}
		if text, err := os.ReadFile(elsewhere); err != nil || string(text) != "precious" {
			t.Errorf("through %s the file elsewhere became %q (%v)", name, text, err)
		}
	}
}

func TestACacheThatIsBrokenIsMadeAnew(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	commits(repo, "a", 3)
	each := func(dir, pattern string, change func(path string, text []byte)) {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("there is no %s (%v)", pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			change(name, text)
		}
	}
	write := func(path string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	middle := func(path string, text []byte) { text[len(text)/2] ^= 1; write(path, text) }
	half := func(path string, text []byte) { write(path, text[:len(text)/2]) }
	gone := func(path string, _ []byte) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(dir string){
		"the state is junk": func(dir string) { each(dir, "state.json", func(p string, _ []byte) { write(p, []byte("{")) }) },
		"the state is of the future": func(dir string) {
			each(dir, "state.json", func(p string, _ []byte) { write(p, []byte(`{"version":99}`)) })
		},
		"the state is gone":    func(dir string) { each(dir, "state.json", gone) },
		"a pack is gone":       func(dir string) { each(dir, "*.pack", gone) },
		"an index is gone":     func(dir string) { each(dir, "*.index", gone) },
		"a pack was cut":       func(dir string) { each(dir, "*.pack", half) },
		"an index was cut":     func(dir string) { each(dir, "*.index", half) },
		"an index was changed": func(dir string) { each(dir, "*.index", middle) },
	} {
		t.Run(name, func(t *testing.T) {
			r, dir := open(t, source.Limits{})
			c := fetch(t, r, mainOf(repo))
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			change(dir)
			r = reopen(t, dir, source.Limits{})
			if again := fetch(t, r, mainOf(repo)); again.ID != c.ID || contents(t, r, again)["a"] != "2" {
				t.Errorf("it is at %s", again.ID)
			}
		})
	}
	t.Run("a pack was changed", func(t *testing.T) {
		r, dir := open(t, source.Limits{})
		fetch(t, r, mainOf(repo))
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		each(dir, "*.pack", func(path string, text []byte) {
			for i := 12; i < len(text)-20; i++ {
				text[i] ^= 0x55
			}
			write(path, text)
		})
		r = reopen(t, dir, source.Limits{})
		// It is noticed at the latest when something is read, and the next fetch mends it.
		c, err := r.Fetch(t.Context(), mainOf(repo), plain())
		if err == nil {
			_, err = r.Files(t.Context(), c)
		}
		if err != nil {
			c = fetch(t, r, mainOf(repo))
		}
		if contents(t, r, c)["a"] != "2" {
			t.Error("the file is not there")
		}
	})
}

func TestWhatIsLeftBehindIsRemoved(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	commits(repo, "a", 1)
	r, dir := open(t, source.Limits{})
	fetch(t, r, mainOf(repo))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tmp-receive.pack", "tmp-12345", "0123.pack", "0123.index", "not mine"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reopen(t, dir, source.Limits{})
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	// A pack, its index, the state, and what is none of the cache's.
	if len(names) != 4 {
		t.Errorf("there is %v", names)
	}
}

func TestAnotherAddressMakesTheCacheAnew(t *testing.T) {
	server := githttp.Start(t, githttp.Options{})
	one, other := server.Repo(t, "one"), server.Repo(t, "other")
	commits(one, "a", 1)
	commits(other, "b", 1)
	r, dir := open(t, source.Limits{})
	before := fetch(t, r, mainOf(one))
	files, err := r.Files(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	c := fetch(t, r, mainOf(other))
	if contents(t, r, c)["b"] != "0" {
		t.Error("the other repository is not there")
	}
	if names, err := filepath.Glob(filepath.Join(dir, "*.pack")); err != nil || len(names) != 1 {
		t.Errorf("there are packs %v (%v)", names, err)
	}
	// Both have a file with the content 0.
	if _, err := r.Files(t.Context(), before); err == nil {
		t.Errorf("the first one can still be read: %v", files)
	}
}

func TestACacheThatIsLargeIsMadeAnew(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	r, dir := open(t, source.Limits{CacheBytes: 1500})
	most := 0
	for range 8 {
		ids := commits(repo, "a", 1)
		if c := fetch(t, r, mainOf(repo)); c.ID != ids[0] || contents(t, r, c)["a"] != "0" {
			t.Fatalf("it is at %s", c.ID)
		}
		names, err := filepath.Glob(filepath.Join(dir, "*.pack"))
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, len(names))
	}
	if most > 7 || most < 2 {
		t.Errorf("there were up to %d packs", most)
	}
}

func TestManySmallPacksBecomeOne(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	r, dir := open(t, source.Limits{})
	for i := range 30 {
		repo.Write(map[string]string{fmt.Sprint("file", i): fmt.Sprint(i)})
		id := repo.Commit(fmt.Sprint(i))
		repo.Push()
		if c := fetch(t, r, mainOf(repo)); c.ID != id {
			t.Fatalf("it is at %s", c.ID)
		}
		names, err := filepath.Glob(filepath.Join(dir, "*.pack"))
		if err != nil || len(names) >= 8 {
			t.Fatalf("there are %d packs (%v)", len(names), err)
		}
	}
	for range 2 {
		c := fetch(t, r, mainOf(repo))
		all := contents(t, r, c)
		for i := range 30 {
			if all[fmt.Sprint("file", i)] != fmt.Sprint(i) {
				t.Errorf("file %d is %q", i, all[fmt.Sprint("file", i)])
			}
		}
		if list, err := r.Commits(repo.Git("rev-parse", "HEAD~29"), c.ID); err != nil || len(list) != 29 {
			t.Errorf("there are %d commits (%v)", len(list), err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		r = reopen(t, dir, source.Limits{})
	}
}
