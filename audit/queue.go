package audit

import (
	"context"
	"runtime"
)

const (
	maxQueue = 1024
	maxBatch = 1 << 20 // bytes; one more record may follow
)

// entry is one line that waits for the disk; done takes one answer.
type entry struct {
	line []byte
	done chan error
}

// add hands a line to the writer and waits until it is durable.
func (l *File) add(ctx context.Context, line []byte) error {
	select {
	case <-l.stop:
		return ErrClosed
	default:
	}
	e := &entry{line: line, done: make(chan error, 1)}
	select {
	case l.queue <- e:
	default:
		select {
		case l.queue <- e:
		case <-l.ended:
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
	case <-l.ended:
	}
	// An answer that came at the same time counts.
	select {
	case err := <-e.done:
		return err
	default:
		return late
	}
}

// run is the one goroutine that writes, until Close.
func (l *File) run() {
	defer close(l.ended)
	for {
		select {
		case e := <-l.queue:
			l.write(e)
		case <-l.stop:
			for {
				select {
				case e := <-l.queue:
					l.write(e)
				default:
					return
				}
			}
		}
	}
}

// write commits first and whatever waits with it.
func (l *File) write(first *entry) {
	// Those whom the last batch has woken are about to come back with their next record: one more turn of the scheduler halves the number of fsyncs.
	runtime.Gosched()
	batch, lines := []*entry{first}, first.line
	for len(lines) < maxBatch {
		select {
		case e := <-l.queue:
			batch, lines = append(batch, e), append(lines, e.line...)
			continue
		default:
		}
		break
	}
	err := l.commit(lines)
	for _, e := range batch {
		e.done <- err
	}
}

// commit appends lines, behind the note of the start if that is not durable yet.
func (l *File) commit(lines []byte) error {
	err := l.w.append(append(l.started[:len(l.started):len(l.started)], lines...))
	if err == nil {
		l.started = nil
	}
	l.health.Store(&err)
	return err
}
