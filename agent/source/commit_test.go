package source_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

func robot() source.Author {
	return source.Author{Name: "Waxwing", Email: "waxwing@waxwing.invalid", When: time.Unix(1_800_000_000, 0)}
}

// pull brings the working copy to what the server has.
func pull(repo *githttp.Repo) {
	repo.Git("fetch", "--quiet", "origin")
	repo.Git("reset", "--quiet", "--hard", "origin/main")
}

func TestACommitChangesWhatItSaysAndNothingElse(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	repo.Write(map[string]string{"a/b/c.yaml": "old", "a/b.yaml": "b", "a.txt": "a", "gone/only": "x", "gone2/one": "1", "gone2/two": "2", "run.sh": "#!/bin/sh\n"})
	if err := os.Chmod(filepath.Join(repo.Work, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.txt", filepath.Join(repo.Work, "link")); err != nil {
		t.Fatal(err)
	}
	repo.Commit("one")
	repo.Push()
	r, _ := open(t, source.Limits{})
	base := fetch(t, r, mainOf(repo))
	draft, err := r.Commit(t.Context(), base, map[string][]byte{
		"a/b/c.yaml": []byte("new"), "a/b/new.yaml": []byte("1"), "a-b/x": []byte("2"), "a/b.d/x": []byte("3"), "a.yaml": []byte("4"), ".seal/prod.note": []byte("5"),
		"run.sh": []byte("#!/bin/bash\n"), "gone/only": nil, "gone2/one": nil, "never/was": nil, "a.txt": []byte("a"), "empty": {},
	}, robot(), "chore(seal): rewrap\n\nWaxwing-Set: 2", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Push(t.Context(), mainOf(repo), plain(), draft, base.ID, false); err != nil {
		t.Fatal(err)
	}
	if head := repo.Head("main"); head != draft.Commit.ID {
		t.Errorf("main is at %s, not %s", head, draft.Commit.ID)
	}
	repo.Git("--git-dir="+repo.Bare, "fsck", "--strict", "--no-dangling")
	pull(repo)
	got := repo.Git("log", "-1", "--format=%an|%ae|%cn|%at|%B")
	if got != "Waxwing|waxwing@waxwing.invalid|Waxwing|1800000000|chore(seal): rewrap\n\nWaxwing-Set: 2" {
		t.Errorf("the commit is %q", got)
	}
	want := "A\t.seal/prod.note\nA\ta-b/x\nA\ta.yaml\nA\ta/b.d/x\nM\ta/b/c.yaml\nA\ta/b/new.yaml\nA\tempty\nD\tgone/only\nD\tgone2/one\nM\trun.sh"
	if diff := cmp.Diff(want, repo.Git("diff", "--no-renames", "--name-status", "HEAD^", "HEAD")); diff != "" {
		t.Error(diff)
	}
	if mode := repo.Git("ls-files", "--stage", "run.sh"); !strings.HasPrefix(mode, "100755 ") {
		t.Errorf("the script is %s", mode)
	}
	c := fetch(t, r, mainOf(repo), base.ID)
	if all := contents(t, r, c); c.ID != draft.Commit.ID || all["a/b/c.yaml"] != "new" || all["a/b.yaml"] != "b" {
		t.Errorf("it is %s: %v", c.ID, all)
	}
	if _, err := r.Commit(t.Context(), c, map[string][]byte{"a/b/c.yaml": []byte("new"), "none": nil}, robot(), "m", nil); !errors.Is(err, source.ErrNothingChanged) {
		t.Errorf("a commit that changes nothing: %v", err)
	}
	for _, path := range []string{"link", "link/x", "a/b", "a.txt/x", "", "/x", "a//x", "../x", "a/./x", ".git/config", "a/.GIT/x", "a\nb", "a/"} {
		if _, err := r.Commit(t.Context(), c, map[string][]byte{path: []byte("x")}, robot(), "m", nil); err == nil {
			t.Errorf("a file is written to %q", path)
		}
	}
	bad := robot()
	bad.Name = "A\ncommitter B"
	if _, err := r.Commit(t.Context(), c, map[string][]byte{"x": nil, "y": []byte("y")}, bad, "m", nil); err == nil {
		t.Error("an author of two lines is taken")
	}
}

func TestAllFilesMayGo(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	commits(repo, "a/b", 1)
	r, _ := open(t, source.Limits{})
	base := fetch(t, r, mainOf(repo))
	draft, err := r.Commit(t.Context(), base, map[string][]byte{"a/b": nil}, robot(), "m", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Push(t.Context(), mainOf(repo), plain(), draft, base.ID, false); err != nil {
		t.Fatal(err)
	}
	if all := contents(t, r, fetch(t, r, mainOf(repo))); len(all) != 0 {
		t.Errorf("there are %v", all)
	}
}

// TestACommitIsSignedAsGitSigns holds signatures against git verify-commit.
func TestACommitIsSignedAsGitSigns(t *testing.T) {
	for _, kind := range [][]string{{"-t", "ed25519"}, {"-t", "rsa", "-b", "2048"}} {
		repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
		commits(repo, "a", 1)
		file, public := sshKey(t, "robot", kind...)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.ParsePrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := open(t, source.Limits{})
		base := fetch(t, r, mainOf(repo))
		draft, err := r.Commit(t.Context(), base, map[string][]byte{"a": []byte("signed")}, robot(), "chore(seal): sign", signer)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Push(t.Context(), mainOf(repo), plain(), draft, base.ID, false); err != nil {
			t.Fatal(err)
		}
		pull(repo)
		allowed := filepath.Join(t.TempDir(), "allowed")
		if err := os.WriteFile(allowed, []byte("waxwing@waxwing.invalid "+public+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		repo.Git("-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", "HEAD")
		name, err := r.Verify(fetch(t, r, mainOf(repo)), mainOf(repo), source.Signers{SSH: []source.Signer{{Name: "robot", Key: public}}})
		if err != nil || name != "robot" {
			t.Errorf("it is signed by %q (%v)", name, err)
		}
	}
}

func TestAPushDoesNotTakeThePlaceOfAnything(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	commits(repo, "a", 1)
	r, _ := open(t, source.Limits{})
	base := fetch(t, r, mainOf(repo))
	drafted := func(base source.Commit, text string) *source.Draft {
		t.Helper()
		draft, err := r.Commit(t.Context(), base, map[string][]byte{"mine": []byte(text)}, robot(), "chore: mine", nil)
		if err != nil {
			t.Fatal(err)
		}
		return draft
	}
	push := func(branch string, draft *source.Draft, old string, replace bool) error {
		return r.Push(t.Context(), source.Place{URL: repo.URL, Branch: branch}, plain(), draft, old, replace)
	}
	// A person is quicker.
	theirs := commits(repo, "theirs", 1)[0]
	mine := drafted(base, "1")
	refused(t, push("main", mine, base.ID, false), source.PushRejected, "moved on")
	refused(t, push("main", mine, theirs, false), source.PushRejected, "not made upon")
	refused(t, push("main", mine, "", false), source.PushRejected, "moved on")
	if repo.Head("main") != theirs {
		t.Fatal("what the person has pushed is gone")
	}
	// Fetched, made and pushed anew it works.
	again := drafted(fetch(t, r, mainOf(repo)), "1")
	if err := push("main", again, theirs, false); err != nil {
		t.Error(err)
	}
	pull(repo)
	if repo.Git("log", "--format=%s", "--reverse") != "a 0\ntheirs 0\nchore: mine" {
		t.Errorf("the history is %s", repo.Git("log", "--format=%s", "--reverse"))
	}
	// A branch of one's own is new, and may be replaced when it is at what it should be.
	head := fetch(t, r, mainOf(repo))
	one, two := drafted(head, "2"), drafted(head, "3")
	if err := push("waxwing/x", one, "", false); err != nil {
		t.Error(err)
	}
	refused(t, push("waxwing/x", two, "", false), source.PushRejected, "moved on")
	refused(t, push("waxwing/x", two, one.Commit.ID, false), source.PushRejected, "not made upon")
	if err := push("waxwing/x", two, one.Commit.ID, true); err != nil {
		t.Error(err)
	}
	refused(t, push("waxwing/x", one, one.Commit.ID, true), source.PushRejected, "moved on")
	if repo.Head("waxwing/x") != two.Commit.ID {
		t.Errorf("the branch is at %s", repo.Head("waxwing/x"))
	}
	refused(t, r.Push(t.Context(), source.Place{URL: repo.URL, Tag: "v1"}, plain(), two, "", false), source.RefNotFound, "tags")
}

func TestServersThatDoNotTakeAPush(t *testing.T) {
	server := githttp.Start(t, githttp.Options{Username: "robot", Password: password})
	for name, x := range map[string]struct {
		hook   string
		reason source.Reason
		says   string
	}{
		"GitHub's protection": {"echo 'error: GH006: Protected branch update failed for refs/heads/main.' >&2; exit 1", source.BranchProtected, "GH006"},
		"Gitea's protection":  {"echo 'Gitea: Not allowed to push to protected branch main' >&2; exit 1", source.BranchProtected, "Not allowed"},
		"GitLab's protection": {"echo 'GitLab: You are not allowed to push code to protected branches on this project.' >&2; exit 1", source.BranchProtected, "not allowed"},
		"another reason":      {"echo 'the change freeze is on' >&2; exit 1", source.FetchFailed, "change freeze"},
		"one that says back":  {"echo '" + password + "' >&2; exit 1", source.FetchFailed, "[redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			repo := server.Repo(t, strings.ReplaceAll(name, " ", "-"))
			commits(repo, "a", 1)
			if err := os.WriteFile(filepath.Join(repo.Bare, "hooks", "pre-receive"), []byte("#!/bin/sh\n"+x.hook+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			auth := source.Auth{Username: "robot", Password: password, InsecureHTTP: true}
			r, _ := open(t, source.Limits{})
			base, err := r.Fetch(t.Context(), mainOf(repo), auth)
			if err != nil {
				t.Fatal(err)
			}
			draft, err := r.Commit(t.Context(), base, map[string][]byte{"a": []byte("x")}, robot(), "m", nil)
			if err != nil {
				t.Fatal(err)
			}
			err = r.Push(t.Context(), mainOf(repo), auth, draft, base.ID, false)
			refused(t, err, x.reason, x.says)
			if is := errors.Is(err, source.ErrNotTaken); is != (x.reason == source.FetchFailed) {
				t.Errorf("that the server does not take it is said: %t", is)
			}
			if strings.Contains(fmt.Sprint(err), password) {
				t.Errorf("the password is in %q", err)
			}
			auth.Password = "expired"
			err = r.Push(t.Context(), mainOf(repo), auth, draft, base.ID, false)
			if refused(t, err, source.AuthenticationFailed, "does not take"); errors.Is(err, source.ErrNotTaken) {
				t.Error("credentials that do not count are taken for a push that is not taken")
			}
		})
	}
}
