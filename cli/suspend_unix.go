//go:build linux || darwin

package cli

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// withoutSuspend makes Ctrl-Z a character as others are: a program that it stops leaves the shell a terminal without echo, and comes back to one with echo.
// Catching SIGTSTP is no way to do it, as Go then lets it stop nothing any more, an editor's parent for example.
func withoutSuspend(fd int) error {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return err
	}
	for _, key := range suspendKeys() {
		t.Cc[key] = noKey
	}
	return unix.IoctlSetTermios(fd, setTermios, t)
}

// watchContinue says when the process goes on after it was stopped.
func watchContinue() (continued chan os.Signal, end func()) {
	continued = make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	return continued, func() { signal.Stop(continued) }
}
