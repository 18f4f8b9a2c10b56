//go:build unix

package cli

import (
	"os"
	"syscall"
)

// endSignal asks a program to end.
func endSignal() os.Signal { return syscall.SIGTERM }
