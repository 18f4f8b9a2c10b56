package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/waxwing-io/waxwing/repo/git"
)

// maxMerged bounds each version of a file that is merged, in bytes. Git itself goes no further.
const maxMerged = 1 << 30

// textMerger merges texts as git does. Git takes files, so parts of a file are written to a folder of their own; they are what git has in its own files already.
type textMerger struct {
	ctx context.Context
	env *Env
	o   *mergeOptions
	dir string
	err error // why a part of a file could not be merged, other than by its content
}

// close removes the folder.
func (t *textMerger) close() {
	if t.dir != "" {
		_ = os.RemoveAll(t.dir)
	}
}

// whole merges the files as they are.
func (t *textMerger) whole() (merged []byte, clean bool, err error) {
	return t.run(t.env.path(t.o.base), t.env.path(t.o.ours), t.env.path(t.o.theirs))
}

// merge merges parts of them.
func (t *textMerger) merge(base, ours, theirs []byte) (merged []byte, clean bool, err error) {
	if merged, clean, err = t.mergeParts(base, ours, theirs); err != nil && !errors.Is(err, git.ErrBinary) {
		t.err = err
	}
	return merged, clean, err
}

func (t *textMerger) mergeParts(base, ours, theirs []byte) (merged []byte, clean bool, err error) {
	if t.dir == "" {
		if t.dir, err = os.MkdirTemp("", "seal-merge-"); err != nil {
			return nil, false, err
		}
	}
	names := [3]string{}
	for i, data := range [...][]byte{base, ours, theirs} {
		names[i] = filepath.Join(t.dir, [...]string{"base", "ours", "theirs"}[i])
		if err := os.WriteFile(names[i], data, 0o600); err != nil {
			return nil, false, err
		}
	}
	return t.run(names[0], names[1], names[2])
}

func (t *textMerger) run(base, ours, theirs string) (merged []byte, clean bool, err error) {
	merged, conflicts, err := git.MergeFile{
		Dir: t.env.path("."), Base: base, Ours: ours, Theirs: theirs,
		OursLabel: t.o.oursLabel, TheirsLabel: t.o.theirsLabel, MarkerSize: t.o.markerSize,
	}.Run(t.ctx, gitEnviron(t.env))
	return merged, conflicts == 0, err
}
