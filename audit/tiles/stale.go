package tiles

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/transparency-dev/tessera/api/layout"
)

// tileName is what the name of a tile or bundle says.
type tileName struct {
	entries       bool
	level, number uint64
	partial       uint8 // 0 for a full one
}

// parseTile reads a name in the folder of a part.
func parseTile(rel string) (t tileName, ok bool) {
	rel, ok = strings.CutPrefix(rel, "tile/")
	level, index, found := strings.Cut(rel, "/")
	if !ok || !found {
		return t, false
	}
	var err error
	if t.entries = level == "entries"; t.entries {
		t.number, t.partial, err = layout.ParseTileIndexPartial(index)
	} else {
		t.level, t.number, t.partial, err = layout.ParseTileLevelIndexPartial(level, index)
	}
	return t, err == nil
}

// hashes is how many there are at the tile's level in a tree of size records; a bundle has one entry a record.
func (t tileName) hashes(size int64) uint64 { return uint64(size) >> (t.level * layout.TileHeight) }

// end is the number of the hash behind the tile's last.
func (t tileName) end() uint64 {
	if t.partial == 0 {
		return (t.number + 1) * layout.TileWidth
	}
	return t.number*layout.TileWidth + uint64(t.partial)
}

// newest is the path of the tile in a tree of size records.
func (t tileName) newest(size int64) string {
	partial := layout.PartialTileSize(t.level, t.number, uint64(size))
	if t.entries {
		return layout.EntriesPath(t.number, partial)
	}
	return layout.TilePath(t.level, t.number, partial)
}

// sweepStale removes partial tiles and bundles of a batch that failed, in whose place other records are: Tessera may have cut a batch, failed with one half and taken the other, and the
// tree is greater than what the first had left. It looks at those that are greater than a tree of from records: older ones have been there when all was well.
func (p part) sweepStale(from, size int64) error {
	return filepath.WalkDir(filepath.Join(p.dir, "tile"), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(p.dir, path)
		if err != nil {
			return err
		}
		t, ok := parseTile(filepath.ToSlash(rel))
		if !ok || t.partial == 0 || t.end() <= t.hashes(from) {
			return nil
		}
		have, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		now, err := os.ReadFile(filepath.Join(p.dir, t.newest(size)))
		if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.HasPrefix(now, have) {
			return nil
		}
		if err == nil {
			err = os.Remove(path)
		}
		return err
	})
}

// settled is the size of a tree whose tiles and bundles are those of the tree now, whatever has failed since: the one that the journal goes on from. Without a journal the last batch
// was a few records that the log has to say of itself.
func (p part) settled(size int64) int64 {
	if j, there, err := p.journal(); err == nil && there {
		return j.Base
	}
	return size - size%layout.EntryBundleWidth
}
