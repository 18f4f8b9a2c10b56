package cli

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/term"
)

// Console is the Terminal of a process's own standard streams.
type Console struct{ In, Out, Err *os.File }

// Interactive implements Terminal.
func (c Console) Interactive() (stdin, stdout bool) {
	return term.IsTerminal(int(c.In.Fd())), term.IsTerminal(int(c.Out.Fd()))
}

// ReadPassword implements Terminal. The prompt goes to standard error.
func (c Console) ReadPassword(ctx context.Context, prompt string) ([]byte, error) {
	fd := int(c.In.Fd())
	// Echo is off before the prompt invites to type: what is typed until term.ReadPassword turns it off would be seen.
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, fmt.Errorf("preparing the terminal: %w", err)
	}
	defer fmt.Fprintln(c.Err)
	// The read may go on until the process ends; what it did to the terminal must not.
	defer term.Restore(fd, before)
	_, _ = fmt.Fprint(c.Err, prompt)
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		done <- result{b, err}
	}()
	select {
	case got := <-done:
		return got.b, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ErrInteractive says whether standard error is a terminal.
func (c Console) ErrInteractive() bool { return term.IsTerminal(int(c.Err.Fd())) }
