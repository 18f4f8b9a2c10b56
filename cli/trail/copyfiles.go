package trail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
)

// tileHeight is that of C2SP tlog-tiles: a full tile has Width hashes.
const tileHeight = 8

// piece is a tile, of level 0 together with its bundle of records.
type piece struct {
	level, index uint64
	width        int // how many hashes or records it has
}

func (p piece) partial() uint8 { return uint8(p.width % Width) }
func (p piece) tile() string   { return layout.TilePath(p.level, p.index, p.partial()) }
func (p piece) bundle() string { return layout.EntriesPath(p.index, p.partial()) }

// names are its files.
func (p piece) names() []string {
	if p.level == 0 {
		return []string{p.bundle(), p.tile()}
	}
	return []string{p.tile()}
}

// filesOf lists what a log of that size consists of. What is not full comes first: a log that grows replaces it soon.
func filesOf(size uint64) []piece {
	var partial, full []piece
	for level, n := uint64(0), size; n > 0; level, n = level+1, n/Width {
		for i := range n / Width {
			full = append(full, piece{level, i, Width})
		}
		if rest := n % Width; rest > 0 {
			partial = append(partial, piece{level, n / Width, int(rest)})
		}
	}
	return append(partial, full...)
}

// fetch gets the pieces that the copy does not have.
func (p *partCopy) fetch(ctx context.Context, before *Part, pieces []piece) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan piece)
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed error
		done   int
	)
	for range min(workers, len(pieces)) {
		wg.Go(func() {
			for x := range queue {
				err := p.piece(ctx, before, x)
				mu.Lock()
				if done++; err != nil && failed == nil {
					failed = err
					cancel()
				}
				if p.Progress != nil && failed == nil {
					p.Progress(partNumber(p.name), done, len(pieces))
				}
				mu.Unlock()
			}
		})
	}
	for _, x := range pieces {
		select {
		case queue <- x:
		case <-ctx.Done():
		}
	}
	close(queue)
	wg.Wait()
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

func partNumber(name string) (n int) {
	_, _ = fmt.Sscanf(name, "%d", &n)
	return n
}

// piece gets one piece, unless it is in the copy.
func (p *partCopy) piece(ctx context.Context, before *Part, x piece) error {
	// What is full and below the copy's own checkpoint stays: it was whole when that was written.
	if x.below(before.Size) {
		return nil
	}
	if x.level > 0 && p.has(x.tile(), x.width*tlog.HashSize) {
		return nil
	}
	if x.level == 0 && p.hasRecords(x) {
		return nil
	}
	tile, err := p.get(ctx, x.tile(), Width*tlog.HashSize)
	if err != nil {
		return err
	}
	if len(tile) != x.width*tlog.HashSize {
		return fmt.Errorf("%s has %d bytes, and not %d", x.tile(), len(tile), x.width*tlog.HashSize)
	}
	if x.level == 0 {
		bundle, err := p.get(ctx, x.bundle(), audit.MaxBundle)
		if err != nil {
			return err
		}
		if err := fits(bundle, tile, x.width); err != nil {
			return fmt.Errorf("%s: %w", x.bundle(), err)
		}
		if err := p.w.fetched(path.Join(p.name, x.bundle()), bundle); err != nil {
			return err
		}
	}
	return p.w.fetched(path.Join(p.name, x.tile()), tile)
}

func (p *partCopy) get(ctx context.Context, name string, limit int64) ([]byte, error) {
	return p.Endpoint.Get(ctx, path.Join(p.name, name), limit)
}

func (p *partCopy) has(name string, size int) bool {
	info, err := fs.Stat(p.dir, name)
	return err == nil && info.Mode().IsRegular() && info.Size() == int64(size)
}

// hasRecords says whether an earlier run that was ended has fetched records and their tile.
func (p *partCopy) hasRecords(x piece) bool {
	if !p.has(x.tile(), x.width*tlog.HashSize) {
		return false
	}
	tile, err1 := readBounded(p.dir, x.tile(), Width*tlog.HashSize)
	bundle, err2 := readBounded(p.dir, x.bundle(), audit.MaxBundle)
	return err1 == nil && err2 == nil && fits(bundle, tile, x.width) == nil
}

// fits holds records against the hashes of their tile.
func fits(bundle, tile []byte, n int) error {
	entries, err := split(bundle, n)
	if err != nil {
		return err
	}
	for i, e := range entries {
		if h := tlog.RecordHash(e); !bytes.Equal(h[:], tile[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return fmt.Errorf("record %d of it does not fit to its hash", i)
		}
	}
	return nil
}

// writer writes files of the copy as a whole. It is safe for concurrent use.
type writer struct {
	root   *os.Root
	mu     sync.Mutex
	copied *Copied
	made   int
}

func (w *writer) fetched(name string, data []byte) error {
	w.mu.Lock()
	w.copied.Files++
	w.copied.Bytes += int64(len(data))
	full := w.copied.Bytes > maxCopied
	w.mu.Unlock()
	if full {
		return fmt.Errorf("more than %d GiB in one run: call it again to go on", maxCopied>>30)
	}
	return w.write(name, data)
}

// write puts a file in its place when it is whole.
func (w *writer) write(name string, data []byte) error {
	w.mu.Lock()
	w.made++
	scratch := fmt.Sprintf("%s/%d", scratchDir, w.made)
	w.mu.Unlock()
	if err := w.root.WriteFile(scratch, data, fileMode); err != nil {
		return err
	}
	if dir := path.Dir(name); dir != "." {
		if err := w.root.MkdirAll(dir, folderMode); err != nil {
			return err
		}
	}
	return w.root.Rename(scratch, name)
}

// below says whether the piece is full in a log of that size, and so in every later one.
func (p piece) below(size uint64) bool {
	return p.width == Width && (p.index+1)<<(tileHeight*(p.level+1)) <= size
}

// drop removes the files of pieces that a log of that size, which consists of needed, does not have. Where that fails, it does no harm.
func (w *writer) drop(part string, pieces, needed []piece, size uint64) {
	keep := map[string]bool{}
	for _, x := range needed {
		if x.width < Width {
			for _, name := range x.names() {
				keep[name] = true
			}
		}
	}
	for _, x := range pieces {
		if x.below(size) {
			continue
		}
		for _, name := range x.names() {
			if !keep[name] {
				_ = w.root.Remove(path.Join(part, name))
				_ = w.root.Remove(path.Dir(path.Join(part, name))) // only if it is empty
			}
		}
	}
}

// tileFolder gives package tlog the tiles of a part, which it holds against a root.
type tileFolder struct{ dir fs.FS }

var _ tlog.TileReader = tileFolder{}

// Height implements tlog.TileReader.
func (f tileFolder) Height() int { return tileHeight }

// ReadTiles implements tlog.TileReader.
func (f tileFolder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		x := piece{uint64(t.L), uint64(t.N), t.W}
		b, err := readBounded(f.dir, x.tile(), Width*tlog.HashSize)
		if errors.Is(err, fs.ErrNotExist) { // the tile is there as a larger one
			b, err = readBounded(f.dir, strings.TrimSuffix(x.tile(), fmt.Sprintf(".p/%d", t.W)), Width*tlog.HashSize)
		}
		if err != nil {
			return nil, err
		}
		if len(b) < t.W*tlog.HashSize {
			return nil, fmt.Errorf("%s is too short", x.tile())
		}
		out[i] = b[:t.W*tlog.HashSize]
	}
	return out, nil
}

// SaveTiles implements tlog.TileReader.
func (f tileFolder) SaveTiles([]tlog.Tile, [][]byte) {}
