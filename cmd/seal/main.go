// Command seal seals Kubernetes Secrets so that they can live in Git. Package cli has all of it.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/waxwing-io/waxwing/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv:   os.Getenv,
		Now:      time.Now,
		Rand:     rand.Reader,
		Terminal: cli.Console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr},
	}, os.Args[1:]))
}
