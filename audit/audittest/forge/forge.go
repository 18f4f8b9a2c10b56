// Package forge writes audit logs of any content in tests: as somebody would who has the key, and for sizes that the real store would take long to write. It shares no code with the verifier.
package forge

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"iter"
	"path"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// Write writes a part of a log: its files go to put, with paths from the part's folder. It gives the signed checkpoint. Its memory does not depend on the number of records.
func Write(origin string, part int, key ed25519.PrivateKey, records iter.Seq[[]byte], put func(name string, b []byte) error) ([]byte, error) {
	w := writer{put: put}
	for r := range records {
		if err := w.add(r); err != nil {
			return nil, err
		}
	}
	root, err := w.close()
	if err != nil {
		return nil, err
	}
	checkpoint, err := Checkpoint(origin, part, key, w.size, root)
	if err != nil {
		return nil, err
	}
	return checkpoint, put("checkpoint", checkpoint)
}

// Checkpoint signs a checkpoint of a part, true or not.
func Checkpoint(origin string, part int, key ed25519.PrivateKey, size uint64, root tlog.Hash) ([]byte, error) {
	name := tiles.PartOrigin(origin, part)
	signer, err := tiles.NewSigner(name, key)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", name, size, root)}, signer)
}

const width = layout.TileWidth

// writer keeps what is not full yet: the bundle, and the tile of each level.
type writer struct {
	put    func(name string, b []byte) error
	size   uint64
	bundle []byte
	levels [][]tlog.Hash
}

func (w *writer) add(r []byte) error {
	w.bundle = append(binary.BigEndian.AppendUint16(w.bundle, uint16(len(r))), r...)
	w.size++
	if w.size%width == 0 {
		if err := w.put(layout.EntriesPath(w.size/width-1, 0), w.bundle); err != nil {
			return err
		}
		w.bundle = nil
	}
	return w.hash(0, tlog.RecordHash(r))
}

func (w *writer) hash(level int, h tlog.Hash) error {
	if level == len(w.levels) {
		w.levels = append(w.levels, nil)
	}
	w.levels[level] = append(w.levels[level], h)
	if len(w.levels[level]) < width {
		return nil
	}
	full := w.levels[level]
	w.levels[level] = nil
	if err := w.put(layout.TilePath(uint64(level), w.size>>(8*(level+1))-1, 0), join(full)); err != nil {
		return err
	}
	return w.hash(level+1, subtree(full))
}

// close writes what is not full and gives the root.
func (w *writer) close() (root tlog.Hash, err error) {
	if n := w.size % width; n > 0 {
		if err := w.put(layout.EntriesPath(w.size/width, uint8(n)), w.bundle); err != nil {
			return root, err
		}
	}
	known := false
	for level, hashes := range w.levels {
		if len(hashes) == 0 {
			continue
		}
		if err := w.put(layout.TilePath(uint64(level), w.size>>(8*(level+1)), uint8(len(hashes))), join(hashes)); err != nil {
			return root, err
		}
		// A lower level lies to the right of a higher one.
		if h := mth(hashes); known {
			root = onto(hashes, root)
		} else {
			root, known = h, true
		}
	}
	if !known {
		return tlog.TreeHash(0, nil)
	}
	return root, nil
}

// mth is the tree hash of RFC 6962 over hashes of subtrees of one size.
func mth(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	k := 1
	for k*2 < len(hashes) {
		k *= 2
	}
	return tlog.NodeHash(mth(hashes[:k]), mth(hashes[k:]))
}

// onto is mth over hashes with a smaller tree, whose hash is right, behind them.
func onto(hashes []tlog.Hash, right tlog.Hash) tlog.Hash {
	for len(hashes) > 0 {
		// The last perfect subtree.
		k := len(hashes) & -len(hashes)
		right = tlog.NodeHash(subtree(hashes[len(hashes)-k:]), right)
		hashes = hashes[:len(hashes)-k]
	}
	return right
}

// subtree is the hash of a perfect subtree.
func subtree(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return tlog.NodeHash(subtree(hashes[:half]), subtree(hashes[half:]))
}

func join(hashes []tlog.Hash) []byte {
	var b []byte
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// Under puts files into a folder of a part.
func Under(part int, put func(name string, b []byte) error) func(string, []byte) error {
	return func(name string, b []byte) error { return put(path.Join(audit.PartDir(part), name), b) }
}
