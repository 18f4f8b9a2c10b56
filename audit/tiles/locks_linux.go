package tiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// locks keep Tessera from opening lock files on the disk. It panics, in a goroutine of its own, where it cannot: the disk has become read-only, or does not answer.
// The lock files are links to a file in memory here. They need to keep nobody out, because Store locks the whole folder and Tessera has mutexes besides.
type locks struct {
	file *os.File
	// links keep the way to the links in the kernel's memory, so that the disk is not asked for it.
	links []int
}

// lockNames are those of Tessera's POSIX driver.
func lockNames() []string { return []string{"treeState.lock", "publish.lock", "gcState.lock"} }

// place links the lock files of the part in dir, whose state folder is there.
func (l *locks) place(dir string) error {
	if l.file == nil {
		fd, err := unix.MemfdCreate("waxwing-audit-lock", unix.MFD_CLOEXEC)
		if err != nil {
			return fmt.Errorf("making a lock in memory: %w", err)
		}
		l.file = os.NewFile(uintptr(fd), "lock in memory")
	}
	for _, name := range lockNames() {
		path := filepath.Join(dir, stateDir, name)
		// The number in a link of a process before this one means another file now.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(fmt.Sprintf("/proc/self/fd/%d", l.file.Fd()), path); err != nil {
			return err
		}
		fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		l.links = append(l.links, fd)
	}
	return l.check(dir)
}

// check fails unless Tessera's lock files can be opened, and are the file in memory.
func (l *locks) check(dir string) error {
	want, err := l.file.Stat()
	if err != nil {
		return err
	}
	for _, name := range lockNames() {
		f, err := os.OpenFile(filepath.Join(dir, stateDir, name), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		got, err := f.Stat()
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if !os.SameFile(want, got) {
			return fmt.Errorf("%s was replaced", f.Name())
		}
	}
	return nil
}

// lift takes the links away, so that none is left that points nowhere.
func (l *locks) lift(dir string) {
	for _, name := range lockNames() {
		_ = os.Remove(filepath.Join(dir, stateDir, name)) // a disk that does not let go of them gets new ones at the next start
	}
	for _, fd := range l.links {
		_ = unix.Close(fd) // it was opened for its path alone
	}
	l.links = nil
}

// close frees the memory. Nothing may use the links any more.
func (l *locks) close() error {
	if l.file == nil {
		return nil
	}
	defer func() { l.file = nil }()
	return l.file.Close()
}
