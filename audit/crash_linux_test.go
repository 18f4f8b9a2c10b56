package audit_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit"
)

// The test binary runs itself as the processes that crash, fill a disk or come second; childEnv names what to do.
const childEnv = "WAXWING_AUDIT_TEST_CHILD"

// background is for children, which have no test whose context they could use.
func background() context.Context { return context.Background() }

func TestMain(m *testing.M) {
	run, ok := map[string]func() error{
		"load": childLoad, "second": childSecond, "limit": childLimit, "tmpfs": childTmpfs,
	}[os.Getenv(childEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, what, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), childEnv+"="+what, "WAXWING_AUDIT_TEST_LOG="+path)
	return c
}

func childOpen() (*audit.File, error) {
	return audit.OpenFile(os.Getenv("WAXWING_AUDIT_TEST_LOG"), "child", time.Now, rand.Reader)
}

// childLoad prints the id of each record after it was acknowledged, with many writers, until it is killed.
func childLoad() error {
	l, err := childOpen()
	if err != nil {
		return err
	}
	failed := make(chan error)
	for range 32 {
		go func() {
			for {
				id, err := l.Intent(background(), unsealDB)
				if err == nil {
					_, err = os.Stdout.WriteString("i " + id + "\n")
				}
				if err == nil {
					err = l.Outcome(background(), id, audit.Outcome{OK: true})
				}
				if err == nil {
					_, err = os.Stdout.WriteString("o " + id + "\n")
				}
				if err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func TestAKilledProcessHasLostNothingThatItAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	acked := map[string]bool{}
	for _, after := range []int{1, 7, 100, 333, 1000} {
		c := child(t, "load", path)
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for lines := bufio.NewScanner(out); lines.Scan(); n++ {
			acked[lines.Text()] = true
			if n == after {
				if err := c.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := c.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child ended by itself: %v", err)
		}
		if n <= after {
			t.Fatalf("the child acknowledged %d records", n)
		}
	}
	// Opening is the repair that a restarted controller makes.
	if err := mustOpen(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	total := len(acked)
	for _, r := range records(t, path) {
		delete(acked, string(r.Phase[0])+" "+r.ID)
	}
	if len(acked) > 0 || total < 1000 {
		t.Errorf("%d of %d acknowledged records are not in the log", len(acked), total)
	}
}

func childSecond() error {
	_, err := childOpen()
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		return fmt.Errorf("the second process was not refused: %v", err)
	}
	return nil
}

func TestASecondProcessIsRefused(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	if out, err := child(t, "second", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := l.Intent(t.Context(), unsealDB); err != nil {
		t.Errorf("the first process: %v", err)
	}
}

// childLimit lets the kernel refuse to make the file longer, which cuts a write in its middle as a full disk does.
func childLimit() error {
	l, err := childOpen()
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	free := limit.Cur
	limit.Cur = 20_000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	return fillAndGoOn(l, syscall.EFBIG, func() error {
		limit.Cur = free
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
	})
}

// fillAndGoOn writes until the disk refuses with want, makes room, and writes again.
func fillAndGoOn(l *audit.File, want error, makeRoom func() error) error {
	var err error
	written := 0
	for err == nil {
		if _, err = l.Intent(background(), unsealDB); err == nil {
			written++
		}
	}
	if written == 0 || !errors.Is(err, want) {
		return fmt.Errorf("after %d records: %w", written, err)
	}
	if _, err := l.Intent(background(), unsealDB); !errors.Is(err, want) {
		return fmt.Errorf("the second try: %w", err)
	}
	if err := makeRoom(); err != nil {
		return err
	}
	if _, err := l.Intent(background(), unsealDB); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	if err := l.Close(); err != nil {
		return err
	}
	f, err := os.Open(os.Getenv("WAXWING_AUDIT_TEST_LOG"))
	if err != nil {
		return err
	}
	intents := 0
	for r, err := range audit.Records(f) {
		if err != nil {
			return err
		}
		if r.Phase == audit.PhaseIntent {
			intents++
		}
	}
	if intents != written+1 {
		return fmt.Errorf("%d intents in the log, %d acknowledged", intents, written+1)
	}
	return nil
}

func TestAFileThatMayNotGrowLeavesNoHalfLine(t *testing.T) {
	if out, err := child(t, "limit", logPath(t)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// childTmpfs fills a real file system of 256 KiB that only this process sees.
func childTmpfs() error {
	dir := filepath.Dir(os.Getenv("WAXWING_AUDIT_TEST_LOG"))
	// Without this the mount would appear outside of the namespace too, where mounts are shared.
	_ = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		fmt.Println("cannot mount")
		return nil
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 200<<10), 0o600); err != nil {
		return err
	}
	l, err := childOpen()
	if err != nil {
		return err
	}
	return fillAndGoOn(l, syscall.ENOSPC, func() error { return os.Remove(filler) })
}

func TestAFullFileSystemLeavesNoHalfLine(t *testing.T) {
	for _, flags := range []uintptr{syscall.CLONE_NEWNS, syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER} {
		c := child(t, "tmpfs", logPath(t))
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		if flags&syscall.CLONE_NEWUSER != 0 {
			c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		out, err := c.CombinedOutput()
		switch {
		case err == nil && len(out) == 0:
			return
		case err == nil || errors.Is(err, os.ErrPermission):
			t.Logf("no file system of its own with flags %#x: %v %s", flags, err, out)
		default:
			t.Fatalf("%v: %s", err, out)
		}
	}
	t.Log("this machine gives no mount namespace; the kernel's ENOSPC was tested on /dev/full and its short writes with RLIMIT_FSIZE alone")
}
