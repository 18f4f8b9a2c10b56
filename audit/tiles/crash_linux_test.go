package tiles_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/klog/v2"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// The test binary runs itself as the processes that crash, lose their disk or come second; childEnv names what to do.
const (
	childEnv = "WAXWING_AUDIT_TEST_CHILD"
	dirEnv   = "WAXWING_AUDIT_TEST_LOG"
)

// background is for children, which have no test whose context they could use.
func background() context.Context { return context.Background() }

func TestMain(m *testing.M) {
	klog.SetSlogLogger(slog.New(slog.DiscardHandler)) // Tessera says each time that it makes a log
	run, ok := map[string]func() error{
		"second": childSecond, "full": childFull, "readonly": childReadOnly,
	}[os.Getenv(childEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), childEnv+"="+what, dirEnv+"="+dir)
	return c
}

// childConfig has the same key in each process.
func childConfig() tiles.Config {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return tiles.Config{
		Dir: os.Getenv(dirEnv), Origin: audittest.Origin, Key: func(context.Context) (ed25519.PrivateKey, error) { return key, nil }, Anchors: &audittest.MemoryAnchors{},
		PartSize: 5000, Patience: time.Minute, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

func childOpen() *audit.Recorder {
	return audit.NewRecorder(audit.Config{Store: tiles.New(childConfig()), Replica: "child", Now: time.Now, Rand: rand.Reader})
}

func childSecond() error {
	l := childOpen()
	_, err := l.Intent(background(), unsealDB())
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		return fmt.Errorf("the second process was not refused: %v", err)
	}
	return l.Close()
}

func TestASecondProcessIsRefused(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	p.write(1)
	if out, err := child(t, "second", w.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.write(1)
}

// mounted gives a child a file system of 1 MiB at dir that only it sees.
func mounted(dir string) error {
	// Without this the mount would appear outside of the namespace too, where mounts are shared.
	_ = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		fmt.Println("cannot mount")
		os.Exit(0)
	}
	return os.Setenv(dirEnv, filepath.Join(dir, "audit"))
}

// failsAndResumes writes until the log fails with want, has it fail once more, mends, and waits for the log to be well by itself.
func failsAndResumes(want error, broken func(*audit.Recorder) error, mend func() error) error {
	l := childOpen()
	written := 0
	var err error
	for err == nil {
		if _, err = l.Intent(background(), unsealDB()); err == nil {
			if written++; written == 3 {
				if err := broken(l); err != nil {
					return err
				}
			}
		}
	}
	if written < 3 || !strings.Contains(err.Error(), want.Error()) { // Tessera gives the text alone
		return fmt.Errorf("after %d records: %w", written, err)
	}
	for range 3 {
		if _, err := l.Intent(background(), unsealDB()); !errors.Is(err, want) || !errors.Is(l.Err(), want) {
			return fmt.Errorf("another try: %w; health: %w", err, l.Err())
		}
	}
	if err := mend(); err != nil {
		return err
	}
	for l.Err() != nil {
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := l.Intent(background(), unsealDB()); err != nil {
		return fmt.Errorf("after the repair: %w", err)
	}
	if err := l.Close(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "written %d\n", written+1)
	return nil
}

// childFull fills the disk with records and something else, and takes that away.
func childFull() error {
	dir := os.Getenv(dirEnv)
	if err := mounted(dir); err != nil {
		return err
	}
	filler := filepath.Join(dir, "filler")
	fill := func(*audit.Recorder) error { return os.WriteFile(filler, make([]byte, 500<<10), 0o600) }
	if err := failsAndResumes(syscall.ENOSPC, fill, func() error { return os.Remove(filler) }); err != nil {
		return err
	}
	return noneLeft(filepath.Join(dir, "audit", "0001"))
}

// noneLeft fails if a part has files that it should not.
func noneLeft(part string) error {
	return filepath.WalkDir(part, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if rel, err := filepath.Rel(part, path); err != nil || !ours.MatchString(rel) {
			return fmt.Errorf("%s is left: %w", path, err)
		}
		return nil
	})
}

// childReadOnly has the file system become read-only, as the kernel does when it finds it damaged.
func childReadOnly() error {
	dir := os.Getenv(dirEnv)
	if err := mounted(dir); err != nil {
		return err
	}
	return failsAndResumes(syscall.EROFS,
		func(l *audit.Recorder) error {
			err := syscall.EBUSY
			for errors.Is(err, syscall.EBUSY) { // while Tessera has a file open for writing
				err, _ = syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "").(syscall.Errno)
			}
			for err == 0 && l.Err() == nil { // it is known without an operation
				time.Sleep(10 * time.Millisecond)
			}
			if err != 0 {
				return err
			}
			return nil
		},
		func() error { return syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "") })
}

// Without the sweep after a failed batch the full disk keeps Tessera's temporary files; without the locks in memory, and the question before a batch whether the disk takes
// writes, a read-only one ends the process: Tessera panics where it cannot open its lock file.
func TestADiskThatIsFullOrReadOnlyIsAnErrorAndTheLogResumes(t *testing.T) {
	for _, what := range []string{"full", "readonly"} {
		t.Run(what, func(t *testing.T) {
			for _, flags := range []uintptr{syscall.CLONE_NEWNS, syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER} {
				c := child(t, what, t.TempDir())
				c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
				if flags&syscall.CLONE_NEWUSER != 0 {
					c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
					c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
				}
				out, err := c.CombinedOutput()
				switch {
				case err == nil && strings.Contains(string(out), "written"):
					return
				case err == nil || errors.Is(err, os.ErrPermission):
					t.Logf("no file system of its own with flags %#x: %v %s", flags, err, out)
				default:
					t.Fatalf("%v: %s", err, out)
				}
			}
			t.Log("this machine gives no mount namespace; TestALockFileThatCannotBeOpenedEndsNothing stands alone for the lock")
		})
	}
}

// Without the look at the lock files before each batch Tessera panics, in a goroutine of its own, and the whole test binary ends.
func TestALockFileThatCannotBeOpenedEndsNothing(t *testing.T) {
	w := newWorld(t)
	w.cfg.AnchorEvery = time.Hour // the anchor does not know
	p := w.start()
	p.write(1)
	lock := filepath.Join(w.dir, "0001", ".state", "treeState.lock")
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(lock, 0o700); err != nil {
		t.Fatal(err)
	}
	p.write(1)
	if err := os.Rename(filepath.Join(w.dir, "0001", ".state"), filepath.Join(t.TempDir(), "state")); err != nil {
		t.Fatal(err)
	}
	p.refused("part 0001 cannot be gone on with")
}
