package tiles

import (
	"context"
	"errors"
	"fmt"

	"github.com/waxwing-io/waxwing/audit/journal"
)

// behind gives the records that are acknowledged and not in the tree, which has size records: those of the journal, or those that this process knows. It fails where the tree has records
// that have not come by way of the journal, and where one that this process has acknowledged is in neither.
func (s *Store) behind(p part, size int64) ([][]byte, error) {
	j, there, err := p.journal()
	if err != nil {
		return nil, err
	}
	if !there {
		j.Base, j.Root = size, [32]byte{}
	} else if err := p.has(tree{j.Base, j.Root}, size); err != nil {
		return nil, err
	}
	from, mine := j.Base, s.acked.part == p.number
	if mine {
		from = min(from, s.acked.tree.size)
	}
	older := altered("its tree has records that are not in its journal, as if that was an older one")
	if size-j.Base > int64(len(j.Records)) { // all of a part is more than there may be memory for
		return nil, older
	}
	in, err := p.records(from, size)
	if err != nil {
		return nil, err
	}
	left, all := j.Behind(in[j.Base-from:])
	if !all {
		return nil, older
	}
	if !mine {
		return left, nil
	}
	// What is in the journal and was not acknowledged, because the disk had failed, is left out: its caller may have tried again.
	waiting, _ := journal.Journal{Records: s.acked.waiting}.Behind(in[s.acked.tree.size-from:])
	if missing, _ := (journal.Journal{Records: waiting}).Behind(left); len(missing) > 0 {
		return nil, altered(fmt.Sprintf("%d records that this process has acknowledged are neither in its tree nor in its journal", len(missing)))
	}
	return waiting, nil
}

// finish puts what was acknowledged into the tree of a part that is to be given up although it can be gone on with.
func (s *Store) finish(ctx context.Context, k keys, f found, version string) error {
	err := s.run(ctx, k, f.latest, f.now, f.anchor.Closed, f.anchor, version)
	if err == nil {
		err = s.replay(f.waiting)
	}
	if err == nil {
		err = s.open.publish()
	}
	s.letGo()
	return err
}

// replay puts what was acknowledged into the tree of the open part.
func (s *Store) replay(waiting [][]byte) error {
	if len(waiting) == 0 {
		return nil
	}
	s.open.acked = true
	s.open.feed.put(waiting)
	err := room(s.open.dir, s.open.feed.needs())
	if err == nil {
		if err = s.open.settle(); err != nil {
			err = errors.Join(err, probe(s.cfg.Dir)) // Tessera gives the text alone
		}
	}
	if err != nil {
		return fmt.Errorf("putting the journal's records into the tree: %w", err)
	}
	s.cfg.Log.Info("what was left in the audit log's journal is in the tree", "records", len(waiting))
	return nil
}
