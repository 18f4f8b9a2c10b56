package harness

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// processAttributes puts a process into a group of its own, to be killed with what it starts, and has the kernel kill
// it when the thread that started it ends.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// starter starts all processes from one thread that lasts as long as this process, because Pdeathsig is about the
// starting thread and the runtime may end others. Its zero value is ready.
type starter struct {
	once sync.Once
	jobs chan func()
}

func (s *starter) start(cmd *exec.Cmd) error {
	s.once.Do(func() {
		s.jobs = make(chan func())
		go func() {
			runtime.LockOSThread()
			for job := range s.jobs {
				job()
			}
		}()
	})
	done := make(chan error)
	s.jobs <- func() { done <- cmd.Start() }
	return <-done
}
