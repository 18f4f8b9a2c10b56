package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// scratchPattern names folders for plaintexts.
	scratchPattern = "seal-edit-*"
	scratchFile    = "secret.yaml"
	ownerOnlyFile  = fs.FileMode(0o600)

	// removePatience is how long a folder that files come into is tried to be removed, and removeEvery how often.
	removePatience = time.Second
	removeEvery    = 10 * time.Millisecond
	// overwriteLooks is how often a folder is looked through for files to overwrite, at the most.
	overwriteLooks = 10
)

// errNoMemory says that there is no place for files that is in memory only.
var errNoMemory = errors.New("no folder in memory")

// scratch is a folder of the person's own for a plaintext while an editor is open.
type scratch struct {
	dir   string
	close func() error
}

// newScratch makes a folder in memory, or with allowDisk, where the system has none, one on a disk.
func newScratch(env *Env, allowDisk bool) (*scratch, error) {
	return scratchFrom(memoryScratch, env, allowDisk)
}

func scratchFrom(memory func(*Env) (*scratch, error), env *Env, allowDisk bool) (*scratch, error) {
	s, err := memory(env)
	switch {
	case err == nil:
		return s, nil
	case !allowDisk:
		return nil, failed("pass --allow-disk to have it on a disk while the editor is open, overwritten and removed afterwards", "there is no place in memory for the plaintext: %v", err)
	}
	return diskScratch()
}

// path is where the plaintext lies.
func (s *scratch) path() string { return filepath.Join(s.dir, scratchFile) }

// diskScratch is a folder on a disk. What was in it is overwritten before it is removed.
func diskScratch() (*scratch, error) {
	dir, err := os.MkdirTemp("", scratchPattern)
	if err != nil {
		return nil, err
	}
	return &scratch{dir: dir, close: func() error {
		return removeOverwritten(func() error { return overwrite(dir) }, func() error { return os.RemoveAll(dir) })
	}}, nil
}

// removeOverwritten has a folder overwritten and removed. What could not be overwritten is told even where the folder could be removed at a later try only, which no longer finds it.
func removeOverwritten(fill, remove func() error) error {
	var missed error
	err := removeBusy(func() error {
		if err := fill(); missed == nil {
			missed = err
		}
		return remove()
	})
	return errors.Join(missed, err)
}

// removeBusy has a folder removed that an editor's program may still be at work in, which was told to end, or was not: what it makes between the look at what is there and the
// removal of the folder would stay with it.
func removeBusy(remove func() error) error {
	for end := time.Now().Add(removePatience); ; time.Sleep(removeEvery) {
		if err := remove(); !errors.Is(err, syscall.ENOTEMPTY) || time.Now().After(end) {
			return err
		}
	}
}

// overwrite fills every file below dir with zeros. What a program of the editor's renames meanwhile is looked for again.
func overwrite(dir string) error { return overwriteBy(dir, zeros) }

// overwriteBy has fill overwrite every file below dir.
func overwriteBy(dir string, fill func(path string, d fs.DirEntry) error) error {
	for looks := 1; ; looks++ {
		gone := false
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				err = fill(path, d)
			}
			if errors.Is(err, fs.ErrNotExist) {
				gone, err = true, nil
			}
			return err
		})
		switch {
		case err != nil || !gone:
			return err
		case looks == overwriteLooks:
			return errors.New("files are renamed in it all the time, so not all may be overwritten")
		}
	}
}

// zeros fills a file with zeros.
func zeros(path string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, info.Size()))
	return errors.Join(err, f.Sync(), f.Close())
}

// write puts content where the editor finds it, and away with what was there.
func (s *scratch) write(content []byte) error {
	if err := os.Remove(s.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(s.path(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnlyFile)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// read gives what the editor has left; nothing where it has removed the file.
func (s *scratch) read() ([]byte, error) {
	info, err := os.Lstat(s.path())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		// To open a pipe would wait for somebody who writes.
		return nil, errors.New("it is not a file any more")
	}
	f, err := os.Open(s.path())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bounded(f, maxManifest)
}
