//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/cli"
)

// A pipe that nobody writes to blocks already when it is opened: an interruption ends the command all the same.
func TestAnInterruptionEndsTheWaitForANamedPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	// Afterwards, what still waits in the background is let go.
	t.Cleanup(func() {
		if f, err := os.OpenFile(pipe, os.O_RDWR, 0); err == nil {
			_ = f.Close()
		}
	})
	ctx, interrupt := context.WithCancel(context.Background())
	var out, errs bytes.Buffer
	code := cli.Main(ctx, cli.Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: time.Now, Rand: rand.Reader,
		Getenv: func(name string) string {
			if name != "SEAL_IDENTITY_FILE" {
				return ""
			}
			interrupt()
			return pipe
		},
	}, []string{"open", "sealed.yaml"})
	if code != 130 || out.Len() > 0 || errs.String() != "seal: interrupted\n" {
		t.Errorf("exit %d, %q, %q", code, out.String(), errs.String())
	}
}
