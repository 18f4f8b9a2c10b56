package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrBinary says that git merges no file that looks binary.
var ErrBinary = errors.New("git does not merge binary files")

// MergeFile is a merge of three files as text. Relative names start from Dir, which may lie in a repository or not.
type MergeFile struct {
	Dir                string
	Base, Ours, Theirs string
	OursLabel          string
	TheirsLabel        string
	MarkerSize         int
}

// Run gives the merged text and the number of conflicts in it; none of the files is changed. environ is the process's environment.
func (m MergeFile) Run(ctx context.Context, environ []string) (merged []byte, conflicts int, err error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, 0, ErrNoGit
	}
	dir, err := filepath.Abs(m.Dir)
	if err != nil {
		return nil, 0, err
	}
	args := []string{"merge-file", "-p", "--marker-size", strconv.Itoa(m.MarkerSize), "-L", m.OursLabel, "-L", "base", "-L", m.TheirsLabel}
	for _, name := range []string{m.Ours, m.Base, m.Theirs} {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		args = append(args, name)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(append([]string{}, environ...), "LC_ALL=C"), waitDelay
	var out, said bytes.Buffer
	cmd.Stdout = &limited{to: &out, left: maxOutput}
	cmd.Stderr = &limited{to: &said, left: 64 << 10}
	err = cmd.Run()
	const most = 127 // more conflicts than that are not counted, and what is above is a failure
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, 0, ctx.Err()
	case err == nil:
		return out.Bytes(), 0, nil
	case !errors.As(err, &exit):
		return nil, 0, fmt.Errorf("running git merge-file: %w", err)
	case exit.ExitCode() > 0 && exit.ExitCode() <= most:
		return out.Bytes(), exit.ExitCode(), nil
	case strings.Contains(said.String(), "binary"):
		return nil, 0, ErrBinary
	}
	return nil, 0, &Error{Command: args[0], Code: exit.ExitCode(), Message: lastLine(said.String())}
}
