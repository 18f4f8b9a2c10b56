package tiles

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/audit"
)

const (
	// The feed has gathered already. Tessera waits out the age all the same, and cuts a batch that takes longer to be handed over.
	batchSize = 2048
	batchAge  = 10 * time.Millisecond
	// The least that Tessera takes. A checkpoint costs two fsyncs beside the six of a batch, and Close waits for it.
	checkpointInterval = 100 * time.Millisecond
	// A batch writes its last, partial bundle anew. Those that are full by now go soon, or they would be most of the volume.
	garbageInterval = 3 * time.Second
)

// writer is Tessera on one part.
type writer struct {
	part
	keys      keys
	add       tessera.AddFn
	guard     *guard
	stop      context.CancelFunc
	anchoring *anchoring
	feed      *feed
	patience  time.Duration // how long publish waits
	journal   *journalFile  // nil until there is something to put into it
	acked     bool          // something is acknowledged that is in the tree or waits for it
}

// start runs Tessera on a part whose tree is now, and whose folder and locks are there.
func start(p part, now tree, signer note.Signer, l *locks, report func(error), patience time.Duration) (w *writer, err error) {
	running, stop := context.WithCancel(context.Background())
	// Tessera panics here where it cannot open a lock.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("starting: %v", r)
		}
		if err != nil {
			stop()
		}
	}()
	driver, err := posix.New(running, posix.Config{Path: p.dir})
	if err != nil {
		return nil, err
	}
	g := &guard{Signer: signer, part: p, report: report, last: now}
	appender, _, _, err := tessera.NewAppender(running, driver, tessera.NewAppendOptions().WithCheckpointSigner(g).
		WithBatching(batchSize, batchAge).WithCheckpointInterval(checkpointInterval).WithCheckpointRepublishInterval(0).WithGarbageCollectionInterval(garbageInterval))
	if err != nil {
		return nil, err
	}
	w = &writer{part: p, add: appender.Add, guard: g, stop: stop, patience: patience}
	w.feed = newFeed(now, w, l, report, patience)
	return w, nil
}

// unchanged fails unless the tree is the one that was left there, and the disk takes writes.
func (w *writer) unchanged(left tree) error {
	now, err := w.state()
	if err == nil && now != left {
		err = altered(fmt.Sprintf("part %s has %d records where this process left %d, or other ones", audit.PartDir(w.number), now.size, left.size))
	}
	if err == nil {
		err = writable(w.dir)
	}
	return err
}

// lets fails unless Tessera's locks can be opened; it has checkpoints published whatever the clock does.
func (w *writer) lets(l *locks) error {
	err := l.check(w.dir)
	if err == nil {
		err = mendClock(w.dir)
	}
	return err
}

// append makes records durable in a tree. It waits for as long as the disk takes. Tessera cuts a batch that takes long to be handed over, on a busy machine, and what it has cut may
// change places: two timers then send to one channel.
func (w *writer) append(ctx context.Context, from tree, records [][]byte) (tree, error) {
	entries := make([]*tessera.Entry, len(records))
	for i, r := range records {
		entries[i] = tessera.NewEntry(r)
	}
	futures := make([]tessera.IndexFuture, len(records))
	for i, e := range entries {
		futures[i] = w.add(ctx, e)
	}
	var errs error
	taken := make([]bool, len(records))
	for _, f := range futures {
		at, err := f()
		place := int64(at.Index) - from.size
		switch {
		case err != nil:
		case place < 0 || place >= int64(len(taken)) || taken[place]:
			err = altered(fmt.Sprintf("a record got the number %d, and %d were added from %d on", at.Index, len(records), from.size))
		default:
			taken[place] = true
		}
		if err != nil && errs == nil {
			errs = err // one batch, one reason
		}
	}
	if errs != nil {
		return from, errs
	}
	now, err := w.state()
	if err == nil && now.size != from.size+int64(len(records)) {
		err = altered(fmt.Sprintf("part %s has %d records after %d were added to %d", audit.PartDir(w.number), now.size, len(records), from.size))
	}
	return now, err
}

// record makes records durable: those that have to come first in the tree itself, the rest in the journal.
func (w *writer) record(first, rest [][]byte) error {
	if len(first) > 0 {
		// All that comes into the tree by another way than the journal's comes before the journal is begun.
		if err := w.settle(); err != nil {
			return err
		}
		if err := w.feed.direct(first); err != nil {
			return err
		}
		w.acked = true
	}
	if len(rest) == 0 {
		return nil
	}
	if !w.feed.room(rest) {
		if err := w.feed.hand(); err != nil {
			return err
		}
	}
	if w.journal == nil || w.journal.size-w.journal.made >= renewAt {
		w.journal.close()
		w.journal = nil
		now, waiting := w.feed.state()
		var err error
		if w.journal, err = newJournal(w.part, w.keys, now, waiting); err != nil {
			return err
		}
	}
	kept, err := w.journal.append(rest)
	if err != nil {
		return err
	}
	w.acked = true
	w.feed.put(kept)
	return nil
}

// settle puts what waits into the tree, and takes the journal away.
func (w *writer) settle() error {
	if err := w.feed.hand(); err != nil {
		return err
	}
	w.journal.close()
	w.journal = nil
	return w.dropJournal()
}

// look fails when what is on the disk is not, or may not be, what was left there.
func (w *writer) look() error {
	if w.journal != nil {
		if err := w.journal.same(nil); err != nil {
			return err
		}
	}
	if err := w.feed.look(); err != nil {
		return err
	}
	// What is taken has to have room in the tree, too.
	return room(w.dir, w.feed.needs())
}

// publish has a checkpoint published that covers all records, and waits for it.
func (w *writer) publish() error {
	path := filepath.Join(w.dir, layout.CheckpointPath)
	now, _ := w.feed.state()
	for end := time.Now().Add(w.patience); ; time.Sleep(5 * time.Millisecond) {
		signed, t, err := w.published()
		if err == nil && signed != "" && t.size >= now.size {
			return nil
		}
		if time.Now().After(end) {
			// Tessera tells only its own log why.
			return errors.Join(fmt.Errorf("no checkpoint was published that covers %d records", now.size), err, probe(filepath.Dir(w.dir)))
		}
		// Tessera looks at the file's time to see whether the next checkpoint is due. It is.
		_ = os.Chtimes(path, time.Time{}, time.Unix(0, 0))
	}
}

// end stops Tessera. What it is at work with is finished.
func (w *writer) end() {
	w.feed.end()
	w.journal.close()
	if w.anchoring != nil {
		w.anchoring.end()
	}
	w.guard.close()
	w.stop()
}
