package verify

import (
	"fmt"
	"io/fs"

	"golang.org/x/mod/sumdb/tlog"
)

// Contains makes sure that a log still begins as it has signed before: the log in dir, or the one part that dir is, has a newest checkpoint whose tree begins with that of the
// checkpoint signed, both with good signatures of key (a verifier key, CLUSTER/REPLICA). It reads tiles, of which none is believed that does not fit, and no records: some 20
// files, whatever the log's size.
func Contains(dir fs.FS, signed []byte, key string) error {
	old, err := OpenCheckpoint(signed, key)
	if err != nil {
		return err
	}
	_, part, _ := splitOrigin(old.Origin)
	at, err := openPart(dir, part)
	if err != nil {
		return err
	}
	raw, err := readFile(at, "checkpoint", maxCheckpoint, nil)
	if err != nil {
		return fmt.Errorf("reading the newest checkpoint of part %d: %w", part, err)
	}
	now, err := OpenCheckpoint(raw, key)
	switch {
	case err != nil:
		return fmt.Errorf("the newest checkpoint of part %d: %w", part, err)
	case now.Origin != old.Origin:
		return fmt.Errorf("the log is %q, and the checkpoint is of %q", cut(now.Origin, 300), cut(old.Origin, 300))
	case now.Size < old.Size:
		return fmt.Errorf("part %d has %d records, and had %d: they were cut off, or this is an older copy", part, now.Size, old.Size)
	case old.Size == 0:
		return nil
	}
	another := fmt.Errorf("part %d is another log than the one that had %d records: it was rolled back and gone on with, or made anew", part, old.Size)
	if now.Size == old.Size {
		if now.Root != old.Root {
			return another
		}
		return nil
	}
	tree := tlog.Tree{N: int64(now.Size), Hash: now.Root}
	proof, err := tlog.ProveTree(tree.N, int64(old.Size), tlog.TileHashReader(tree, tileReader{at}))
	if err != nil {
		return fmt.Errorf("the tiles of part %d do not fit to its checkpoint: %w", part, err)
	}
	if tlog.CheckTree(proof, tree.N, tree.Hash, int64(old.Size), old.Root) != nil {
		return another
	}
	return nil
}
