package cli

import "golang.org/x/sys/unix"

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
	noKey      = 0xff // _POSIX_VDISABLE
)

func suspendKeys() []int { return []int{unix.VSUSP, unix.VDSUSP} }
