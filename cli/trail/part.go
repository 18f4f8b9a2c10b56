package trail

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/remote"
)

const (
	// Width is how many records a full bundle has.
	Width = layout.EntryBundleWidth
	// MaxPartSize is the number of records above which a part is refused: the log itself begins a new part at a million.
	MaxPartSize = 1 << 26

	maxCheckpoint = 64 << 10
	// kept is how many bundles a part keeps in memory, because readers go over the newest more than once.
	kept = 4
)

// Part is one part of a log as its checkpoint describes it. It is for one goroutine.
type Part struct {
	Number int
	Origin string
	Size   uint64
	Root   tlog.Hash
	// Checkpoint is the signed checkpoint as it was read.
	Checkpoint []byte

	fsys    fs.FS
	bundles []bundle // the latest that were read
}

type bundle struct {
	index   uint64
	entries [][]byte
}

// Parts gives the parts of the log in fsys, oldest first. fsys may be that of one part. A part without a checkpoint is left out if it is the last: it is being made.
func Parts(fsys fs.FS) ([]*Part, error) {
	switch alone, err := OpenPart(fsys, 0); {
	case err == nil:
		alone.Number = 1
		if number := alone.Origin[strings.LastIndex(alone.Origin, "/")+1:]; audit.IsPartDir(number) {
			alone.Number, _ = strconv.Atoi(number)
		}
		return []*Part{alone}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return PartsAfter(fsys, 0)
}

// PartsAfter is Parts for those with a number above after.
func PartsAfter(fsys fs.FS, after int) ([]*Part, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if audit.IsPartDir(e.Name()) && e.Name() > audit.PartDir(after) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	var parts []*Part
	for i, name := range names {
		number, _ := strconv.Atoi(name)
		p, err := OpenPart(Sub(fsys, name), number)
		if errors.Is(err, fs.ErrNotExist) && i == len(names)-1 {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("part %s: %w", name, err)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// OpenPart reads the checkpoint of the part in fsys.
func OpenPart(fsys fs.FS, number int) (*Part, error) {
	p := &Part{Number: number, fsys: fsys}
	b, err := readBounded(fsys, remote.CheckpointAt, maxCheckpoint)
	if err != nil {
		return nil, err
	}
	return p, p.parse(b)
}

// parse reads what a checkpoint says, without looking at its signatures.
func (p *Part) parse(b []byte) error {
	broken := errors.New("the checkpoint is none: it has to begin with origin, size and root, a line each")
	lines := strings.SplitN(string(b), "\n", 4)
	if len(lines) < 4 || lines[0] == "" {
		return broken
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return broken
	}
	if size > MaxPartSize {
		return fmt.Errorf("the checkpoint says that there are %d records: more than %d in one part are not read", size, MaxPartSize)
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return broken
	}
	p.Origin, p.Size, p.Root, p.Checkpoint = lines[0], size, tlog.Hash(root), b
	return nil
}

// Grow reads the checkpoint again. One with fewer records than before is an error.
func (p *Part) Grow() error {
	now, err := OpenPart(p.fsys, p.Number)
	if err != nil {
		return err
	}
	if now.Size < p.Size || now.Origin != p.Origin {
		return fmt.Errorf("part %04d had %d records, and now its checkpoint says %d: it was put back, or is another log", p.Number, p.Size, now.Size)
	}
	p.Size, p.Root, p.Checkpoint = now.Size, now.Root, now.Checkpoint
	return nil
}

// Bundle gives the records number Width*index and following, up to Width of them, as they are.
func (p *Part) Bundle(ctx context.Context, index uint64) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	want := int(min(Width, p.Size-index*Width))
	for _, b := range p.bundles {
		if b.index == index && len(b.entries) >= want {
			return b.entries[:want], nil
		}
	}
	raw, err := readBounded(p.fsys, layout.EntriesPath(index, uint8(want%Width)), audit.MaxBundle)
	if errors.Is(err, fs.ErrNotExist) && want < Width { // it has become full meanwhile
		raw, err = readBounded(p.fsys, layout.EntriesPath(index, 0), audit.MaxBundle)
	}
	if err == nil {
		var entries [][]byte
		if entries, err = split(raw, want); err == nil {
			p.bundles = append(p.bundles[max(0, len(p.bundles)-kept+1):], bundle{index, entries})
			return entries, nil
		}
	}
	return nil, fmt.Errorf("part %04d: records %d to %d: %w", p.Number, index*Width, index*Width+uint64(want)-1, err)
}

// split takes n entries from a bundle.
func split(raw []byte, n int) ([][]byte, error) {
	entries := make([][]byte, n)
	for i := range entries {
		if len(raw) < 2 || len(raw) < 2+int(binary.BigEndian.Uint16(raw)) {
			return nil, errors.New("the bundle ends within a record")
		}
		end := 2 + int(binary.BigEndian.Uint16(raw))
		entries[i], raw = raw[2:end], raw[end:]
	}
	return entries, nil
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	// Before it is opened: opening a pipe would wait for somebody to write.
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is no regular file")}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("is longer than %d bytes", limit)}
	}
	return b, nil
}
