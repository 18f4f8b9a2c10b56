// Command fetch prints the paths of tools for the end-to-end tests, one a line, and builds first what is missing:
//
//	go run ./e2e/tools/fetch controlplane kubectl
//
// It tells on standard error what it does; see package toolcache for where the programs are kept and why a second
// call is instant.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/waxwing-io/waxwing/e2e/harness/toolcache"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: fetch TOOL...")
		for _, t := range toolcache.Catalogue() {
			fmt.Fprintf(os.Stderr, "  %-14s %s\n", t.Name, t.About)
		}
		os.Exit(2)
	}
	err := run(ctx, os.Args[1:])
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "fetch: interrupted; what is compiled is kept in Go's cache")
		os.Exit(130)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "fetch: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	builder, err := toolcache.FromEnvironment(os.Stderr)
	if err != nil {
		return err
	}
	for _, name := range names {
		path, err := builder.Path(ctx, name)
		if err != nil {
			return err
		}
		if _, err := fmt.Println(path); err != nil {
			return err
		}
	}
	return nil
}
