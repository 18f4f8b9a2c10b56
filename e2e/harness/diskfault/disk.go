//go:build linux && (amd64 || arm64)

package diskfault

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Hook decides what becomes of a call: 0 lets it through, another number is the error that the program gets without the call being made.
// Hooks are called one at a time.
type Hook func(Call) syscall.Errno

// Broken is a disk that neither reads nor writes any more. Closing works.
func Broken(c Call) syscall.Errno {
	if c.Name == "close" {
		return 0
	}
	return syscall.EIO
}

// Full is a disk without room. Reading, and removing, work.
func Full(c Call) syscall.Errno {
	switch c.Name {
	case "write", "pwrite64", "writev", "fallocate":
		return syscall.ENOSPC
	}
	if c.Creates {
		return syscall.ENOSPC
	}
	return 0
}

// ReadOnly is a file system that was mounted anew to be read only.
func ReadOnly(c Call) syscall.Errno {
	switch c.Name {
	case "write", "pwrite64", "writev", "fallocate", "ftruncate":
		return syscall.EROFS
	}
	if c.Changes {
		return syscall.EROFS
	}
	return 0
}

// Disk is the folder of programs whose calls can be made to fail. Its methods may be called concurrently.
type Disk struct {
	dir    string
	socket string
	stop   [2]int // a pipe whose end is closed to stop
	wait   sync.WaitGroup

	mu   sync.Mutex
	hook Hook
}

// New makes a Disk of the folder dir, which need not exist yet; its parent must. It goes with the test, after the programs that are started after New.
func New(t testing.TB, dir string) *Disk {
	t.Helper()
	parent, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	// The kernel makes up the name.
	conn, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(conn, &unix.SockaddrUnix{})
	}
	if err == nil {
		err = unix.Listen(conn, 16)
	}
	if err != nil {
		t.Fatalf("diskfault: a socket: %v", err)
	}
	name, err := unix.Getsockname(conn)
	if err != nil {
		t.Fatalf("diskfault: the socket's name: %v", err)
	}
	d := &Disk{dir: filepath.Join(parent, filepath.Base(dir)), socket: name.(*unix.SockaddrUnix).Name}
	if err := unix.Pipe2(d.stop[:], unix.O_CLOEXEC); err != nil {
		t.Fatalf("diskfault: a pipe: %v", err)
	}
	t.Cleanup(func() {
		_ = unix.Close(d.stop[1])
		d.wait.Wait()
		_ = unix.Close(d.stop[0])
	})
	d.wait.Go(func() { d.accept(conn) })
	return d
}

// Command says what to start instead of the program, which is the path of a file, and what to add to its environment.
func (d *Disk) Command(program string, args ...string) (path string, arguments, env []string) {
	self, err := os.Executable()
	if err != nil {
		panic(fmt.Sprintf("diskfault: the test's own binary: %v", err))
	}
	return self, append([]string{program}, args...), []string{socketEnv + "=" + d.socket}
}

// Hook has h decide from now on; nil lets everything through. When it returns, no call is under the hook before any more.
func (d *Disk) Hook(h Hook) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hook = h
}

// decide is the answer to one call.
func (d *Disk) decide(c Call) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hook == nil || !d.holds(c.Path) && !d.holds(c.To) || d.leads(c) {
		return 0
	}
	return d.hook(c)
}

// leads says whether the call opens a file that is not on the disk, by a link that is.
func (d *Disk) leads(c Call) bool {
	if !strings.HasPrefix(c.Name, "open") {
		return false
	}
	to, err := os.Readlink(c.Path)
	return err == nil && filepath.IsAbs(to) && !d.holds(to)
}

func (d *Disk) holds(path string) bool {
	return path == d.dir || strings.HasPrefix(path, d.dir+"/")
}
