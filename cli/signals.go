package cli

import (
	"os"
	"os/signal"
	"syscall"
)

// EndSignals are the signals that ask a command to end: Main's ctx has to end with them. SIGQUIT is one of them, as what Go does with it leaves the terminal
// without echo, and a plaintext where an editor had it.
func EndSignals() []os.Signal {
	return []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
}

// holdSignals keeps a second signal from ending the process at once, until release is called: a terminal that is closed sends several.
func holdSignals() (release func()) {
	held := make(chan os.Signal, 1)
	signal.Notify(held, EndSignals()...)
	return func() { signal.Stop(held) }
}
