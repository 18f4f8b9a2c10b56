// Package verify reads and verifies audit logs offline, with public data alone.
package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"

	"github.com/transparency-dev/tessera/api/layout"

	"github.com/waxwing-io/waxwing/audit"
)

// Records reads all records of all parts of the log in dir, in their order, without verifying anything.
func Records(dir fs.FS) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		for part := 1; ; part++ {
			sub, err := fs.Sub(dir, fmt.Sprintf("%04d", part))
			if err == nil {
				_, err = fs.Stat(sub, "checkpoint")
			}
			if errors.Is(err, fs.ErrNotExist) {
				return
			}
			if err != nil {
				yield(audit.Record{}, err)
				return
			}
			size, err := TreeSize(sub)
			if err != nil {
				yield(audit.Record{}, err)
				return
			}
			for r, err := range PartRecords(sub, size) {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

// PartRecords reads the first size records of the part in dir, without verifying anything.
func PartRecords(dir fs.FS, size uint64) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		for at := uint64(0); at < size; at += layout.EntryBundleWidth {
			n := min(layout.EntryBundleWidth, size-at)
			b, err := fs.ReadFile(dir, layout.EntriesPath(at/layout.EntryBundleWidth, uint8(n%layout.EntryBundleWidth)))
			if errors.Is(err, fs.ErrNotExist) { // it has become full meanwhile
				b, err = fs.ReadFile(dir, layout.EntriesPath(at/layout.EntryBundleWidth, 0))
			}
			if err != nil {
				yield(audit.Record{}, err)
				return
			}
			for range n {
				if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
					yield(audit.Record{}, errors.New("an entry bundle is too short"))
					return
				}
				end := 2 + int(binary.BigEndian.Uint16(b))
				r, err := audit.Decode(b[2:end])
				if err != nil {
					yield(audit.Record{}, err)
					return
				}
				if b = b[end:]; !yield(r, nil) {
					return
				}
			}
		}
	}
}

// TreeSize is the size that the checkpoint claims.
func TreeSize(dir fs.FS) (uint64, error) {
	b, err := fs.ReadFile(dir, "checkpoint")
	if err != nil {
		return 0, err
	}
	lines := bytes.SplitN(b, []byte("\n"), 3)
	if len(lines) < 3 {
		return 0, errors.New("not a checkpoint")
	}
	return strconv.ParseUint(string(lines[1]), 10, 64)
}
