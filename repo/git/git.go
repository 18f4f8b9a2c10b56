// Package git asks the git program about one repository.
//
// It guarantees that no argument which comes from a person or a file is taken for an option, that nothing of the repository is run (no pager, no external
// diff, no textconv), that no question is asked on a terminal, and that answers are bounded. It reads, but for what Output is told to do; it knows nothing
// of sealed files. A Repo may be used from several goroutines.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

var (
	// ErrNoGit says that there is no git program.
	ErrNoGit = errors.New("the git program is not installed")
	// ErrNoRepository says that a folder lies in no repository.
	ErrNoRepository = errors.New("not in a Git repository")
	// ErrNoWorkTree says that a repository has no working tree here: it is bare, or the folder is git's own.
	ErrNoWorkTree = errors.New("has no working tree")
	// ErrNoRevision says that a revision, or a path in it, does not exist.
	ErrNoRevision = errors.New("no such revision or path")
)

// maxOutput bounds what git may answer, in bytes.
const maxOutput = 1 << 30

// waitDelay is how long git may take to end after it was told to.
const waitDelay = 2 * time.Second

// Repo is a repository with a working tree.
type Repo struct {
	Root    string // the top folder of the working tree, absolute, symbolic links resolved by git
	dir     string // where it was opened; relative paths start there
	program string
	environ []string
}

// at is git in the folder dir, which is not looked at.
func at(dir string, environ []string) (*Repo, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, ErrNoGit
	}
	environ = append(append([]string{}, environ...), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_PAGER=cat")
	return &Repo{Root: dir, dir: dir, program: program, environ: environ}, nil
}

// Open finds the repository around dir. environ is the process's environment; hooks and drivers run in one that names the repository. A folder that git
// does not want to read, such as somebody else's, is an *Error.
func Open(ctx context.Context, dir string, environ []string) (*Repo, error) {
	r, err := at(dir, environ)
	if err != nil {
		return nil, err
	}
	out, err := r.Output(ctx, "rev-parse", "--show-toplevel")
	var failed *Error
	switch {
	case errors.As(err, &failed) && strings.Contains(failed.Message, "not a git repository"):
		return nil, ErrNoRepository
	case errors.As(err, &failed) && strings.Contains(failed.Message, "must be run in a work tree"):
		return nil, ErrNoWorkTree
	case err != nil:
		return nil, err
	}
	r.Root = filepath.FromSlash(strings.TrimRight(string(out), "\r\n"))
	return r, nil
}

// Error is a git command that failed.
type Error struct {
	Command string // the subcommand
	Code    int
	Message string // what git complained about, one line
}

// Error names the command and says what git said.
func (e *Error) Error() string { return fmt.Sprintf("git %s: %s", e.Command, e.Message) }

// Output runs git in the top folder and gives its standard output. The first argument is the subcommand; arguments that people gave have to follow
// --end-of-options or --. A failure of git is an *Error.
func (r *Repo) Output(ctx context.Context, args ...string) ([]byte, error) {
	return r.run(ctx, nil, args...)
}

// Input is Output with something on git's standard input.
func (r *Repo) Input(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	return r.run(ctx, stdin, args...)
}

func (r *Repo) run(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := r.command(ctx, args...)
	cmd.Stdin = stdin
	var out, said bytes.Buffer
	cmd.Stdout = &limited{to: &out, left: maxOutput}
	cmd.Stderr = &limited{to: &said, left: maxSaid}
	if err := ended(ctx, args[0], cmd.Run(), said.String()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// maxSaid bounds what git may complain, in bytes.
const maxSaid = 64 << 10

func (r *Repo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.program, append([]string{"--no-pager", "--literal-pathspecs", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false"}, args...)...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = r.Root, r.environ, waitDelay
	return cmd
}

// ended is the error for a git command that has ended with err, after it said something.
func ended(ctx context.Context, command string, err error, said string) error {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return &Error{Command: command, Code: exit.ExitCode(), Message: complaint(said)}
	case err != nil:
		return fmt.Errorf("running git %s: %w", command, err)
	}
	return nil
}

// complaint is the line in which git says what is wrong: the first that it marks so, since advice may follow, else the last.
func complaint(said string) string {
	last := "failed without a word"
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		for _, mark := range []string{"fatal: ", "error: "} {
			if text, ok := strings.CutPrefix(line, mark); ok {
				return text
			}
		}
		if line != "" {
			last = line
		}
	}
	return last
}

// limited refuses to write more than is left.
type limited struct {
	to   *bytes.Buffer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	if len(b) > l.left {
		return 0, errors.New("git answers more than can be read")
	}
	l.left -= len(b)
	return l.to.Write(b)
}

// Commit is the full id of the commit that rev names.
func (r *Repo) Commit(ctx context.Context, rev string) (string, error) {
	out, err := r.Output(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	var failed *Error
	if errors.As(err, &failed) {
		return "", fmt.Errorf("%s: %w", rev, ErrNoRevision)
	}
	return strings.TrimSpace(string(out)), err
}

// File is the content of the file path (relative to Root, with slashes) in the commit with the id commit; "" stands for the index.
func (r *Repo) File(ctx context.Context, commit, path string) ([]byte, error) {
	out, err := r.Output(ctx, "cat-file", "blob", commit+":"+path)
	var failed *Error
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("%s: %w", path, ErrNoRevision)
	}
	return out, err
}
