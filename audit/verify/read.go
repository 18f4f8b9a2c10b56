// Package verify reads and verifies audit logs offline, with public data alone. Whatever it is given may be hostile: see Verify, Prove and VerifyProof.
package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"github.com/transparency-dev/tessera/api/layout"

	"github.com/waxwing-io/waxwing/audit"
)

// Position is a record's place in a log: the part, from 1, and the index in it, from 0.
type Position struct {
	Part  int    `json:"part"`
	Index uint64 `json:"index"`
}

// Entry is a record with its place and its bytes.
type Entry struct {
	Position
	Raw    []byte
	Record audit.Record
}

// Entries reads the published records of a log, or of one part alone, from a position on, without verifying anything. The zero Position is the beginning. It ends where the checkpoints end;
// to follow a growing log, ask again from behind the last entry: parts that have come meanwhile are read, too.
func Entries(dir fs.FS, from Position) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := eachPart(dir, func(part int, sub fs.FS, size uint64) error {
			if part < from.Part {
				return nil
			}
			start := uint64(0)
			if part == from.Part {
				start = from.Index
			}
			for e, err := range entries(sub, part, start, size) {
				if err != nil {
					return fmt.Errorf("part %d: %w", part, err)
				}
				if !yield(e, nil) {
					return errStop
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Entry{}, err)
		}
	}
}

// End is the position behind the last published record; the zero Position for a log without any.
func End(dir fs.FS) (end Position, err error) {
	err = eachPart(dir, func(part int, _ fs.FS, size uint64) error {
		end = Position{part, size}
		return nil
	})
	return end, err
}

// Back is the position from which Entries gives the last n records, or all if there are fewer.
func Back(dir fs.FS, n uint64) (Position, error) {
	type sized struct {
		part int
		size uint64
	}
	var all []sized
	err := eachPart(dir, func(part int, _ fs.FS, size uint64) error {
		all = append(all, sized{part, size})
		return nil
	})
	if err != nil {
		return Position{}, err
	}
	for _, p := range slices.Backward(all) {
		if p.size >= n {
			return Position{p.part, p.size - n}, nil
		}
		n -= p.size
	}
	return Position{}, nil
}

// eachPart visits the parts that have a checkpoint, in their order.
func eachPart(dir fs.FS, visit func(part int, sub fs.FS, size uint64) error) error {
	numbers, single, err := parts(dir)
	if err != nil {
		return err
	}
	if single {
		numbers = []int{0}
	}
	for _, n := range numbers {
		sub := dir
		if !single {
			sub = folder{dir, audit.PartDir(n)}
		}
		raw, err := readFile(sub, layout.CheckpointPath, maxCheckpoint, nil)
		if missing(err) {
			continue // being made
		}
		var c Checkpoint
		if err == nil {
			c, err = ParseCheckpoint(raw)
		}
		if err != nil {
			return fmt.Errorf("part %d: %w", n, err)
		}
		if single {
			_, n, _ = splitOrigin(c.Origin)
		}
		if err := visit(n, sub, c.Size); err != nil {
			return err
		}
	}
	return nil
}

// entries reads the records from start to size of the part in dir.
func entries(dir fs.FS, part int, start, size uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for n := start / width; n*width < size; n++ {
			count := inBundle(n, size)
			b, err := readVersion(dir, layout.EntriesPath(n, 0), count, audit.MaxBundle, nil)
			var ends []int
			if err == nil {
				ends, err = split(b, count, false, nil)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for i := range count {
				at := n*width + uint64(i)
				if at < start {
					continue
				}
				e := Entry{Position: Position{part, at}, Raw: record(b, ends, i)}
				if e.Record, err = audit.Decode(e.Raw); err != nil {
					yield(Entry{}, fmt.Errorf("record %d: %w", at, err))
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// PartRecords reads the first size records of the part in dir, without verifying anything.
func PartRecords(dir fs.FS, size uint64) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		for e, err := range entries(dir, 0, 0, size) {
			if !yield(e.Record, err) {
				return
			}
		}
	}
}

// TreeSize is the size that the checkpoint of the part in dir claims.
func TreeSize(dir fs.FS) (uint64, error) {
	raw, err := readFile(dir, layout.CheckpointPath, maxCheckpoint, nil)
	if err != nil {
		return 0, err
	}
	c, err := ParseCheckpoint(raw)
	return c.Size, err
}
