// Command seal seals Kubernetes Secrets so that they can live in Git. Package cli has all of it.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"github.com/waxwing-io/waxwing/cli"
)

// version is set by the linker; empty where the Go tool knows it.
var version string

const (
	// A run is short and makes much garbage of small files: collecting it less often saves a fifth of the time, within a memory that any machine has.
	gcPercent = 400
	gcMemory  = 1 << 30
)

func main() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(gcPercent)
		debug.SetMemoryLimit(gcMemory)
	}
	ctx, stop := signal.NotifyContext(context.Background(), cli.EndSignals()...)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv:   os.Getenv,
		Version:  version,
		Now:      time.Now,
		Rand:     rand.Reader,
		Terminal: cli.Console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr},
	}, os.Args[1:]))
}
