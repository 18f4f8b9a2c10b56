package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
)

// ErrClosed is the error of a Recorder that was closed, ErrConflict that of an anchor that has changed meanwhile.
var (
	ErrClosed   = errors.New("the audit log is closed")
	ErrConflict = errors.New("the anchor has changed meanwhile")
)

// Config is what a Recorder needs. All is required that does not say otherwise.
type Config struct {
	Store Store
	// Replica names this process in every record.
	Replica string
	// Now gives times, Rand ids.
	Now  func() time.Time
	Rand io.Reader
	// Durable is told of all records of a commit after they are durable, from one goroutine; it may be nil and must not keep the slices.
	Durable func(records [][]byte)
	// Observe is told of each commit of records, how long it took and whether it failed, from the same goroutine; it may be nil.
	Observe func(Commit)
}

// Commit is one write to the store.
type Commit struct {
	Records int
	// Took is from the moment at which the records were gathered to that at which they were durable.
	Took time.Duration
	Err  error
}

// Stats is what is under way in a Recorder.
type Stats struct {
	// Queued is how many calls wait to be written, at most the queue's length of 1024.
	Queued int
	// Unmatched is how many intents of this process are durable and have no durable outcome yet, Oldest when the first of them was made; zero for none.
	Unmatched int
	Oldest    time.Time
}

// Recorder is a Log over a Store. Records that wait at the same time become durable together. When the store fails, every call fails, and calls succeed again when the store
// does. It is safe for concurrent use.
type Recorder struct {
	cfg   Config
	every intervals
	idMu  sync.Mutex
	ids   *ulid.MonotonicEntropy

	queue chan *entry
	stop  chan struct{} // closed by Close: nothing more is taken
	ended chan struct{} // closed when the last record is written
	aside [][]byte      // records that nobody waits for, and woken below: the writing goroutine's own
	woken int           // how many callers the latest commit has answered

	openMu sync.Mutex
	open   map[string]time.Time // intents without outcome

	term     atomic.Pointer[int64]
	offset   atomic.Pointer[int64]
	health   atomic.Pointer[error]
	busy     atomic.Pointer[time.Time] // since when the store has been at work; nil while it is not
	closing  sync.Once
	closeErr error
}

var _ Log = (*Recorder)(nil)

// NewRecorder starts the goroutine that writes, and tries to open the store. A store that cannot take records at the moment is no error: Intent fails until it can, see Err.
func NewRecorder(cfg Config) *Recorder {
	return newRecorder(cfg, intervals{retry: time.Second, stuck: 5 * time.Second, closing: 15 * time.Second})
}

// intervals are how long a Recorder waits for things.
type intervals struct {
	// retry is how often the store is asked whether it is ready, so that what has happened to it is known, and over, without an operation.
	retry time.Duration
	// stuck is how long the store may be at work before Err says that it does not answer.
	stuck time.Duration
	// closing is how long Close waits for a disk that does not answer, well under the 30 s that a pod has to end in.
	closing time.Duration
}

func newRecorder(cfg Config, every intervals) *Recorder {
	r := &Recorder{
		cfg: cfg, every: every, ids: ulid.Monotonic(cfg.Rand, 0), queue: make(chan *entry, maxQueue), stop: make(chan struct{}), ended: make(chan struct{}), open: map[string]time.Time{},
	}
	opening := errors.New("the audit log is being opened")
	r.health.Store(&opening)
	go r.run()
	return r
}

// ReasonAbandoned is that of an outcome which the Recorder gives itself: the caller of Intent had gone when the record was durable.
const ReasonAbandoned = "Abandoned"

// Intent implements Log. When ctx ends before the store has answered, the record may be in the log all the same, with an outcome that says so.
func (r *Recorder) Intent(ctx context.Context, op Operation, notes ...Standing) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("recording an intent: %w", err)
	}
	e := &entry{done: make(chan error, 1)}
	for _, n := range notes {
		if err := r.encode(e, r.newID(), PhaseNote, &n.Operation, &n.Outcome); err != nil {
			return "", fmt.Errorf("recording an intent: %w", err)
		}
	}
	id := r.newID()
	e.intent = id
	err := r.encode(e, id, PhaseIntent, &op, nil)
	if err == nil {
		err = r.add(ctx, e)
	}
	if err != nil {
		return "", fmt.Errorf("recording an intent: %w", err)
	}
	r.openMu.Lock()
	defer r.openMu.Unlock()
	r.open[id] = r.cfg.Now()
	return id, nil
}

// Outcome implements Log. A ctx that has ended does not keep the record from being written, only from being waited for.
func (r *Recorder) Outcome(ctx context.Context, id string, out Outcome) error {
	if _, err := ulid.ParseStrict(id); err != nil {
		return errors.New("recording an outcome: it cites no intent")
	}
	e := &entry{done: make(chan error, 1)}
	err := r.encode(e, id, PhaseOutcome, nil, &out)
	if err == nil {
		err = r.add(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("recording an outcome: %w", err)
	}
	r.openMu.Lock()
	defer r.openMu.Unlock()
	delete(r.open, id)
	return nil
}

// Note implements Log.
func (r *Recorder) Note(ctx context.Context, op Operation, out Outcome) error {
	e := &entry{done: make(chan error, 1)}
	err := r.encode(e, r.newID(), PhaseNote, &op, &out)
	if err == nil {
		err = r.add(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("recording a note: %w", err)
	}
	return nil
}

// Begin has every record from here on carry the number of a term. The caller notes ActionTermBegan first thing after it.
func (r *Recorder) Begin(term int64) { r.term.Store(&term) }

// Offset has every record from here on carry how far the API server's clock is ahead of ours.
func (r *Recorder) Offset(d time.Duration) {
	ms := d.Milliseconds()
	r.offset.Store(&ms)
}

// Err is nil while records can be written: the latest commit has succeeded, and the one that is under way is not late. The store is asked once a second, whether there are
// records or not.
func (r *Recorder) Err() error {
	if since := r.busy.Load(); since != nil {
		if took := r.cfg.Now().Sub(*since); took > r.every.stuck {
			return fmt.Errorf("the audit log has not answered for %s", took.Round(time.Second))
		}
	}
	if p := r.health.Load(); p != nil {
		return *p
	}
	return nil
}

// Stats is safe for concurrent use.
func (r *Recorder) Stats() Stats {
	r.openMu.Lock()
	defer r.openMu.Unlock()
	s := Stats{Queued: len(r.queue), Unmatched: len(r.open)}
	for _, at := range r.open {
		if s.Oldest.IsZero() || at.Before(s.Oldest) {
			s.Oldest = at
		}
	}
	return s
}

// Close writes what waits and a note of the stop, and closes the store. Calls after it fail with ErrClosed. A store that does not answer within 15 s is left alone, with an error.
func (r *Recorder) Close() error {
	r.closing.Do(func() {
		close(r.stop)
		closed := make(chan error, 1)
		go func() {
			<-r.ended
			closed <- errors.Join(r.stopped(), r.cfg.Store.Close())
		}()
		late := time.NewTimer(r.every.closing)
		defer late.Stop()
		select {
		case r.closeErr = <-closed:
		case <-late.C:
			r.closeErr = fmt.Errorf("closing the audit log: it has not answered for %s", r.every.closing)
		}
	})
	return r.closeErr
}

// stopped notes the stop in a log that can be written, behind what was left aside: nothing comes after it that could take that along.
func (r *Recorder) stopped() error {
	if r.Err() != nil && len(r.aside) == 0 {
		return nil // it is known, and the next start has more to say
	}
	e := &entry{records: r.aside}
	op := Operation{Action: ActionLogStopped, Object: Object{Kind: "AuditLog", Name: r.cfg.Replica}, Actor: Actor{User: Unattributed}}
	if err := r.encode(e, r.newID(), PhaseNote, &op, &Outcome{OK: true}); err != nil {
		return err
	}
	return r.commit(context.Background(), e.records)
}

func (r *Recorder) newID() string {
	r.idMu.Lock()
	defer r.idMu.Unlock()
	return ulid.MustNew(ulid.Timestamp(r.cfg.Now()), r.ids).String()
}

// encode adds a record to the entry.
func (r *Recorder) encode(e *entry, id string, phase Phase, op *Operation, out *Outcome) error {
	b, err := encode(Record{
		Version: Version, ID: id, Time: r.cfg.Now().UTC(), ClockOffset: r.offset.Load(), Replica: r.cfg.Replica, Term: r.term.Load(), Phase: phase, Operation: op, Outcome: out,
	})
	e.records = append(e.records, b)
	return err
}
