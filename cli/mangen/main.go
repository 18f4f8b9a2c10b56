// Command mangen writes a manual page for each command of seal into a folder: go run ./cli/mangen dist/man.
//
// The pages are made from the commands' own help, whose tables and lists keep their layout; cobra's generator goes through Markdown, which would join them
// to paragraphs, and brings two more modules.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/cli"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mangen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		return fmt.Errorf("usage: mangen FOLDER")
	}
	root := cli.New(cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now, Rand: rand.Reader})
	if err := os.MkdirAll(args[0], 0o777); err != nil {
		return err
	}
	for _, cmd := range commands(root) {
		if err := os.WriteFile(filepath.Join(args[0], pageName(cmd)+".1"), page(cmd), 0o666); err != nil {
			return err
		}
	}
	return nil
}
