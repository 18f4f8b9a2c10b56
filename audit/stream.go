package audit

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
)

// maxStream bounds the bytes that wait for the reader of a Stream.
const maxStream = 8 << 20

// Stream copies durable records to a writer, a line each. A writer that is slow or stuck never holds up the log: what does not fit is left out of the copy, and counted.
// It is safe for concurrent use.
type Stream struct {
	to      io.Writer
	room    atomic.Int64
	dropped atomic.Int64
	lines   chan []byte
	mu      sync.Mutex // of closed, and of sending before it
	closed  bool
	written chan struct{} // closed when all is written after Close
}

// NewStream starts the goroutine that writes.
func NewStream(to io.Writer) *Stream {
	s := &Stream{to: to, lines: make(chan []byte, 1<<14), written: make(chan struct{})}
	s.room.Store(maxStream)
	go s.run()
	return s
}

// Durable takes records, as Config.Durable gives them. After Close it leaves them out: a store that was given up waiting for may answer all the same.
func (s *Stream) Durable(records [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.dropped.Add(int64(len(records)))
		return
	}
	for _, r := range records {
		line := append(append(make([]byte, 0, len(r)+1), r...), '\n')
		if s.room.Add(-int64(len(line))) < 0 {
			s.room.Add(int64(len(line)))
			s.dropped.Add(1)
			continue
		}
		select {
		case s.lines <- line:
		default:
			s.room.Add(int64(len(line)))
			s.dropped.Add(1)
		}
	}
}

// Dropped counts the records that were left out, because they could not be written in time or at all.
func (s *Stream) Dropped() int64 { return s.dropped.Load() }

// Close waits until what it has is written, or ctx ends.
func (s *Stream) Close(ctx context.Context) {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.lines)
	}
	s.mu.Unlock()
	select {
	case <-s.written:
	case <-ctx.Done():
	}
}

func (s *Stream) run() {
	defer close(s.written)
	for line := range s.lines {
		if _, err := s.to.Write(line); err != nil {
			s.dropped.Add(1)
		}
		s.room.Add(int64(len(line)))
	}
}
