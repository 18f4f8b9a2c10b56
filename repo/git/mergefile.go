package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
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
	args := []string{"merge-file", "-p", "-q", "--marker-size", strconv.Itoa(m.MarkerSize), "-L", m.OursLabel, "-L", "base", "-L", m.TheirsLabel}
	for _, name := range []string{m.Ours, m.Base, m.Theirs} {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		args = append(args, name)
	}
	r := &Repo{Root: dir, program: program, environ: quiet(environ)}
	out, code, said, err := r.start(ctx, nil, args...)
	const most = 127 // more conflicts than that are not counted, and what is above is a failure
	switch {
	case err != nil:
		return nil, 0, err
	case code > most && bytes.Contains([]byte(said), []byte("binary")):
		return nil, 0, ErrBinary
	case code > most:
		return nil, 0, fmt.Errorf("%w", &Error{Command: args[0], Code: code, Message: lastLine(said)})
	}
	return out, code, nil
}
