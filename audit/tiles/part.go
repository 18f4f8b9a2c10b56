package tiles

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// altered is the error of a tree that is not the one that this log has written, as opposed to a disk that does not answer.
type altered string

func (a altered) Error() string { return string(a) }

// tree is the size of a tree in records and its root.
type tree struct {
	size int64
	root tlog.Hash
}

func emptyTree() (tree, error) {
	root, err := tlog.TreeHash(0, nil)
	return tree{root: root}, err
}

// part is the folder of a part, as it is on the disk. Nothing is believed that the key has not signed.
type part struct {
	number   int
	dir      string
	verifier note.Verifier // of the part's origin
	public   ed25519.PublicKey
}

// stateFile is Tessera's own record of the tree; the rest of .state are locks and what garbage collection remembers.
const stateDir, stateFile = ".state", "treeState"

// maxSize is more than any part holds. Package tlog never ends where a size comes near the greatest int64, and nothing has signed what Tessera notes of its tree.
const maxSize = 1 << 48

// state is the tree that Tessera goes on from; a part that is not there, or was never finished being made, has an empty one.
func (p part) state() (tree, error) {
	raw, err := os.ReadFile(filepath.Join(p.dir, stateDir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return emptyTree()
	}
	if err != nil {
		return tree{}, err
	}
	var s struct {
		Size int64  `json:"size"`
		Root []byte `json:"root"`
	}
	if err := json.Unmarshal(raw, &s); err != nil || s.Size < 0 || s.Size > maxSize || len(s.Root) != tlog.HashSize {
		return tree{}, altered("its tree state cannot be read")
	}
	return tree{s.Size, tlog.Hash(s.Root)}, nil
}

// tile reads a tile, or an entry bundle, of which want entries are needed: the one that has just these, or the full one that has come after it.
func (p part) tile(path func(partial uint8) string, want uint64) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(p.dir, path(uint8(want%layout.TileWidth))))
	if errors.Is(err, fs.ErrNotExist) && want < layout.TileWidth {
		b, err = os.ReadFile(filepath.Join(p.dir, path(0)))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, altered(path(uint8(want%layout.TileWidth)) + " is missing")
	}
	return b, err
}

// root recomputes the root of the first n records from the tiles of a tree of size records.
func (p part) root(n, size int64) (tlog.Hash, error) {
	if n > size {
		return tlog.Hash{}, altered(fmt.Sprintf("it holds %d records and not %d", size, n))
	}
	read := map[tlog.Tile][]byte{}
	return tlog.TreeHash(n, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			t := tlog.TileForIndex(layout.TileHeight, index)
			level, number := uint64(t.L), uint64(t.N)
			if t.W = int(layout.PartialTileSize(level, number, uint64(size))); t.W == 0 {
				t.W = layout.TileWidth
			}
			data, ok := read[t]
			if !ok {
				var err error
				if data, err = p.tile(func(partial uint8) string { return layout.TilePath(level, number, partial) }, uint64(t.W)); err != nil {
					return nil, err
				}
				read[t] = data
			}
			h, err := tlog.HashFromTile(t, data, index)
			if err != nil {
				return nil, altered(fmt.Sprintf("tile %d of level %d is too short", number, level))
			}
			hashes[i] = h
		}
		return hashes, nil
	}))
}

// has fails unless t is the tree of the first records of a tree of size records in p.
func (p part) has(t tree, size int64) error {
	root, err := p.root(t.size, size)
	if err == nil && root != t.root {
		err = altered(fmt.Sprintf("its first %d records are other ones", t.size))
	}
	return err
}

// contains fails unless p begins with the tree of a checkpoint that our key has signed.
func (p part) contains(signed string) error {
	t, err := p.open(signed)
	if err != nil {
		return err
	}
	now, err := p.state()
	if err != nil {
		return err
	}
	return p.has(t, now.size)
}

// open verifies a checkpoint of this part.
func (p part) open(signed string) (tree, error) {
	n, err := note.Open([]byte(signed), note.VerifierList(p.verifier))
	if err != nil {
		return tree{}, altered("a checkpoint is not signed by this log's key")
	}
	t, err := parseCheckpoint(n.Text, p.verifier.Name())
	if err != nil {
		return tree{}, altered(err.Error())
	}
	return t, nil
}

// parseCheckpoint reads the text of a C2SP tlog-checkpoint.
func parseCheckpoint(text, origin string) (tree, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] != origin {
		return tree{}, errors.New("not a checkpoint of " + origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > maxSize {
		return tree{}, errors.New("a checkpoint without a size")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tree{}, errors.New("a checkpoint without a root")
	}
	return tree{size, root}, nil
}

// published is the checkpoint on the disk, verified; empty if there is none.
func (p part) published() (string, tree, error) {
	signed, err := os.ReadFile(filepath.Join(p.dir, layout.CheckpointPath))
	if errors.Is(err, fs.ErrNotExist) {
		return "", tree{}, nil
	}
	if err != nil {
		return "", tree{}, err
	}
	t, err := p.open(string(signed))
	return string(signed), t, err
}

// whole gives the tree of a part that can be gone on with: the tiles give its root, and it contains what was published.
func (p part) whole() (tree, error) {
	now, err := p.state()
	if err != nil {
		return tree{}, err
	}
	if err := p.has(now, now.size); err != nil {
		return tree{}, err
	}
	signed, t, err := p.published()
	if err == nil && signed != "" {
		err = p.has(t, now.size)
	}
	if err == nil {
		err = p.lastBundle(now.size)
	}
	return now, err
}

// lastBundle compares the records of the last bundle, which the next batch is written behind, with the tile above it.
func (p part) lastBundle(size int64) error {
	if size == 0 {
		return nil
	}
	last, n := uint64(size-1)/layout.EntryBundleWidth, int(uint64(size-1)%layout.EntryBundleWidth)+1
	hashes, err := p.tile(func(partial uint8) string { return layout.TilePath(0, last, partial) }, uint64(n))
	if err != nil {
		return err
	}
	records, err := p.bundle(last, n)
	if err != nil {
		return err
	}
	for i, r := range records {
		if h := tlog.RecordHash(r); len(hashes) < (i+1)*tlog.HashSize || string(h[:]) != string(hashes[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return altered(fmt.Sprintf("record %d is another one", int64(last)*layout.EntryBundleWidth+int64(i)))
		}
	}
	return nil
}

// tail is the size in bytes of the last bundle of a tree of size records if that is partial, as far as it can be told.
func (p part) tail(size int64) int64 {
	if size%layout.EntryBundleWidth == 0 {
		return 0
	}
	info, err := os.Stat(filepath.Join(p.dir, layout.EntriesPath(uint64(size)/layout.EntryBundleWidth, uint8(size%layout.EntryBundleWidth))))
	if err != nil {
		return 0
	}
	return info.Size()
}

// records reads the records from one on of a part that has size.
func (p part) records(from, size int64) (all [][]byte, err error) {
	for from < size {
		index, skip := uint64(from)/layout.EntryBundleWidth, int(uint64(from)%layout.EntryBundleWidth)
		n := int(min(size-int64(index)*layout.EntryBundleWidth, layout.EntryBundleWidth))
		records, err := p.bundle(index, n)
		if err != nil {
			return nil, err
		}
		all = append(all, records[skip:]...)
		from += int64(n - skip)
	}
	return all, nil
}

// bundle reads the first n records of an entry bundle.
func (p part) bundle(index uint64, n int) ([][]byte, error) {
	b, err := p.tile(func(partial uint8) string { return layout.EntriesPath(index, partial) }, uint64(n))
	if err != nil {
		return nil, err
	}
	records := make([][]byte, n)
	for i := range records {
		if len(b) < 2 || len(b) < 2+int(b[0])<<8+int(b[1]) {
			return nil, altered(layout.EntriesPath(index, uint8(n%layout.EntryBundleWidth)) + " is too short")
		}
		end := 2 + int(b[0])<<8 + int(b[1])
		records[i], b = b[2:end], b[end:]
	}
	return records, nil
}
