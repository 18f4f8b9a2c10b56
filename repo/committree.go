package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// ReadFile reads a regular file of a repository that lies in no folder of this machine, by its path from the root, with /. The error is fs.ErrNotExist where there is none.
type ReadFile func(path string) ([]byte, error)

// ErrNotRegular is what a ReadFile says of a symbolic link, a submodule, and whatever else is no regular file.
var ErrNotRegular = errors.New("is not a regular file")

// NewCommitTree is a Tree of the files of a commit. Paths that it is asked about, and those of notes, are PlaceOf those in the repository; nothing of this machine is read.
func NewCommitTree(read ReadFile) *Tree { return newTree(commitRoot, commitFiles(read)) }

// commitRoot is the root of a repository that lies in no folder.
const commitRoot = string(filepath.Separator)

// PlaceOf is the place in a Tree of a commit of a path in the repository, and PathOf its inverse.
func PlaceOf(path string) string { return commitRoot + filepath.FromSlash(path) }

// PathOf is the inverse of PlaceOf.
func PathOf(place string) string {
	return strings.TrimPrefix(filepath.ToSlash(place), "/")
}

// commitFiles are the files of a commit.
type commitFiles ReadFile

func (f commitFiles) read(path, name string, limit int64) ([]byte, error) {
	b, err := f(PathOf(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, &Error{File: name, Msg: err.Error(), cause: err}
	case int64(len(b)) > limit:
		return nil, &Error{File: name, Msg: fmt.Sprintf("is longer than %d KiB", limit>>10)}
	}
	return b, nil
}

func (commitFiles) isRoot(dir string) bool { return dir == commitRoot }
