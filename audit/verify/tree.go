package verify

import (
	"errors"

	"golang.org/x/mod/sumdb/tlog"
)

// tree builds the tiles of a tree from its leaves and keeps only its right edge: 8 KiB a level, whatever its size.
type tree struct {
	size uint64
	// edge has the hashes of the last tile of each level, fewer than width of them.
	edge [][]byte
	// full is called with each tile when it is complete.
	full func(level int, n uint64, hashes []byte) error
}

// add appends a leaf.
func (t *tree) add(leaf tlog.Hash) error {
	t.size++
	h := leaf
	for level := 0; ; level++ {
		if level == len(t.edge) {
			t.edge = append(t.edge, make([]byte, 0, width*tlog.HashSize))
		}
		t.edge[level] = append(t.edge[level], h[:]...)
		if len(t.edge[level]) < width*tlog.HashSize {
			return nil
		}
		if err := t.full(level, t.size>>(height*(level+1))-1, t.edge[level]); err != nil {
			return err
		}
		h = top(t.edge[level])
		t.edge[level] = t.edge[level][:0]
	}
}

// rest visits the tiles that are not complete.
func (t *tree) rest(visit func(level int, n uint64, hashes []byte) error) error {
	for level, hashes := range t.edge {
		if len(hashes) > 0 {
			if err := visit(level, t.size>>(height*(level+1)), hashes); err != nil {
				return err
			}
		}
	}
	return nil
}

// root is the root hash of what was added.
func (t *tree) root() (tlog.Hash, error) {
	return tlog.TreeHash(int64(t.size), tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			// The greatest perfect subtrees that make up a tree all lie in the last tile of their level.
			tile := tlog.TileForIndex(height, x)
			if tile.L >= len(t.edge) {
				return nil, errors.New("a hash that is not at the tree's edge")
			}
			h, err := tlog.HashFromTile(tile, t.edge[tile.L], x)
			if err != nil {
				return nil, err
			}
			out[i] = h
		}
		return out, nil
	}))
}

// top is the hash over all of a full tile's.
func top(hashes []byte) tlog.Hash {
	if len(hashes) == tlog.HashSize {
		return tlog.Hash(hashes)
	}
	half := len(hashes) / 2
	return tlog.NodeHash(top(hashes[:half]), top(hashes[half:]))
}
