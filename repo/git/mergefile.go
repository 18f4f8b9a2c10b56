package git

import (
	"bytes"
	"context"
	"errors"
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
	dir, err := filepath.Abs(m.Dir)
	if err != nil {
		return nil, 0, err
	}
	r, err := at(dir, environ)
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
	cmd := r.command(ctx, args...)
	var out, said bytes.Buffer
	cmd.Stdout = &limited{to: &out, left: maxOutput}
	cmd.Stderr = &limited{to: &said, left: maxSaid}
	err = ended(ctx, args[0], cmd.Run(), said.String())
	const most = 127 // more conflicts than that are not counted, and what is above is a failure
	var failed *Error
	switch {
	case !errors.As(err, &failed):
		return out.Bytes(), 0, err
	case failed.Code > 0 && failed.Code <= most:
		return out.Bytes(), failed.Code, nil
	case strings.Contains(failed.Message, "binary"):
		return nil, 0, ErrBinary
	}
	return nil, 0, err
}
