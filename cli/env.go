package cli

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Env is what a command line runs in. All fields but Dir and Terminal are required.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Rand           io.Reader // cryptographically secure
	// Terminal is what the standard streams are connected to; nil where nobody can be asked.
	Terminal Terminal
	// Version is the program's, where the one who built it says so; empty for what the Go tool has written into the program.
	Version string
	// Dir is the folder that relative paths start from; empty for the process's own.
	Dir string
}

// Terminal is the person's side of the standard streams.
type Terminal interface {
	// Interactive says which of the standard streams are a terminal.
	Interactive() (stdin, stdout bool)
	// ReadPassword shows prompt and reads a line without echo. It returns early, with the terminal as it was, when ctx ends.
	ReadPassword(ctx context.Context, prompt string) ([]byte, error)
	// Ask is ReadPassword at the terminal that controls the process, wherever the standard streams lead. Its error wraps errNoTerminal where there is none.
	Ask(ctx context.Context, prompt string, echo bool) ([]byte, error)
}

// ask asks the person; prompt may have a name of a file in it.
func (e *Env) ask(ctx context.Context, prompt string, echo bool) ([]byte, error) {
	if e.Terminal == nil {
		return nil, errNoTerminal
	}
	return e.Terminal.Ask(ctx, strings.Map(visible, prompt), echo)
}

func (e *Env) stdinIsTerminal() bool {
	if e.Terminal == nil {
		return false
	}
	in, _ := e.Terminal.Interactive()
	return in
}

func (e *Env) stdoutIsTerminal() bool {
	if e.Terminal == nil {
		return false
	}
	_, out := e.Terminal.Interactive()
	return out
}

// path is where the file is that the user calls name.
func (e *Env) path(name string) string {
	if e.Dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(e.Dir, name)
}

// optionalPath is path for a name that may be left out.
func (e *Env) optionalPath(name string) string {
	if name == "" {
		return ""
	}
	return e.path(name)
}

func (e *Env) sealer() seal.Sealer { return seal.Sealer{Rand: e.Rand, Now: e.Now} }
