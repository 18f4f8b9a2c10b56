package tiles_test

import (
	"bufio"
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

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/tlog"
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
		"load": childLoad, "second": childSecond, "full": childFull, "readonly": childReadOnly,
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
		PartSize: 5000, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

func childOpen() *audit.Recorder {
	return audit.NewRecorder(audit.Config{Store: tiles.New(childConfig()), Replica: "child", Now: time.Now, Rand: rand.Reader})
}

// childLoad prints the id of each record after it was acknowledged, with many writers, until it is killed.
func childLoad() error {
	l := childOpen()
	failed := make(chan error)
	for range 32 {
		go func() {
			for {
				id, err := l.Intent(background(), unsealDB())
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
	w := newWorld(t)
	t.Setenv(dirEnv, w.dir)
	w.cfg = childConfig()
	acked := map[string]bool{}
	for kill := range 100 {
		after := (kill * 7919) % 101 // from the first acknowledged record on, and often before one
		c := child(t, "load", w.dir)
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
	}
	// Opening is the repair that a restarted controller makes.
	p := w.start()
	p.write(1)
	p.close()
	total := len(acked)
	for _, r := range audittest.Records(t, w.dir) {
		delete(acked, string(r.Phase[0])+" "+r.ID)
	}
	if len(acked) > 0 || total < 4000 {
		t.Errorf("%d of %d acknowledged records are not in the log", len(acked), total)
	}
	t.Logf("%d acknowledged records, %d starts", total, len(told(audittest.Records(t, w.dir), audit.ActionLogStarted)))
	w.clean()
	for _, part := range audittest.Parts(t, w.dir) {
		w.rebuilt(part)
	}
}

// rebuilt computes a part's tree from its entry bundles alone, and compares it with what the key has signed.
func (w *world) rebuilt(part string) {
	w.t.Helper()
	size, root := w.published(part)
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		got := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			got[i] = hashes[index]
		}
		return got, nil
	})
	var bundle []byte
	for i := range size {
		if i%layout.EntryBundleWidth == 0 {
			if len(bundle) > 0 {
				w.t.Fatalf("a bundle of part %s goes on for %d bytes", part, len(bundle))
			}
			var err error
			if bundle, err = os.ReadFile(filepath.Join(w.dir, part, layout.EntriesPathForLogIndex(uint64(i), uint64(size)))); err != nil {
				w.t.Fatal(err)
			}
		}
		end := 2 + int(bundle[0])<<8 + int(bundle[1])
		more, err := tlog.StoredHashes(i, bundle[2:end], reader)
		if err != nil {
			w.t.Fatal(err)
		}
		hashes, bundle = append(hashes, more...), bundle[end:]
	}
	if got, err := tlog.TreeHash(size, reader); err != nil || got != root {
		w.t.Errorf("part %s: the records have the root %s, and %s is signed: %v", part, got, root, err)
	}
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
func failsAndResumes(want error, broken func() error, mend func() error) error {
	l := childOpen()
	written := 0
	var err error
	for err == nil {
		if _, err = l.Intent(background(), unsealDB()); err == nil {
			if written++; written == 3 {
				if err := broken(); err != nil {
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
	fill := func() error { return os.WriteFile(filler, make([]byte, 500<<10), 0o600) }
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
		func() error {
			for { // not while Tessera has a file open for writing
				if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); !errors.Is(err, syscall.EBUSY) {
					return err
				}
			}
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
	if err := os.RemoveAll(filepath.Join(w.dir, "0001", ".state")); err != nil {
		t.Fatal(err)
	}
	p.refused("part 0001 cannot be gone on with")
}
