package cli_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// editMoments is how many runs of seal edit are stopped at different times.
const editMoments = 8

// stoppedEdit runs seal edit, and stops it after a while; it gives the exit code and where the plaintext was.
func stoppedEdit(t *testing.T, dir string, sig os.Signal, after time.Duration) (code int, where string) {
	t.Helper()
	cmd := editWith(t, dir, "echo \"$1\" > where\nsed -i s/"+canary+"/"+canary+"-new/ \"$1\"\nsleep 0.05\n")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if sig != nil {
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Signal(sig) })
		defer timer.Stop()
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(filepath.Join(dir, "where"))
	return cmd.ProcessState.ExitCode(), strings.TrimSpace(string(b))
}

// editWith is seal edit in a folder of desk, with a script of sh for its editor.
func editWith(t *testing.T, dir, script string) *exec.Cmd {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "editor"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("seal", "edit", "-i", "key.txt", "-R", "r.txt", "db.yaml")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "VISUAL=sh editor")
	return cmd
}

func TestEditThatIsStoppedAtAnyMomentLeavesTheFileOldOrNew(t *testing.T) {
	dir, _ := desk(t)
	start := time.Now()
	if code, _ := stoppedEdit(t, dir, nil, 0); code != 0 {
		t.Fatalf("an undisturbed edit: exit %d", code)
	}
	whole := time.Since(start)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		for i := range editMoments {
			dir, _ := desk(t)
			old := content(t, dir, "db.yaml")
			code, where := stoppedEdit(t, dir, sig, whole*time.Duration(i)/editMoments)
			changed := content(t, dir, "db.yaml") != old
			value := sealIn(t, dir, "open", "-i", "key.txt", "--key", "a", "db.yaml")
			switch {
			case !changed && value == canary && code != 0:
			case changed && value == canary+"-new" && (code == 0 || sig == syscall.SIGKILL):
			default:
				t.Errorf("%v at %d/%d: exit %d, changed %v, value %q", sig, i, editMoments, code, changed, value)
			}
			nowhere(t, dir, "b: other-"+canary)
			if sig == syscall.SIGKILL || code == -1 || where == "" {
				continue
			}
			if _, err := os.Lstat(filepath.Dir(where)); !os.IsNotExist(err) {
				t.Errorf("%v at %d/%d: exit %d: %s is still there (%v)", sig, i, editMoments, code, where, err)
			}
		}
	}
}

// An editor may have something to put in order before it ends, such as the terminal.
func TestAnEditorIsToldToEndBeforeItIsMadeTo(t *testing.T) {
	dir, _ := desk(t)
	script := "trap 'echo > ended; exit 0' TERM\nkill -TERM $PPID\nwhile :; do sleep 0.05; done\n"
	cmd := editWith(t, dir, script)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 130 || string(out) != "seal: interrupted\n" {
		t.Errorf("exit %d: %s", cmd.ProcessState.ExitCode(), out)
	}
	if _, err := os.Stat(filepath.Join(dir, "ended")); err != nil {
		t.Errorf("the editor was not told: %v", err)
	}
}

// A terminal that is closed sends SIGHUP more than once, and a person who is in a hurry types Ctrl-C so.
func TestASecondSignalWaitsUntilThePlaintextIsAway(t *testing.T) {
	dir, _ := desk(t)
	script := "echo \"$1\" > where\ntrap 'for i in 1 2 3; do kill -HUP $PPID; sleep 0.1; done; exit 0' TERM\nkill -HUP $PPID\nwhile :; do sleep 0.05; done\n"
	cmd := editWith(t, dir, script)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 130 || string(out) != "seal: interrupted\n" {
		t.Errorf("%v: %s", cmd.ProcessState, out)
	}
	where := strings.TrimSpace(content(t, dir, "where"))
	if _, err := os.Lstat(filepath.Dir(where)); !filepath.IsAbs(where) || !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", where, err)
	}
}
