package tiles

import (
	"os"

	"golang.org/x/sys/unix"
)

// dataSync makes a file's data durable, and its size.
func dataSync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// room fails unless the file system of dir has room for n bytes, as far as it says so.
func room(dir string, n int64) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if s.Blocks > 0 && s.Bavail*uint64(s.Bsize) < uint64(n) {
		return &os.PathError{Op: "room for the tree", Path: dir, Err: unix.ENOSPC}
	}
	return nil
}
