package git_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/repo/git"
)

func TestConfigIsWhatHoldsInAFolder(t *testing.T) {
	home := t.TempDir()
	global := filepath.Join(home, "config")
	text := "[user]\n\tsigningKey = \"line\\nof two\"\n[gpg]\n\tformat\n[gpg \"ssh\"]\n\tprogram = one\n\tprogram = two\n[other]\n\tuserXsigningkey = no\n"
	if err := os.WriteFile(global, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_GLOBAL=" + global, "GIT_CONFIG_NOSYSTEM=1"}
	repository := filepath.Join(home, "repo")
	for _, args := range [][]string{{"init", "-q", repository}, {"-C", repository, "config", "gpg.format", "ssh"}} {
		cmd := exec.Command("git", args...)
		cmd.Env = environ
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	names := []string{"user.signingKey", "gpg.format", "gpg.ssh.program", "gpg.ssh.defaultKeyCommand"}
	outside := map[string]string{"user.signingkey": "line\nof two", "gpg.format": "", "gpg.ssh.program": "two"}
	inside := map[string]string{"user.signingkey": "line\nof two", "gpg.format": "ssh", "gpg.ssh.program": "two"}
	for dir, want := range map[string]map[string]string{home: outside, repository: inside} {
		got, err := git.Config(t.Context(), dir, environ, names...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", dir, diff)
		}
	}
	if got, err := git.Config(t.Context(), home, environ, "no.such"); err != nil || len(got) != 0 {
		t.Errorf("a setting that nobody made is %v (%v)", got, err)
	}
	if err := os.WriteFile(global, []byte("[broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := git.Config(t.Context(), home, environ, names...); err == nil {
		t.Errorf("a broken configuration is read as %v", got)
	}
}
