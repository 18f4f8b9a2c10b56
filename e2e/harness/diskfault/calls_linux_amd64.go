package diskfault

import "golang.org/x/sys/unix"

const arch = unix.AUDIT_ARCH_X86_64

// legacy are the calls that take no folder's descriptor and that newer architectures do not have.
func legacy() map[int]shape {
	return map[int]shape{
		unix.SYS_OPEN:    {name: "open", path: 0, flags: 1, at: none},
		unix.SYS_CREAT:   {name: "creat", path: 0, at: none, changes: true, creates: true},
		unix.SYS_MKDIR:   {name: "mkdir", path: 0, at: none, changes: true, creates: true},
		unix.SYS_RMDIR:   {name: "rmdir", path: 0, at: none, changes: true},
		unix.SYS_UNLINK:  {name: "unlink", path: 0, at: none, changes: true},
		unix.SYS_SYMLINK: {name: "symlink", path: 1, at: none, changes: true, creates: true},
		unix.SYS_RENAME:  {name: "rename", path: 0, at: none, to: 1, toAt: none, changes: true, creates: true},
		unix.SYS_LINK:    {name: "link", path: 0, at: none, to: 1, toAt: none, changes: true, creates: true},
		unix.SYS_ACCESS:  {name: "access", path: 0, at: none, mode: 1},
		unix.SYS_STAT:    {name: "stat", path: 0, at: none},
		unix.SYS_LSTAT:   {name: "lstat", path: 0, at: none},
	}
}

const (
	sysRenameat   = unix.SYS_RENAMEAT
	sysNewfstatat = unix.SYS_NEWFSTATAT
)
