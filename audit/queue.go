package audit

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	maxQueue = 1024
	maxBatch = 1 << 20 // bytes; one more record may follow
)

// entry is what waits for the store together; done takes one answer.
type entry struct {
	records [][]byte
	done    chan error
	// intent is the id of the intent that the entry ends with, empty for none.
	intent string
	// fate is decided once: the caller has the answer, or has gone without it.
	fate atomic.Int32
}

// The fates of an entry.
const (
	waiting int32 = iota
	answered
	gone
)

// leave gives up waiting; false if there is an answer.
func (e *entry) leave() bool { return e.fate.CompareAndSwap(waiting, gone) }

// answer tells the caller; false if there is none any more.
func (e *entry) answer(err error) bool {
	if !e.fate.CompareAndSwap(waiting, answered) {
		return false
	}
	e.done <- err
	return true
}

// add hands records to the goroutine that writes and waits until they are durable.
func (r *Recorder) add(ctx context.Context, e *entry) error {
	select {
	case <-r.stop:
		return ErrClosed
	default:
	}
	select {
	case r.queue <- e:
	default:
		select {
		case r.queue <- e:
		case <-r.ended:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	late := ErrClosed
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		late = ctx.Err()
	case <-r.ended:
	}
	if !e.leave() { // an answer that came at the same time counts
		return <-e.done
	}
	return late
}

// run is the one goroutine that writes, until Close.
func (r *Recorder) run() {
	defer close(r.ended)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // what waits for the API server waits no longer
		<-r.stop
		cancel()
	}()
	_ = r.commit(ctx, nil) // opens the store, so that its state is known before the first operation
	tick := time.NewTicker(r.every.retry)
	defer tick.Stop()
	for {
		select {
		case e := <-r.queue:
			r.write(ctx, e)
		case <-tick.C:
			r.asides(ctx)
		case <-r.stop:
			for {
				select {
				case e := <-r.queue:
					r.write(ctx, e)
				default:
					return
				}
			}
		}
	}
}

// gather is how long a batch waits at most for the callers that the one before has woken: they are about to come back with their next record, and a commit takes far longer.
const gather = 200 * time.Microsecond

// write commits first and whatever waits with it.
func (r *Recorder) write(ctx context.Context, first *entry) {
	for began := time.Now(); len(r.queue)+1 < r.woken && time.Since(began) < gather; {
		runtime.Gosched()
	}
	batch, records, size := []*entry{}, r.aside, 0
	for e := first; e != nil; {
		// An intent whose caller has gone is none.
		if e.intent == "" || e.fate.Load() != gone {
			batch, records, size = append(batch, e), append(records, e.records...), size+e.size()
		}
		e = nil
		if size < maxBatch {
			select {
			case e = <-r.queue:
			default:
			}
		}
	}
	err := r.commit(ctx, records)
	if err == nil {
		r.aside = nil
	}
	r.woken = len(batch)
	for _, e := range batch {
		if !e.answer(err) && err == nil && e.intent != "" {
			r.abandoned(e.intent)
		}
	}
}

// abandoned has the outcome of a durable intent recorded whose caller has given up waiting for it, and so has done nothing.
func (r *Recorder) abandoned(id string) {
	e := &entry{}
	if err := r.encode(e, id, PhaseOutcome, nil, &Outcome{Reason: ReasonAbandoned, Message: "the caller gave up before the intent was durable; nothing was done"}); err == nil {
		r.aside = append(r.aside, e.records...)
	}
}

// asides writes what nobody waits for, and asks the store whether it is ready.
func (r *Recorder) asides(ctx context.Context) {
	if r.commit(ctx, r.aside) == nil {
		r.aside = nil
	}
}

func (e *entry) size() (n int) {
	for _, r := range e.records {
		n += len(r)
	}
	return n
}

// commit makes records durable, behind what the log has to say of itself.
func (r *Recorder) commit(ctx context.Context, records [][]byte) error {
	began := r.cfg.Now()
	r.busy.Store(&began)
	n, err := r.tryCommit(ctx, records)
	r.busy.Store(nil)
	r.health.Store(&err)
	if r.cfg.Observe != nil && (n > 0 || err != nil) {
		r.cfg.Observe(Commit{Records: n, Took: r.cfg.Now().Sub(began), Err: err})
	}
	return err
}

// tryCommit gives how many records there were.
func (r *Recorder) tryCommit(ctx context.Context, records [][]byte) (int, error) {
	notes, err := r.cfg.Store.Ready(ctx)
	if err != nil {
		return len(records), err
	}
	first := &entry{}
	for _, n := range notes {
		if err := r.encode(first, r.newID(), PhaseNote, &n.Operation, &n.Outcome); err != nil {
			return len(records), err
		}
	}
	records = append(first.records, records...)
	if len(records) == 0 {
		return 0, nil
	}
	// What was begun is finished: a record that has gone to the disk half is worse than one that comes late.
	if err := r.cfg.Store.Append(context.WithoutCancel(ctx), records); err != nil {
		return len(records), err
	}
	if r.cfg.Durable != nil {
		r.cfg.Durable(records)
	}
	return len(records), nil
}
