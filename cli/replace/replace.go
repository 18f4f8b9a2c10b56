// Package replace writes files as a whole: each one is old or new at every moment, and several of them are replaced all or not at all.
//
// New content is written beside its target first, and synced for all files together; only then are the targets replaced by renaming, which takes microseconds. When a rename
// fails, those before it are undone. A process killed between two renames leaves some files old and some new, each of them whole. A file that changed
// since it was read is not overwritten. Devices and pipes are written to, never replaced. The package does not create folders.
package replace

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrChanged is what Commit gives, wrapped, for a file that is not what its caller read.
var ErrChanged = errors.New("was changed by somebody else in the meantime")

// Batch is a set of files to replace together. The zero value is empty. Update and Write may be called from several goroutines at a time, the other methods by
// one alone.
type Batch struct {
	mu     sync.Mutex
	staged []*staged
}

// staged is one file with its new content.
type staged struct {
	name   string // as the user knows it
	target string // where symbolic links lead
	data   []byte
	old    []byte // content before; nil when there was no file
	expect bool   // old is what the caller read, and must still be there
	direct bool   // a device or pipe
	fresh  bool   // must not exist when it is written
	temp   string // file beside target that holds data; empty once it has been renamed or removed
	synced bool   // temp is on the disk
}

// Update stages new content for the existing file path, whose content was old when the caller read it. Mode and owner stay; a symbolic link stays, and what it leads to is replaced.
func (b *Batch) Update(path string, old, data []byte) error {
	return b.stage(&staged{name: path, old: old, expect: true, data: data}, 0)
}

// Write stages content for path, which is created with mode (before umask) or replaced like in Update, whatever it holds.
func (b *Batch) Write(path string, data []byte, mode fs.FileMode) error {
	return b.stage(&staged{name: path, data: data}, mode)
}

// Create stages a file that must not exist, neither now nor when the batch is committed; the error is fs.ErrExist. mode is before umask.
func (b *Batch) Create(path string, data []byte, mode fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return b.stage(&staged{name: path, data: data, fresh: true}, mode)
}

func (b *Batch) stage(s *staged, mode fs.FileMode) error {
	info, err := os.Stat(s.name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !s.expect:
		if s.target, err = newTarget(s.name); err != nil {
			return err
		}
	case err != nil:
		return err
	case info.IsDir():
		return &fs.PathError{Op: "write", Path: s.name, Err: errors.New("is a directory")}
	case !info.Mode().IsRegular():
		s.target, s.direct = s.name, true
	default:
		if s.target, err = filepath.EvalSymlinks(s.name); err != nil {
			return err
		}
		if !s.expect {
			if s.old, err = os.ReadFile(s.target); err != nil {
				return err
			}
		}
	}
	if !s.direct {
		if s.temp, err = beside(s.target, s.data, info, mode); err != nil {
			return fmt.Errorf("writing %s: %w", s.name, cause(err))
		}
		s.data = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.staged = append(b.staged, s)
	return nil
}

// newTarget is where a file that does not exist is created: a dangling symbolic link is refused rather than replaced.
func newTarget(path string) (string, error) {
	if _, err := os.Lstat(path); err == nil {
		return "", &fs.PathError{Op: "write", Path: path, Err: errors.New("is a symbolic link that leads nowhere")}
	}
	return path, nil
}

// Linked says whether the regular file at path has other names (hard links), which keep the old content when it is replaced.
func Linked(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && links(info) > 1
}

// syncs is how many files are synced at a time: file systems take them together, where one after the other each waits for the disk.
const syncs = 32

// Sync waits until all that is staged is on the disk, or ctx ends. Commit does so, too; a caller that wants to be interrupted calls it before.
func (b *Batch) Sync(ctx context.Context) error {
	errs := make([]error, len(b.staged))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(syncs, len(b.staged)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(b.staged) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				errs[i] = b.staged[i].sync()
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

func (s *staged) sync() error {
	if s.temp == "" || s.synced {
		return nil
	}
	if err := syncFile(s.temp); err != nil {
		return fmt.Errorf("writing %s: %w", s.name, cause(err))
	}
	s.synced = true
	return nil
}

// Commit replaces all files, in the order of their names, or none and says why. Afterwards the Batch is empty.
func (b *Batch) Commit() error {
	defer b.Discard()
	if err := b.Sync(context.Background()); err != nil {
		return err
	}
	slices.SortStableFunc(b.staged, func(x, y *staged) int { return cmp.Compare(x.name, y.name) })
	for _, s := range b.staged {
		if err := s.unchanged(); err != nil {
			return err
		}
	}
	for i, s := range b.staged {
		if err := s.replace(); err != nil {
			return errors.Join(fmt.Errorf("writing %s: %w", s.name, cause(err)), undo(b.staged[:i]))
		}
	}
	return nil
}

// Discard drops what is staged. It is safe to call at any time, also after Commit.
func (b *Batch) Discard() {
	for _, s := range b.staged {
		if s.temp != "" {
			_ = os.Remove(s.temp)
		}
	}
	b.staged = nil
}

// unchanged holds the target against what the caller read, so that an editor that saved in the meantime does not lose its work.
func (s *staged) unchanged() error {
	if !s.expect || s.direct {
		return nil
	}
	now, err := os.ReadFile(s.target)
	if err != nil {
		return fmt.Errorf("reading %s again: %w", s.name, cause(err))
	}
	if !bytes.Equal(now, s.old) {
		return fmt.Errorf("%s %w", s.name, ErrChanged)
	}
	return nil
}

func (s *staged) replace() error {
	if s.fresh {
		return s.create()
	}
	if !s.direct {
		err := os.Rename(s.temp, s.target)
		if err == nil {
			s.temp = ""
		}
		return err
	}
	f, err := os.OpenFile(s.target, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(s.data)
	return errors.Join(err, f.Close())
}

// create puts a new file in its place. A link, unlike a rename, fails where somebody else was faster; file systems without links get the rename.
func (s *staged) create() error {
	err := os.Link(s.temp, s.target)
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, statErr := os.Lstat(s.target); err != nil && statErr == nil {
		return fs.ErrExist
	}
	if err != nil {
		err = os.Rename(s.temp, s.target)
	} else {
		err = os.Remove(s.temp)
	}
	if err == nil {
		s.temp = ""
	}
	return err
}

// undo puts back what was there before; the error names the files for which that failed.
func undo(done []*staged) error {
	var errs []error
	for _, s := range done {
		if s.direct {
			continue
		}
		if err := s.putBack(); err != nil {
			errs = append(errs, fmt.Errorf("%s is replaced already, and putting it back: %w", s.name, cause(err)))
		}
	}
	return errors.Join(errs...)
}

func (s *staged) putBack() error {
	if s.old == nil {
		return os.Remove(s.target)
	}
	info, err := os.Stat(s.target)
	if err != nil {
		return err
	}
	temp, err := besideSynced(s.target, s.old, info, 0)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, s.target); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// cause strips the operation and the temporary file's name from an error.
func cause(err error) error {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &linkErr):
		return linkErr.Err
	case errors.As(err, &pathErr):
		return pathErr.Err
	}
	return err
}
