//go:build linux && (amd64 || arm64)

package diskfault

import (
	"maps"

	"golang.org/x/sys/unix"
)

// none says that a call has no such argument.
const none = -1

// shape says which arguments of a call mean what. The zero value of to, flags, how and mode means that there is none: no call has them first.
type shape struct {
	name     string
	path     int // of the path; none for a call on a descriptor, which is the first argument then
	at       int // of the descriptor of the folder that the path starts from; none for the working directory
	to, toAt int // of the second path
	flags    int // of the flags of open
	how      int // of the struct open_how of openat2
	mode     int // of what access asks for
	changes  bool
	creates  bool
}

// watched are the calls that the test is asked about, by their numbers.
func watched() map[int]shape {
	calls := map[int]shape{
		unix.SYS_OPENAT:     {name: "openat", at: 0, path: 1, flags: 2},
		unix.SYS_OPENAT2:    {name: "openat2", at: 0, path: 1, how: 2},
		unix.SYS_MKDIRAT:    {name: "mkdirat", at: 0, path: 1, changes: true, creates: true},
		unix.SYS_UNLINKAT:   {name: "unlinkat", at: 0, path: 1, changes: true},
		unix.SYS_SYMLINKAT:  {name: "symlinkat", at: 1, path: 2, changes: true, creates: true},
		sysRenameat:         {name: "renameat", at: 0, path: 1, toAt: 2, to: 3, changes: true, creates: true},
		unix.SYS_RENAMEAT2:  {name: "renameat2", at: 0, path: 1, toAt: 2, to: 3, changes: true, creates: true},
		unix.SYS_LINKAT:     {name: "linkat", at: 0, path: 1, toAt: 2, to: 3, changes: true, creates: true},
		sysNewfstatat:       {name: "newfstatat", at: 0, path: 1},
		unix.SYS_FACCESSAT:  {name: "faccessat", at: 0, path: 1, mode: 2},
		unix.SYS_FACCESSAT2: {name: "faccessat2", at: 0, path: 1, mode: 2},
		unix.SYS_UTIMENSAT:  {name: "utimensat", at: 0, path: 1, changes: true},
		unix.SYS_WRITE:      {name: "write", path: none},
		unix.SYS_PWRITE64:   {name: "pwrite64", path: none},
		unix.SYS_WRITEV:     {name: "writev", path: none},
		unix.SYS_FTRUNCATE:  {name: "ftruncate", path: none},
		unix.SYS_FALLOCATE:  {name: "fallocate", path: none},
		unix.SYS_FSYNC:      {name: "fsync", path: none},
		unix.SYS_FDATASYNC:  {name: "fdatasync", path: none},
		unix.SYS_CLOSE:      {name: "close", path: none},
		unix.SYS_READ:       {name: "read", path: none},
		unix.SYS_PREAD64:    {name: "pread64", path: none},
		unix.SYS_GETDENTS64: {name: "getdents64", path: none},
	}
	maps.Copy(calls, legacy())
	return calls
}

// Call is a call of a program on a file below the Disk's folder.
type Call struct {
	// Name as the kernel has it, such as openat.
	Name string
	// Path is absolute: as the program said it, or of a descriptor the file that it was opened for.
	Path string
	// To is the second path of renames and links.
	To string
	// Changes says that a read-only file system would refuse: the call makes, removes, renames, opens for writing, or asks whether it may.
	Changes bool
	// Creates says that the call may make a file or an entry of a folder.
	Creates bool
}

// opens fills what the flags of an open say.
func (c *Call) opens(flags uint64) {
	c.Creates = flags&unix.O_CREAT != 0
	c.Changes = c.Creates || flags&unix.O_ACCMODE != unix.O_RDONLY || flags&unix.O_TRUNC != 0
}
