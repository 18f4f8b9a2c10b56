package diskfault

import "golang.org/x/sys/unix"

const arch = unix.AUDIT_ARCH_AARCH64

// legacy are the calls that take no folder's descriptor: this architecture has none.
func legacy() map[int]shape { return nil }

const (
	sysRenameat   = unix.SYS_RENAMEAT
	sysNewfstatat = unix.SYS_FSTATAT
)
