package audit

import (
	"errors"
	"fmt"
	"os"
)

// disk is what the writer needs of a file. An implementation may fail at any time; the writer then takes nothing for granted but what was synced.
type disk interface {
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
}

// writer appends whole lines to a file and knows how much of it is good. One goroutine uses it.
type writer struct {
	path string
	file *os.File // what path named when it was opened
	disk disk     // file, but for tests
	good int64    // bytes that are lines and on stable storage
	// dirty says that bytes may stand behind good, left by an append that failed.
	dirty bool
}

// append makes lines durable, or leaves the log as it was and says why. After an error the next append begins with the repair.
func (w *writer) append(lines []byte) error {
	if err := w.check(); err != nil {
		return err
	}
	if w.dirty {
		if err := w.repair(); err != nil {
			return err
		}
	}
	if err := w.write(lines); err != nil {
		// The reason is the first error; a repair that fails too is tried again before the next append.
		_ = w.repair()
		return fmt.Errorf("writing %s: %w", w.path, err)
	}
	w.good += int64(len(lines))
	w.dirty = false
	return nil
}

func (w *writer) write(lines []byte) error {
	w.dirty = true
	if _, err := w.disk.WriteAt(lines, w.good); err != nil {
		return err
	}
	// After a failed sync the kernel may have dropped the pages, and a second sync would succeed without them. So the lines are cut and written anew.
	return w.disk.Sync()
}

func (w *writer) repair() error {
	if err := w.disk.Truncate(w.good); err != nil {
		return fmt.Errorf("cutting %s back to its last good line: %w", w.path, err)
	}
	w.dirty = false
	return nil
}

// check refuses to go on in a file that was replaced or changed by something else: records would be lost or glued to foreign bytes.
func (w *writer) check() error {
	mine, err := w.file.Stat()
	if err != nil {
		return fmt.Errorf("checking %s: %w", w.path, err)
	}
	there, err := os.Stat(w.path)
	switch {
	case errors.Is(err, os.ErrNotExist) || (err == nil && !os.SameFile(mine, there)):
		return fmt.Errorf("%s was moved or removed while in use: put it back, or restart to begin a new one", w.path)
	case err != nil:
		return fmt.Errorf("checking %s: %w", w.path, err)
	case mine.Size() < w.good || (mine.Size() > w.good && !w.dirty):
		return fmt.Errorf("%s was changed by something else: it has %d bytes and should have %d; restart to go on behind them", w.path, mine.Size(), w.good)
	}
	return nil
}
