package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/oklog/ulid/v2"
)

// ErrClosed is the error of a File that was closed.
var ErrClosed = errors.New("the audit log is closed")

// File is a Log of JSON lines, each durable before it is acknowledged; records that wait at the same time share one fsync. When the disk fails, every call fails,
// nothing half-written stays, and calls succeed again when the disk does. It is safe for concurrent use; one process uses a file at a time.
type File struct {
	replica string
	now     func() time.Time
	w       *writer

	idMu sync.Mutex
	ids  *ulid.MonotonicEntropy

	queue chan *entry
	stop  chan struct{} // closed by Close: nothing more is taken
	ended chan struct{} // closed when the last record is written

	started  []byte // the note of the start, until it is durable
	health   atomic.Pointer[error]
	closing  sync.Once
	closeErr error
}

var _ Log = (*File)(nil)

// OpenFile opens or makes the log at path (mode 0600) and notes the start. An unfinished last line, which a crash can leave and nobody was promised, is cut off and noted.
// It fails if path is something else than a log or in use. A disk that takes no records at the moment is no error here: Intent fails until it does, see Err.
// replica names this process in every record; now and rand give times and ids.
func OpenFile(path, replica string, now func() time.Time, rand io.Reader) (*File, error) {
	return openFile(path, replica, now, rand, func(f *os.File) disk { return f })
}

// openFile is OpenFile with the disk to write to, which tests put between the log and its file.
func openFile(path, replica string, now func() time.Time, rand io.Reader, through func(*os.File) disk) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	l := &File{
		replica: replica, now: now, ids: ulid.Monotonic(rand, 0),
		queue: make(chan *entry, maxQueue), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := l.open(path, f, through(f)); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the audit log: %w", err), f.Close())
	}
	go l.run()
	return l, nil
}

func (l *File) open(path string, f *os.File, d disk) error {
	if err := lock(f); err != nil {
		return err
	}
	good, unfinished, err := tail(f)
	if err != nil {
		return err
	}
	if err := private(f); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	l.w = &writer{path: path, file: f, disk: d, good: good, dirty: unfinished > 0}
	out := Outcome{OK: true}
	if unfinished > 0 {
		out.Reason, out.Message = "UnfinishedRecordCut", fmt.Sprintf("cut off %d bytes of a record that was not finished when the log ended", unfinished)
	}
	_, l.started, err = l.encode("", PhaseNote, &Operation{Action: ActionLogStarted, Object: l.object()}, &out)
	if err != nil {
		return err
	}
	l.commit(nil)
	return nil
}

// private takes the file from group and others, as a volume's owner settings may have given it to them.
func private(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return f.Chmod(0o600)
}

// syncDir makes a file's name durable. Some network file systems know no sync of a directory and need none.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err = d.Sync(); errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

func (l *File) object() Object { return Object{Kind: "AuditLog", Name: filepath.Base(l.w.path)} }

// Intent implements Log. When ctx ends before the disk has answered, the record may be in the log all the same.
func (l *File) Intent(ctx context.Context, op Operation) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("recording an intent: %w", err)
	}
	id, line, err := l.encode("", PhaseIntent, &op, nil)
	if err == nil {
		err = l.add(ctx, line)
	}
	if err != nil {
		return "", fmt.Errorf("recording an intent: %w", err)
	}
	return id, nil
}

// Outcome implements Log. A ctx that has ended does not keep the record from being written, only from being waited for.
func (l *File) Outcome(ctx context.Context, id string, out Outcome) error {
	if _, err := ulid.ParseStrict(id); err != nil {
		return errors.New("recording an outcome: it cites no intent")
	}
	_, line, err := l.encode(id, PhaseOutcome, nil, &out)
	if err == nil {
		err = l.add(ctx, line)
	}
	if err != nil {
		return fmt.Errorf("recording an outcome: %w", err)
	}
	return nil
}

// Note implements Log.
func (l *File) Note(ctx context.Context, op Operation, out Outcome) error {
	_, line, err := l.encode("", PhaseNote, &op, &out)
	if err == nil {
		err = l.add(ctx, line)
	}
	if err != nil {
		return fmt.Errorf("recording a note: %w", err)
	}
	return nil
}

// Err is the error of the latest write, nil when it succeeded.
func (l *File) Err() error {
	if p := l.health.Load(); p != nil {
		return *p
	}
	return nil
}

// Close writes what waits and a note of the stop, and closes the file. Calls after it fail with ErrClosed.
func (l *File) Close() error {
	l.closing.Do(func() {
		close(l.stop)
		<-l.ended
		_, line, err := l.encode("", PhaseNote, &Operation{Action: ActionLogStopped, Object: l.object()}, &Outcome{OK: true})
		if err == nil {
			err = l.commit(line)
		}
		l.closeErr = errors.Join(err, l.w.file.Close())
	})
	return l.closeErr
}

// encode gives a record's id, made here unless it is an outcome's, and its line.
func (l *File) encode(id string, phase Phase, op *Operation, out *Outcome) (string, []byte, error) {
	at := l.now().UTC()
	if id == "" {
		l.idMu.Lock()
		u, err := ulid.New(ulid.Timestamp(at), l.ids)
		l.idMu.Unlock()
		if err != nil {
			return "", nil, fmt.Errorf("making an id: %w", err)
		}
		id = u.String()
	}
	line, err := encode(Record{Version: Version, ID: id, Time: at, Replica: l.replica, Phase: phase, Operation: op, Outcome: out})
	return id, line, err
}
