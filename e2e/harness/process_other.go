//go:build unix && !linux

package harness

import (
	"os/exec"
	"syscall"
)

// processAttributes puts a process into a group of its own, to be killed with what it starts.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// starter starts processes; only on Linux is there more to do.
type starter struct{}

func (*starter) start(cmd *exec.Cmd) error { return cmd.Start() }
