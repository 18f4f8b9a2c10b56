package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/cli/wiring"
)

// fileChange replaces the content of a file.
type fileChange struct {
	path, name string // name is for messages
	old, new   []byte // nil where there is no file
	mode       fs.FileMode
}

// read reads the file as it is. Symbolic links are refused: Git reads no .gitattributes through one, and a hook that is one belongs to somebody else.
func (f *fileChange) read(ctx context.Context) error {
	info, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, pathCause(err))
	}
	if !info.Mode().IsRegular() {
		return failed("put a file in its place, or leave it out with --no-attributes or --no-hook", "%s is a symbolic link or no file", f.name)
	}
	f.old, err = readFile(ctx, f.path, f.name, maxWired)
	if f.old == nil {
		f.old = []byte{}
	}
	return err
}

// edit puts the block into the new content, or removes it.
func (f *fileChange) edit(b wiring.Block, remove bool, put func(wiring.Block, []byte) ([]byte, error)) error {
	var gone bool
	var err error
	if remove {
		f.new, gone, err = b.Remove(f.old)
	} else {
		f.new, err = put(b, f.old)
	}
	if errors.Is(err, wiring.ErrBroken) {
		return failed("remove those lines, with the marks # BEGIN and # END, and try again", "%s: %v", f.name, err)
	}
	if gone || remove && f.old == nil {
		f.new = nil
	}
	return err
}

// stage prepares the new content beside the file; what is to be removed stays.
func (f *fileChange) stage(batch *replace.Batch) error {
	switch {
	case f.new == nil:
		return nil
	case f.old != nil:
		return batch.Update(f.path, f.old, f.new)
	}
	if err := os.MkdirAll(filepath.Dir(f.path), folderMode); err != nil {
		return fmt.Errorf("making the folder of %s: %w", f.name, pathCause(err))
	}
	return batch.Write(f.path, f.new, f.mode)
}
