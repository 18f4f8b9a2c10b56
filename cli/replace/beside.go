package replace

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// attempts is how many names for a temporary file are tried; two runs that meet on one name are rare, more are an attack or a bug.
const attempts = 100

// maxBase is how much of the target's name goes into a temporary one, so that it is not too long where the target's is not.
const maxBase = 64

// Create writes a file that must not exist yet, whole or not at all. mode is before umask.
func Create(path string, data []byte, mode fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	temp, err := besideSynced(path, data, nil, mode)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, cause(err))
	}
	// A link, unlike a rename, fails where somebody else was faster.
	linkErr := os.Link(temp, path)
	if err := os.Remove(temp); err != nil {
		return fmt.Errorf("writing %s: %w", path, cause(err))
	}
	switch {
	case errors.Is(linkErr, fs.ErrExist):
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	case linkErr != nil:
		return createWithoutLinks(path, data, mode)
	}
	return nil
}

// createWithoutLinks is for file systems that have no hard links.
func createWithoutLinks(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err := fill(f, data); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, cause(err)), os.Remove(path))
	}
	return nil
}

// besideSynced is beside for content that has to be on the disk at once.
func besideSynced(target string, data []byte, info fs.FileInfo, mode fs.FileMode) (string, error) {
	temp, err := beside(target, data, info, mode)
	if err != nil {
		return "", err
	}
	if err := syncFile(temp); err != nil {
		return "", errors.Join(err, os.Remove(temp))
	}
	return temp, nil
}

// syncFile waits until a file's content is on the disk.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// beside writes data in the folder of target and gives the name of the file. info describes the target, nil where there is none yet. Nothing is
// kept open, so that a batch may have more files than a process may have descriptors.
func beside(target string, data []byte, info fs.FileInfo, mode fs.FileMode) (string, error) {
	if info != nil {
		mode = info.Mode().Perm()
	}
	f, err := openTemp(target, mode)
	if err != nil {
		return "", err
	}
	if info != nil {
		err = keep(f, info)
	}
	if err == nil {
		_, err = f.Write(data)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// keep gives f the owner and the mode of the file that it is to replace.
func keep(f *os.File, info fs.FileInfo) error {
	keepOwner(f, info)
	now, err := f.Stat()
	if err != nil || now.Mode().Perm() == info.Mode().Perm() {
		return err
	}
	return f.Chmod(info.Mode().Perm())
}

func openTemp(target string, mode fs.FileMode) (f *os.File, err error) {
	base := filepath.Base(target)
	base = base[:min(len(base), maxBase)]
	for range attempts {
		name := fmt.Sprintf(".%s.%d.seal-tmp", base, rand.Uint64())
		f, err = os.OpenFile(filepath.Join(filepath.Dir(target), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return f, err
}

// fill writes, syncs and closes f.
func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
