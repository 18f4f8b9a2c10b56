package audit

import (
	"context"
	"runtime"
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
	// An answer that came at the same time counts.
	select {
	case err := <-e.done:
		return err
	default:
		return late
	}
}

// retry is how often the store is asked whether it is ready, so that what has happened to it is known, and over, without an operation.
const retry = time.Second

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
	tick := time.NewTicker(retry)
	defer tick.Stop()
	for {
		select {
		case e := <-r.queue:
			r.write(ctx, e)
		case <-tick.C:
			_ = r.commit(ctx, nil)
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

// write commits first and whatever waits with it.
func (r *Recorder) write(ctx context.Context, first *entry) {
	// Those whom the last batch has woken are about to come back with their next record: one more turn of the scheduler halves the number of fsyncs.
	runtime.Gosched()
	batch, records, size := []*entry{first}, first.records, first.size()
	for size < maxBatch {
		select {
		case e := <-r.queue:
			batch, records, size = append(batch, e), append(records, e.records...), size+e.size()
			continue
		default:
		}
		break
	}
	err := r.commit(ctx, records)
	for _, e := range batch {
		e.done <- err
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
