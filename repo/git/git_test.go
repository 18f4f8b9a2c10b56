package git_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/repo/git"
)

// repository is a new repository; run runs git in it.
func repository(t *testing.T) (dir string, run func(args ...string)) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	run = func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = dir, environ(dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("init", "-q", "-b", "main")
	return dir, run
}

func environ(home string) []string {
	return append(os.Environ(), "HOME="+home, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=A",
		"GIT_COMMITTER_EMAIL=a@example.org", "GIT_AUTHOR_DATE=2026-11-20T10:00:00Z", "GIT_COMMITTER_DATE=2026-11-20T10:00:00Z")
}

func open(t *testing.T, dir string) *git.Repo {
	t.Helper()
	r, err := git.Open(t.Context(), dir, environ(dir))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	bare := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", "--bare", bare).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for dir, want := range map[string]error{t.TempDir(): git.ErrNoRepository, bare: git.ErrNoWorkTree} {
		if _, err := git.Open(t.Context(), dir, append(environ(dir), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))); !errors.Is(err, want) {
			t.Errorf("%v, not %v", err, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := git.Open(t.Context(), bare, nil); !errors.Is(err, git.ErrNoGit) {
		t.Errorf("without git: %v", err)
	}
}

func TestRelStartsWhereTheRepositoryWasOpened(t *testing.T) {
	dir, _ := repository(t)
	write(t, filepath.Join(dir, "clusters", "prod", "db.yaml"), "x")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	r := open(t, filepath.Join(link, "clusters"))
	for name, want := range map[string]string{
		"prod/db.yaml": "clusters/prod/db.yaml", "../x": "x", ".": "clusters", "prod/../-i": "clusters/-i", "gone\nfile": "clusters/gone\nfile",
		filepath.Join(dir, "x"): "x", filepath.Join(link, "clusters", "x"): "clusters/x", link + "/..": "", "../..": "", "../../x": "", "/etc/passwd": "",
	} {
		got, err := r.Rel(t.Context(), name)
		if got != want || (want == "") != errors.Is(err, git.ErrOutside) {
			t.Errorf("%q is %q, %v; not %q", name, got, err, want)
		}
	}
}

func TestDiffNamesSidesByBlobs(t *testing.T) {
	dir, run := repository(t)
	many := strings.Repeat("a line\n", 50)
	run("config", "diff.renames", "false")
	write(t, filepath.Join(dir, "same"), many+"same\n")
	write(t, filepath.Join(dir, "-moved\n"), many)
	write(t, filepath.Join(dir, "changed"), "1")
	write(t, filepath.Join(dir, "gone"), "1")
	run("add", ".")
	run("commit", "-qm", "one")
	run("mv", "--", "-moved\n", "there")
	write(t, filepath.Join(dir, "changed"), "2")
	run("rm", "-q", "gone")
	if err := os.Symlink("same", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	run("add", ".")
	r := open(t, dir)
	entries, err := r.Diff(t.Context(), true, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := r.Blobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content := func(s git.Side) string {
		if !s.Regular() {
			return "none"
		}
		b, err := blobs.Read(s.ID, 1000)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%q", b)
	}
	got := map[string]string{}
	for _, e := range entries {
		got[e.New.Path] = e.Old[0].Path + " " + content(e.Old[0]) + " " + content(e.New)
	}
	want := map[string]string{
		"changed": `changed "1" "2"`, "gone": `gone "1" none`, "link": "link none none",
		"there": fmt.Sprintf("-moved\n %q %q", many, many),
	}
	for path, text := range want {
		if got[path] != text {
			t.Errorf("%s: %s, not %s", path, got[path], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files differ, not %d", len(got), len(want))
	}
	if err := blobs.Close(); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]int{"changed": 1, "*": 0, ":(glob)*": 0, "--stat": 0} {
		if some, err := r.Diff(t.Context(), true, nil, []string{path}); err != nil || len(some) != want {
			t.Errorf("limited to %s: %v, %v", path, some, err)
		}
	}
}

func TestBlobsGoOnAfterARefusal(t *testing.T) {
	dir, run := repository(t)
	write(t, filepath.Join(dir, "large"), strings.Repeat("x", 100_000))
	write(t, filepath.Join(dir, "small"), "small\n")
	run("add", ".")
	r := open(t, dir)
	entries, err := r.Diff(t.Context(), true, nil, nil)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v", entries, err)
	}
	blobs, err := r.Blobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	if _, err := blobs.Read(entries[0].New.ID, 99_999); !errors.Is(err, git.ErrTooLarge) {
		t.Errorf("a large one: %v", err)
	}
	if _, err := blobs.Read(strings.Repeat("1", 40), 10); !errors.Is(err, git.ErrNoBlob) {
		t.Errorf("a missing one: %v", err)
	}
	if b, err := blobs.Read(entries[1].New.ID, 6); err != nil || string(b) != "small\n" {
		t.Errorf("a small one: %q, %v", b, err)
	}
	if b, err := blobs.Read(entries[0].New.ID, 100_000); err != nil || len(b) != 100_000 {
		t.Errorf("the large one again: %d bytes, %v", len(b), err)
	}
}

// log lists "subject path" of a history.
func log(t *testing.T, r *git.Repo, path string, firstParent bool) []string {
	t.Helper()
	var out []string
	err := r.Log(t.Context(), path, firstParent, func(c git.Commit) (bool, error) {
		out = append(out, fmt.Sprintf("%s %s>%s %d", c.Subject, c.Entry.Old[0].Path, c.Entry.New.Path, len(c.Entry.Old)))
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLogFollowsRenamesAndTellsMergesApart(t *testing.T) {
	dir, run := repository(t)
	many := strings.Repeat("a line\n", 50)
	file := filepath.Join(dir, "a")
	commit := func(content, subject string) {
		t.Helper()
		write(t, file, many+content)
		run("add", ".")
		run("commit", "-q", "--allow-empty", "-m", subject)
	}
	commit("1\n", "one")
	write(t, filepath.Join(dir, "other"), "x")
	run("add", ".")
	run("commit", "-qm", "another file")
	run("mv", "a", "b")
	run("commit", "-qm", "moved")
	file = filepath.Join(dir, "b")
	run("checkout", "-q", "-b", "side")
	commit("side\n", "on the side")
	run("checkout", "-q", "main")
	commit("main\n", "on main")
	run("merge", "-q", "--no-commit", "-s", "ours", "side")
	commit("both\n", "merged by hand")
	commit("last\n", "last")
	r := open(t, dir)
	got := strings.Join(log(t, r, "b", false), "; ")
	if want := "last b>b 1; merged by hand b>b 2; on main b>b 1; on the side b>b 1; moved a>b 1; one a>a 1"; got != want && got != strings.Replace(want, "on main b>b 1; on the side b>b 1", "on the side b>b 1; on main b>b 1", 1) {
		t.Errorf("got %s", got)
	}
	got = strings.Join(log(t, r, "b", true), "; ")
	if want := "last b>b 1; merged by hand b>b 1; on main b>b 1; moved a>b 1; one a>a 1"; got != want {
		t.Errorf("first parents: %s, not %s", got, want)
	}
	if got := log(t, r, "nope", false); got != nil {
		t.Errorf("a file that never was: %v", got)
	}
	n := 0
	if err := r.Log(t.Context(), "b", false, func(git.Commit) (bool, error) { n++; return n < 2, nil }); err != nil || n != 2 {
		t.Errorf("stopped after 2: %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := r.Log(ctx, "b", false, func(git.Commit) (bool, error) { cancel(); return true, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestLogBoundsWhatACommitSays(t *testing.T) {
	dir, run := repository(t)
	write(t, filepath.Join(dir, "a"), "1")
	run("add", ".")
	run("-c", "user.name=x", "commit", "-q", "--author", strings.Repeat("N", 5000)+" <a@example.org>", "-m", strings.Repeat("S", 100_000))
	err := open(t, dir).Log(t.Context(), "a", false, func(c git.Commit) (bool, error) {
		if len(c.Subject) > 400 || len(c.Author) > 400 || c.Date.Format("2006-01-02") != "2026-11-20" || len(c.Parents) != 0 {
			t.Errorf("%d, %d bytes, %s, %v", len(c.Subject), len(c.Author), c.Date, c.Parents)
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFailureOfGitIsTold(t *testing.T) {
	dir, _ := repository(t)
	r := open(t, dir)
	err := r.Log(t.Context(), "a", false, func(git.Commit) (bool, error) { return true, nil })
	var failed *git.Error
	if !errors.As(err, &failed) || !strings.Contains(failed.Message, "does not have any commits yet") {
		t.Errorf("an empty repository: %v", err)
	}
	if _, err := r.Commit(t.Context(), "--all"); !errors.Is(err, git.ErrNoRevision) {
		t.Errorf("an option for a revision: %v", err)
	}
	if ids, err := r.Shallow(t.Context()); err != nil || ids != nil {
		t.Errorf("not shallow: %v, %v", ids, err)
	}
}
