package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/term"
)

// errNoTerminal is what Terminal.Ask gives where there is nobody to ask.
var errNoTerminal = errors.New("there is no terminal")

// Console is the Terminal of a process's own standard streams.
type Console struct{ In, Out, Err *os.File }

// Interactive implements Terminal.
func (c Console) Interactive() (stdin, stdout bool) {
	return term.IsTerminal(int(c.In.Fd())), term.IsTerminal(int(c.Out.Fd()))
}

// ReadPassword implements Terminal. The prompt goes to standard error.
func (c Console) ReadPassword(ctx context.Context, prompt string) ([]byte, error) {
	return readHidden(ctx, c.In, c.Err, prompt)
}

// Ask implements Terminal. It opens the controlling terminal, /dev/tty or the console of Windows.
func (c Console) Ask(ctx context.Context, prompt string, echo bool) ([]byte, error) {
	in, out, err := openTerminal()
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", errNoTerminal, pathCause(err))
	}
	// They are not closed: a read that ctx has ended may still go on, and would read from whatever gets its number next.
	if !echo {
		return readHidden(ctx, in, out, prompt)
	}
	_, _ = fmt.Fprint(out, prompt)
	return unlessDone(ctx, func() ([]byte, error) { return readLine(in) })
}

func openTerminal() (in, out *os.File, err error) {
	if runtime.GOOS != "windows" {
		in, err = os.OpenFile("/dev/tty", os.O_RDWR, 0)
		return in, in, err
	}
	if in, err = os.OpenFile("CONIN$", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	out, err = os.OpenFile("CONOUT$", os.O_WRONLY, 0)
	return in, out, err
}

// maxLine bounds an answer, in bytes.
const maxLine = 4 << 10

// maxHidden bounds an answer without echo, in bytes: Linux has room for one more and the newline, and drops what comes after it.
const maxHidden = maxLine - 2

// errLongLine says that an answer has lost its end, or may have.
var errLongLine = fmt.Errorf("longer than a line at a terminal can be, %d bytes", maxHidden)

// readLine reads one line byte by byte, so that nothing after it is lost.
func readLine(in io.Reader) ([]byte, error) {
	var line []byte
	b := make([]byte, 1)
	for len(line) < maxLine {
		n, err := in.Read(b)
		if n == 1 && b[0] == '\n' {
			return line, nil
		}
		if err != nil {
			return nil, err
		}
		if n == 1 && b[0] != '\r' {
			line = append(line, b[0])
		}
	}
	return line, nil
}

// readHidden reads a line without echo, also when the process is stopped meanwhile and goes on at a terminal that the shell has made to echo.
func readHidden(ctx context.Context, in, out *os.File, prompt string) ([]byte, error) {
	fd := int(in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, fmt.Errorf("preparing the terminal: %w", err)
	}
	defer fmt.Fprintln(out)
	// The read may go on until the process ends; what it did to the terminal must not.
	defer term.Restore(fd, before)
	if err := withoutSuspend(fd); err != nil {
		return nil, fmt.Errorf("preparing the terminal: %w", err)
	}
	raw, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("preparing the terminal: %w", err)
	}
	continued, end := watchContinue()
	defer end()
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		done <- result{b, err}
	}()
	// The prompt invites to type, and Ctrl-C to give up, only when term.ReadPassword has the terminal as it wants it: it must not change it after it was restored.
	for range settleTries {
		if now, err := term.GetState(fd); err != nil || *now != *raw || len(done) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	hidden, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("preparing the terminal: %w", err)
	}
	for {
		_, _ = fmt.Fprint(out, prompt)
		select {
		case got := <-done:
			if len(got.b) > maxHidden {
				return nil, errLongLine
			}
			return got.b, got.err
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-continued:
			_ = term.Restore(fd, hidden)
		}
	}
}

// ErrInteractive says whether standard error is a terminal.
func (c Console) ErrInteractive() bool { return term.IsTerminal(int(c.Err.Fd())) }

// settleTries is how many milliseconds term.ReadPassword may take to begin.
const settleTries = 2000
