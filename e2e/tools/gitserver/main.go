// Command gitserver serves the bare repositories of a folder over HTTPS on loopback, to fetch from and to push to, for the demo:
//
//	gitserver FOLDER USERNAME PASSWORD-FILE CA-FILE
//
// It wants the user's password of every request, writes the certificate of its authority into CA-FILE, prints its address, and serves until it is told to end.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: gitserver FOLDER USERNAME PASSWORD-FILE CA-FILE")
		os.Exit(2)
	}
	if err := run(ctx, os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintf(os.Stderr, "gitserver: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder, username, passwordFile, caFile string) error {
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return err
	}
	server, err := githttp.New(folder, folder, githttp.Options{TLS: true, Username: username, Password: strings.TrimSpace(string(password))})
	if err != nil {
		return err
	}
	defer server.Close()
	if err := os.WriteFile(caFile, server.CA, 0o600); err != nil {
		return err
	}
	if _, err := fmt.Println(server.URL); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
