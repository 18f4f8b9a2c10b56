package settings

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
)

// File is a configuration file, which is read again when it changes. It may be used from several goroutines.
type File struct {
	path string

	mu   sync.Mutex
	raw  []byte
	last *Settings
	err  error
}

// OpenFile reads a configuration file; what is wrong with it is the error. An empty path is a configuration that lets nobody use anything.
func OpenFile(path string) (*File, error) {
	f := &File{path: path, last: &Settings{}}
	if path == "" {
		return f, nil
	}
	if _, err := f.Now(); err != nil {
		return nil, err
	}
	return f, nil
}

// Now gives the configuration that is in force: that of the file as it is now or, with an error that says why, as it was last valid. So a mistake in it stops nothing, and takes nothing back either.
func (f *File) Now() (*Settings, error) {
	if f.path == "" {
		return f.last, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	raw, err := readBounded(f.path)
	switch {
	case err != nil:
		f.raw, f.err = nil, err
	case f.raw == nil || !bytes.Equal(raw, f.raw):
		s, err := Parse(raw)
		f.raw, f.err = raw, nil
		if err != nil {
			f.err = fmt.Errorf("%s: %w", f.path, err)
		} else {
			f.last = s
		}
	}
	return f.last, f.err
}

// readBounded reads a file, of which Parse refuses what is too large.
func readBounded(path string) ([]byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, MaxSettings+1))
	if b == nil {
		b = []byte{}
	}
	return b, err
}
