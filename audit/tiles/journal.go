package tiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/waxwing-io/waxwing/audit/journal"
)

const (
	// renewAt is how many bytes are written to a journal until it is made anew, without the records that are in the tree.
	renewAt = 1 << 20
	// What waits for the tree at most: more waits until there is room.
	maxWaiting      = 4096
	maxWaitingBytes = 4 << 20
)

// journalFile is the journal of the part that is written. One goroutine uses it.
type journalFile struct {
	dir    string
	frames *journal.Writer
	file   *os.File // open for reading, so that no other file gets its number; and a file system with one that is open for writing cannot be made read-only
	size   int64
	made   int64 // its size when it was made
}

// newJournal makes the journal of a part in place of the one that is there, durably. It goes on from base and has the records that are not in that tree.
func newJournal(p part, k keys, base tree, records [][]byte) (*journalFile, error) {
	frames, data, err := journal.NewWriter(k.private, p.verifier.Name(), base.size, base.root)
	if err != nil {
		return nil, err
	}
	if len(records) > 0 {
		frame, _, err := frames.Frame(records)
		if err != nil {
			return nil, err
		}
		data = append(data, frame...)
	}
	name := filepath.Join(p.dir, journal.Name)
	if err := overwrite(name, data); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return &journalFile{dir: p.dir, frames: frames, file: f, size: int64(len(data)), made: int64(len(data))}, nil
}

// same fails unless the file is the one that was left there.
func (j *journalFile) same(f *os.File) error {
	have, err := j.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(j.file.Name())
	if f != nil {
		there, err = f.Stat()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return altered("its journal is gone")
	case err != nil:
		return err
	case !os.SameFile(have, there) || there.Size() != j.size:
		return altered("its journal is not the one that this process has written")
	}
	return nil
}

// append makes records durable, and gives them as they are kept.
func (j *journalFile) append(records [][]byte) (kept [][]byte, err error) {
	frame, kept, err := j.frames.Frame(records)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(j.file.Name(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	if err = j.same(f); err == nil {
		_, err = f.Write(frame)
	}
	if err == nil {
		err = dataSync(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	j.size += int64(len(frame))
	return kept, nil
}

// close lets go of the file, which stays.
func (j *journalFile) close() {
	if j != nil {
		_ = j.file.Close() // it was opened for reading
	}
}

// dropJournal removes the journal of a part, all of whose records are in the tree, durably.
func (p part) dropJournal() error {
	if err := os.Remove(filepath.Join(p.dir, journal.Name)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return syncDir(p.dir)
}

// journal reads the journal of a part, and says whether there is one.
func (p part) journal() (j journal.Journal, there bool, err error) {
	name := filepath.Join(p.dir, journal.Name)
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return j, false, nil
	}
	if err != nil {
		return j, false, err
	}
	if !info.Mode().IsRegular() || info.Size() > journal.MaxSize {
		return j, true, altered("its journal is no file of a log")
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return j, true, err
	}
	if j, err = journal.Read(b, p.public, p.verifier.Name()); err != nil {
		return j, true, altered(fmt.Sprintf("its journal is not as it was written: %v", err))
	}
	return j, true, nil
}
