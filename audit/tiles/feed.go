package tiles

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// Records wait for others for as long as they come one soon after the other, and not longer than feedWithin; and Tessera, which takes some ten times the work of the journal whatever
	// the number of records, is at work once in that time, unless there are many.
	feedAfter   = 25 * time.Millisecond
	feedWithin  = 250 * time.Millisecond
	feedRecords = maxWaiting / 4
	feedBytes   = maxWaitingBytes / 4
	// lookEvery is how often it is looked whether Tessera can be let at the disk while there is nothing to do for it. That takes more than all else that is looked at before an append.
	lookEvery = 500 * time.Millisecond
)

// feed hands what is in the journal to Tessera, in its order.
type feed struct {
	add       func(from tree, records [][]byte) (tree, error) // makes records durable in the tree
	unchanged func(now tree) error                            // fails unless the tree on the disk is the one that was left there
	lets      func() error                                    // fails unless Tessera can be let at it
	measure   func(size int64) int64                          // the last, partial bundle in bytes
	report    func(error)
	patience  time.Duration // how long Tessera may be at work until nothing more is taken

	wake  chan struct{}
	stop  chan struct{}
	ended sync.WaitGroup

	batch  sync.Mutex // held while Tessera is at work; before mu
	looked time.Time  // when lets was last asked without need; under batch

	mu            sync.Mutex
	tree          tree     // that this process has left on the disk
	tail          int64    // the size of its last bundle in bytes, if that is partial: the next one has it, too
	waiting       [][]byte // durable, and not known to be in the tree
	bytes         int      // of them
	first, latest time.Time
	fed           time.Time // when Tessera was last at work
	began         time.Time // since when it is; zero if it is not
	failed        error     // for good
}

func newFeed(now tree, w *writer, l *locks, report func(error), patience time.Duration) *feed {
	return &feed{
		add:       func(from tree, records [][]byte) (tree, error) { return w.append(context.Background(), from, records) },
		unchanged: w.unchanged, lets: func() error { return w.lets(l) },
		report: report, patience: patience, tree: now, measure: w.tail, tail: w.tail(now.size), wake: make(chan struct{}, 1), stop: make(chan struct{}),
	}
}

// state is the tree that this process has left on the disk, and what waits for it.
func (f *feed) state() (now tree, waiting [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tree, f.waiting
}

// size is how many records are durable.
func (f *feed) size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tree.size + int64(len(f.waiting))
}

// put takes records that are durable in the journal.
func (f *feed) put(records [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.dueAt()
	f.latest = time.Now()
	if len(f.waiting) == 0 {
		f.first = f.latest
	}
	f.waiting = append(f.waiting, records...)
	f.bytes += length(records)
	if at := f.dueAt(); before.IsZero() || at.Before(before) {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

func length(records [][]byte) (n int) {
	for _, r := range records {
		n += len(r)
	}
	return n
}

// room says whether so many records more may wait.
func (f *feed) room(records [][]byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting)+len(records) <= maxWaiting && f.bytes+length(records) <= maxWaitingBytes
}

// needs is about how many bytes Tessera writes for what waits.
func (f *feed) needs() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return probeSize + f.tail + int64(f.bytes)
}

// dueAt is when Tessera is to be at work next; zero for not at all. f.mu is held.
func (f *feed) dueAt() time.Time {
	switch {
	case len(f.waiting) == 0:
		return time.Time{}
	case len(f.waiting) >= feedRecords || f.bytes >= feedBytes:
		return f.first
	}
	quiet, rested := f.latest.Add(feedAfter), f.fed.Add(feedWithin)
	if quiet.Before(rested) {
		quiet = rested
	}
	if last := f.first.Add(feedWithin); last.Before(quiet) {
		return last
	}
	return quiet
}

// start begins to hand over by itself, until end.
func (f *feed) start() { f.ended.Go(f.run) }

func (f *feed) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		f.mu.Lock()
		at := f.dueAt()
		f.mu.Unlock()
		wait := time.Hour
		if !at.IsZero() {
			wait = time.Until(at)
		}
		if wait <= 0 {
			if err := f.hand(); err != nil {
				f.report(err)
				return
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-f.stop:
			return
		case <-f.wake:
		case <-timer.C:
		}
	}
}

// hand hands over what waits, and returns when it is in the tree. Records that somebody puts meanwhile are not waited for.
func (f *feed) hand() error {
	f.batch.Lock()
	defer f.batch.Unlock()
	now, waiting := f.state()
	err := f.work(now, waiting)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.waiting = append([][]byte(nil), f.waiting[len(waiting):]...) // not a part of the other, which would stay in memory
		f.bytes -= length(waiting)
		f.first = f.fed
	}
	return err
}

// direct puts records into the tree behind all that waits. They are not durable if it fails.
func (f *feed) direct(records [][]byte) error {
	if err := f.hand(); err != nil {
		return err
	}
	f.batch.Lock()
	defer f.batch.Unlock()
	now, _ := f.state()
	return f.work(now, records)
}

// work has Tessera add records. f.batch is held.
func (f *feed) work(now tree, records [][]byte) error {
	f.mu.Lock()
	err := f.failed
	if err == nil && len(records) > 0 {
		f.began = time.Now()
	}
	f.mu.Unlock()
	if err != nil || len(records) == 0 {
		return err
	}
	var tail int64
	if err = f.unchanged(now); err == nil {
		err = f.lets()
	}
	if err == nil {
		now, err = f.add(now, records)
	}
	if err == nil {
		tail = f.measure(now.size)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.began, f.fed = time.Time{}, time.Now()
	if err != nil {
		f.failed = err
		return err
	}
	f.tree, f.tail = now, tail
	return nil
}

// look fails unless the tree is as it was left, and Tessera is not stuck.
func (f *feed) look() error {
	f.mu.Lock()
	began, n := f.began, len(f.waiting)
	f.mu.Unlock()
	if took := time.Since(began); !began.IsZero() && took > f.patience {
		return &stuckError{fmt.Sprintf("its tree has not taken %d records for %s", n, took.Round(time.Second))}
	}
	if !f.batch.TryLock() {
		return nil // it is looked at before and after
	}
	defer f.batch.Unlock()
	now, _ := f.state()
	err := f.unchanged(now)
	if err == nil && time.Since(f.looked) > lookEvery {
		if err = f.lets(); err == nil {
			f.looked = time.Now()
		}
	}
	return err
}

// stuckError is the error of a disk that does not answer: to open the part anew would have to wait for it, too.
type stuckError struct{ reason string }

func (e *stuckError) Error() string { return e.reason }

// end waits until Tessera is not at work, and has nothing more handed over.
func (f *feed) end() {
	close(f.stop)
	f.ended.Wait()
}
