// Command waxwing-controller opens GitSecrets inside the cluster and keeps the keys that open them. See package controller.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

// version is set by the linker.
var version = "dev"

// With few objects memory is cheaper than collecting garbage: it may grow to twice what is in use, until all of it comes near gcMemory. From there on it is collected
// more often, so that 10,000 objects fit below 256 MiB. GOGC and GOMEMLIMIT win.
const (
	gcPercent = 200
	gcMemory  = 192 << 20
)

func main() {
	noCore()
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(gcPercent)
		debug.SetMemoryLimit(gcMemory)
	}
	forgetVault()
	// Who reads standard output or error may go away: a write to them then fails, and the process goes on. Otherwise it would be killed, with intents under way.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(version, os.Getenv, os.Stderr).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "waxwing-controller: %v\n", err)
		os.Exit(1)
	}
}

// forgetVault takes variables VAULT_… out of the environment. Where a Vault is and how to log in comes from Keyrings alone, but the library for Vault reads these, and stops at
// one that it cannot make sense of.
func forgetVault() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "VAULT_") {
			_ = os.Unsetenv(name)
		}
	}
}
