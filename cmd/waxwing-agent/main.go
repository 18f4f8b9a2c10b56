// Command waxwing-agent keeps the GitSecrets of Git repositories in the cluster, and puts what rotations ask for back into Git. See package agent.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// version is set by the linker.
var version = "dev"

// The aim is 256 MiB with the most hostile repository: garbage is collected more often from gcMemory on. GOGC and GOMEMLIMIT win.
const gcMemory = 192 << 20

func main() {
	noCore()
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(gcMemory)
	}
	// Who reads standard output or error may go away: a write to them then fails, and the process goes on. Otherwise it would be killed, with intents under way.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(version, os.Getenv, os.Stderr).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "waxwing-agent: %v\n", err)
		os.Exit(1)
	}
}
