package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// console is a pseudo-terminal: what a person types goes into master, and what they see comes out of it.
type console struct {
	master, slave *os.File
	seen          bytes.Buffer
}

func newConsole(t *testing.T) *console {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return &console{master: master, slave: slave}
}

// start runs seal with the console as its controlling terminal.
func (c *console) start(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("seal", args...)
	cmd.Dir = dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.slave, c.slave, c.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// waitFor reads until text has been shown.
func (c *console) waitFor(t *testing.T, text string) {
	t.Helper()
	b := make([]byte, 1)
	for !bytes.HasSuffix(c.seen.Bytes(), []byte(text)) {
		if _, err := c.master.Read(b); err != nil {
			t.Fatalf("%v before %q was shown; seen: %q", err, text, c.seen.String())
		}
		c.seen.Write(b)
	}
}

func (c *console) typing(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c.master, text); err != nil {
		t.Fatal(err)
	}
}

// echoes says whether the terminal shows what is typed.
func (c *console) echoes(t *testing.T) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(c.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func sealedForPrompt(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	plain := filepath.Join(dir, "s.yaml")
	if err := os.WriteFile(plain, plainFile(1), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("seal", "-r", testRecipient, "-w", plain).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func TestPromptAsksTwiceWithoutEcho(t *testing.T) {
	dir, c := sealedForPrompt(t), newConsole(t)
	cmd := c.start(t, dir, "set", "s.yaml", "password", "-r", testRecipient)
	c.waitFor(t, "value of password: ")
	if c.echoes(t) {
		t.Error("the terminal echoes while the value is asked for")
	}
	c.typing(t, canary+"\n")
	c.waitFor(t, "again: ")
	c.typing(t, canary+"\n")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v; seen: %q", err, c.seen.String())
	}
	if strings.Contains(c.seen.String(), canary) {
		t.Error("the value was shown")
	}
	if !c.echoes(t) {
		t.Error("the terminal does not echo any more")
	}
	b, err := os.ReadFile(filepath.Join(dir, "s.yaml"))
	if err != nil || !bytes.Contains(b, []byte("\n    password:\n")) {
		t.Errorf("the value was not set (%v)", err)
	}
}

// What is over the length of a line is dropped by the system, and nobody would see that the value has lost its end.
func TestPromptRefusesAValueThatTheTerminalCutsOff(t *testing.T) {
	for length, code := range map[int]int{4094: 0, 4095: 1, 5000: 1} {
		dir, c := sealedForPrompt(t), newConsole(t)
		cmd := c.start(t, dir, "set", "s.yaml", "password", "-r", testRecipient)
		c.waitFor(t, "value of password: ")
		c.typing(t, strings.Repeat("v", length)+"\n")
		if code == 0 {
			c.waitFor(t, "again: ")
			c.typing(t, strings.Repeat("v", length)+"\n")
		} else {
			c.waitFor(t, "seal: the value of password is longer than a line at a terminal can be, 4094 bytes")
			c.waitFor(t, "hint: give it in a file, with --from-file password=PATH, or through a pipe")
		}
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != code {
			t.Errorf("%d bytes: exit code %d; seen: %q", length, cmd.ProcessState.ExitCode(), c.seen.String())
		}
	}
}

func TestPromptRefusesTwoDifferentValues(t *testing.T) {
	dir, c := sealedForPrompt(t), newConsole(t)
	cmd := c.start(t, dir, "set", "s.yaml", "password", "-r", testRecipient)
	c.waitFor(t, "value of password: ")
	c.typing(t, "one\n")
	c.waitFor(t, "again: ")
	c.typing(t, "two\n")
	c.waitFor(t, "seal: the two values of password differ")
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit code %d", cmd.ProcessState.ExitCode())
	}
}

func TestCtrlCAtThePromptLeavesTerminalAndFileAsTheyWere(t *testing.T) {
	dir, c := sealedForPrompt(t), newConsole(t)
	before, err := os.ReadFile(filepath.Join(dir, "s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := c.start(t, dir, "set", "s.yaml", "password", "-r", testRecipient)
	c.waitFor(t, "value of password: ")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	c.waitFor(t, "seal: interrupted")
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("exit code %d", cmd.ProcessState.ExitCode())
	}
	if !c.echoes(t) {
		t.Error("the terminal does not echo any more")
	}
	after, err := os.ReadFile(filepath.Join(dir, "s.yaml"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed (%v)", err)
	}
}

func TestWithoutFileAtATerminalHelpIsShown(t *testing.T) {
	c := newConsole(t)
	cmd := c.start(t, t.TempDir())
	c.waitFor(t, "seal: no file given")
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("exit code %d", cmd.ProcessState.ExitCode())
	}
	if !strings.Contains(c.seen.String(), "Usage:") {
		t.Errorf("no usage shown: %q", c.seen.String())
	}
}

func TestCreateAsksForEachKeyInItsOrderWithoutEcho(t *testing.T) {
	dir, c := t.TempDir(), newConsole(t)
	cmd := c.start(t, dir, "create", "db", "user", "password", "-n", "prod", "-r", testRecipient, "--out", "db.yaml")
	for _, key := range []string{"user", "password"} {
		c.waitFor(t, "value of "+key+": ")
		if c.echoes(t) {
			t.Error("the terminal echoes while the value is asked for")
		}
		c.typing(t, canary+"\n")
		c.waitFor(t, "again: ")
		c.typing(t, canary+"\n")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v; seen: %q", err, c.seen.String())
	}
	if strings.Contains(c.seen.String(), canary) {
		t.Error("the value was shown")
	}
	b, err := os.ReadFile(filepath.Join(dir, "db.yaml"))
	if err != nil || !bytes.Contains(b, []byte("\n    password:\n")) || !bytes.Contains(b, []byte("\n    user:\n")) || bytes.Contains(b, []byte(canary)) {
		t.Errorf("the values were not sealed (%v)", err)
	}
}

func TestCreateAsksForThePasswordOfARegistry(t *testing.T) {
	dir, c := t.TempDir(), newConsole(t)
	cmd := c.start(t, dir, "create", "docker-registry", "pull", "--docker-username", "bot", "-n", "prod", "-r", testRecipient, "--out", "pull.yaml")
	for _, prompt := range []string{"value of password: ", "again: "} {
		c.waitFor(t, prompt)
		c.typing(t, canary+"\n")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v; seen: %q", err, c.seen.String())
	}
	b, err := os.ReadFile(filepath.Join(dir, "pull.yaml"))
	if err != nil || !bytes.Contains(b, []byte("\n    .dockerconfigjson:\n")) || bytes.Contains(b, []byte("\n    password:\n")) {
		t.Errorf("the configuration was not sealed (%v)", err)
	}
}

func TestCreateAsksForNothingThatCannotBeWritten(t *testing.T) {
	dir, c := sealedForPrompt(t), newConsole(t)
	for _, args := range [][]string{
		{"create", "new", "password", "-n", "prod", "-r", testRecipient, "--out", "s.yaml"},
		{"create", "s1", "password", "-n", "prod", "-r", testRecipient, "--out", "s.yaml", "--append"},
		{"create", "new", "password", "-r", testRecipient},
		{"create", "new", "password", "-n", "prod"},
		{"create", "new", "password", "-n", "prod", "-r", testRecipient, "--type", "bootstrap.kubernetes.io/token"},
	} {
		c.typing(t, "an answer\nan answer\n") // to a question that must not come
		cmd := c.start(t, dir, args...)
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() == 0 {
			t.Errorf("%v is taken", args)
		}
	}
	c.waitFor(t, "bootstrap.kubernetes.io/token is not sealed")
	if strings.Contains(c.seen.String(), "value of password") {
		t.Errorf("the person was asked: %q", c.seen.String())
	}
}

func TestPassphraseOfASigningKeyIsAskedWithoutEcho(t *testing.T) {
	cases := map[string]struct {
		typed string
		code  int
		want  string
	}{
		"the right one": {"canary-passphrase", 0, "seal: signing s.yaml (GitSecret prod/s1)"},
		"a wrong one":   {"another", 1, "seal: key: that is not its passphrase"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir, c := sealedForPrompt(t), newConsole(t)
			writeLockedKey(t, filepath.Join(dir, "key"), "canary-passphrase")
			cmd := c.start(t, dir, "sign", "--sign-key", "key", "s.yaml")
			c.waitFor(t, "passphrase of key: ")
			if c.echoes(t) {
				t.Error("the terminal echoes while the passphrase is asked for")
			}
			c.typing(t, tc.typed+"\n")
			c.waitFor(t, tc.want)
			if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != tc.code {
				t.Errorf("exit code %d; seen: %q", cmd.ProcessState.ExitCode(), c.seen.String())
			}
			if strings.Contains(c.seen.String(), tc.typed) {
				t.Error("the passphrase was shown")
			}
			b, err := os.ReadFile(filepath.Join(dir, "s.yaml"))
			if signed := bytes.Contains(b, []byte("SSH SIGNATURE")); err != nil || signed != (tc.code == 0) {
				t.Errorf("signed: %v (%v)", signed, err)
			}
		})
	}
}
