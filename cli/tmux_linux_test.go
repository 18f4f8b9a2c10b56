package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// screen is a terminal of tmux, as a person sits at it: what it shows is what a terminal emulator makes of a program's output.
type screen struct {
	t        *testing.T
	socket   string
	commands int // that were run
}

// newScreen starts a shell in dir; SEAL is its prompt. The environment is the test's own, and what is given.
func newScreen(t *testing.T, dir string, env ...string) *screen {
	t.Helper()
	s := &screen{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	cmd := exec.Command("tmux", "-S", s.socket, "-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "45", "env", "PS1=SEAL> ", "sh")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append(env, "TERM=xterm", "ENV=", "LANG=C.UTF-8")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	s.waitFor("SEAL>")
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// shows is all that the terminal shows, and has scrolled away.
func (s *screen) shows() string {
	s.t.Helper()
	return strings.TrimRight(s.tmux("capture-pane", "-p", "-J", "-S", "-"), "\n ") + "\n"
}

// waitFor waits until text is shown, as long as the test binary may run: when all commands have ended without it, or a moment before the binary's end, it says what is shown instead.
func (s *screen) waitFor(text string) { s.t.Helper(); s.waitForTimes(text, 1) }

func (s *screen) waitForTimes(text string, times int) {
	s.t.Helper()
	end, limited := s.t.Deadline()
	for {
		shown := s.shows()
		if strings.Count(shown, text) >= times {
			return
		}
		ended := s.commands > 0 && strings.Count(shown, "exit=") >= s.commands
		if ended || limited && time.Until(end) < 3*time.Second {
			s.t.Fatalf("%q is not shown; the terminal shows:\n%s", text, shown)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// types sends text as it is, keys those that have names (Enter, C-c, Escape).
func (s *screen) types(text string) { s.t.Helper(); s.tmux("send-keys", "-l", text) }
func (s *screen) keys(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

// runs types a command line; "exit=N" is shown when it has ended.
func (s *screen) runs(command string) {
	s.t.Helper()
	s.commands++
	s.types(command + `; echo "exit"=$?`)
	s.keys("Enter")
}

// echoes waits until the terminal shows what is typed, and what the shell makes of it.
func (s *screen) echoes() {
	s.t.Helper()
	s.runs(`echo it "echoes"`)
	s.waitFor(`echo it "echoes"`)
	s.waitFor("it echoes")
}

// hides fails the test if text was ever shown.
func (s *screen) hides(text string) {
	s.t.Helper()
	if strings.Contains(s.shows(), text) {
		s.t.Errorf("the terminal shows %q:\n%s", text, s.shows())
	}
}
