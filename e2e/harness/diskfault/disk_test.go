//go:build linux && (amd64 || arm64)

package diskfault_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waxwing-io/waxwing/e2e/harness/diskfault"
)

const programEnv = "WAXWING_DISKFAULT_TEST_PROGRAM"

func TestMain(m *testing.M) {
	diskfault.Launch()
	if os.Getenv(programEnv) == "" {
		os.Exit(m.Run())
	}
	program()
}

// program does in the folder of its argument what each line of its input says, and answers with a line: the error's number.
func program() {
	dir := os.Args[1]
	if err := os.Chdir(dir); err != nil {
		panic(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var errno syscall.Errno
		errors.As(steps(dir)[lines.Text()](), &errno)
		fmt.Println(int(errno))
	}
}

func steps(dir string) map[string]func() error {
	in := func(name string) string { return filepath.Join(dir, name) }
	opened := func(flag int, f func(*os.File) error) func() error {
		return func() error {
			file, err := os.OpenFile(in("there"), flag, 0o600)
			if err != nil {
				return err
			}
			return errors.Join(f(file), file.Close())
		}
	}
	return map[string]func() error{
		"create":   func() error { return os.WriteFile(in("new"), []byte("x"), 0o600) },
		"relative": func() error { return os.WriteFile("new", []byte("x"), 0o600) },
		"outside":  func() error { return os.WriteFile(dir+"-beside", []byte("x"), 0o600) },
		"read":     func() error { _, err := os.ReadFile(in("there")); return err },
		"write":    opened(os.O_WRONLY, func(f *os.File) error { _, err := f.WriteString("y"); return err }),
		"pwrite":   opened(os.O_WRONLY, func(f *os.File) error { _, err := f.WriteAt([]byte("y"), 0); return err }),
		"truncate": opened(os.O_WRONLY, func(f *os.File) error { return f.Truncate(1) }),
		"fsync":    opened(os.O_RDONLY, (*os.File).Sync),
		"list":     func() error { _, err := os.ReadDir(dir); return err },
		"stat":     func() error { _, err := os.Lstat(in("there")); return err },
		"mkdir":    func() error { return os.Mkdir(in("folder"), 0o700) },
		"rename":   func() error { return os.Rename(in("there"), in("there")) },
		"away":     func() error { return os.Rename(dir+"-beside", in("came")) },
		"link":     func() error { return os.Link(in("there"), in("hard")) },
		"elsewhere": func() error {
			f, err := os.OpenFile(in("elsewhere"), os.O_RDWR|os.O_CREATE, 0o600)
			return errors.Join(err, f.Close())
		},
		"touch":   func() error { return os.Chtimes(in("there"), time.Now(), time.Now()) },
		"access":  func() error { return unix.Access(in("there"), unix.W_OK) },
		"look":    func() error { return unix.Access(in("there"), unix.R_OK) },
		"symlink": func() error { return os.Symlink("there", in("soft")) },
		"remove": func() error {
			return errors.Join(os.Remove(in("hard")), os.Remove(in("soft")), os.Remove(in("folder")), os.Remove(in("new")), os.Remove(in("came")))
		},
	}
}

// running is the program under a Disk.
type running struct {
	t    *testing.T
	disk *diskfault.Disk
	dir  string
	in   io.Writer
	out  *bufio.Scanner
}

func run(t *testing.T) *running {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "there"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir+"-beside", filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, dir: dir, disk: diskfault.New(t, dir)}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path, args, env := r.disk.Command(self, dir)
	c := exec.Command(path, args...)
	c.Env = append(append(os.Environ(), env...), programEnv+"=1")
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r.in, r.out = in, bufio.NewScanner(out)
	t.Cleanup(func() {
		_ = in.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("the program: %v", err)
		}
	})
	return r
}

// step has the program do one thing.
func (r *running) step(name string) syscall.Errno {
	r.t.Helper()
	if _, err := fmt.Fprintln(r.in, name); err != nil {
		r.t.Fatal(err)
	}
	var n int
	if !r.out.Scan() {
		r.t.Fatalf("%s: no answer", name)
	}
	if _, err := fmt.Sscan(r.out.Text(), &n); err != nil {
		r.t.Fatal(err)
	}
	return syscall.Errno(n)
}

func TestWhatFailsOnWhichDisk(t *testing.T) {
	r := run(t)
	all := []string{"create", "relative", "read", "write", "pwrite", "truncate", "fsync", "list", "stat", "mkdir", "rename", "link", "symlink", "touch", "access", "look"}
	changing := []string{"create", "relative", "write", "pwrite", "truncate", "mkdir", "rename", "link", "symlink", "touch", "access"}
	for _, c := range []struct {
		name  string
		hook  diskfault.Hook
		errno syscall.Errno
		fail  []string
	}{
		{"broken", diskfault.Broken, syscall.EIO, all},
		{"full", diskfault.Full, syscall.ENOSPC, []string{"create", "relative", "write", "pwrite", "mkdir", "rename", "link", "symlink"}},
		{"read-only", diskfault.ReadOnly, syscall.EROFS, changing},
		{"in order", nil, 0, nil},
	} {
		r.disk.Hook(c.hook)
		for _, step := range all {
			want := syscall.Errno(0)
			if slices.Contains(c.fail, step) {
				want = c.errno
			}
			if got := r.step(step); got != want {
				t.Errorf("on a disk that is %s, %s: %q, want %q", c.name, step, got, want)
			}
		}
		for _, step := range []string{"outside", "elsewhere"} {
			if got := r.step(step); got != 0 {
				t.Errorf("beside a disk that is %s, %s: %q", c.name, step, got)
			}
		}
	}
	r.disk.Hook(diskfault.ReadOnly)
	if got := r.step("away"); got != syscall.EROFS {
		t.Errorf("a rename onto the disk: %q", got)
	}
	r.disk.Hook(nil)
	for _, step := range []string{"away", "remove"} {
		if got := r.step(step); got != 0 {
			t.Errorf("%s: %q", step, got)
		}
	}
}

func TestAHookSeesEachCallAndCanFailOneOfThem(t *testing.T) {
	r := run(t)
	var mu sync.Mutex
	var seen []string
	r.disk.Hook(func(c diskfault.Call) syscall.Errno {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, c.Name+" "+strings.TrimPrefix(c.Path, r.dir)+strings.TrimPrefix(c.To, r.dir))
		if c.Name == "write" {
			return syscall.EDQUOT
		}
		return 0
	})
	if got := r.step("create"); got != syscall.EDQUOT {
		t.Errorf("a write that fails: %q", got)
	}
	if got := r.step("rename"); got != 0 {
		t.Errorf("a rename: %q", got)
	}
	r.disk.Hook(nil)
	got := strings.Join(seen, ", ")
	// What a rename looks at before differs between versions of Go.
	if !strings.HasPrefix(got, "openat /new, write /new, close /new, ") || !strings.HasSuffix(got, "renameat /there/there") {
		t.Errorf("it saw %s", got)
	}
	if b, err := os.ReadFile(filepath.Join(r.dir, "new")); err != nil || len(b) != 0 {
		t.Errorf("the file whose write failed: %q, %v", b, err)
	}
}

func TestAProgramThatIsNotThereSaysSo(t *testing.T) {
	path, args, env := diskfault.New(t, filepath.Join(t.TempDir(), "disk")).Command("/no/such/program")
	c := exec.Command(path, args...)
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "diskfault: /no/such/program: no such file or directory") {
		t.Errorf("%v: %s", err, out)
	}
}
