package faultproxy

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// stream is the body of a watch: one JSON event after the other.
type stream struct {
	proxy   *Proxy
	request Request
	source  io.ReadCloser
	events  *json.Decoder
	pending []byte
	closed  chan struct{}
	once    sync.Once

	mu   sync.Mutex
	last []byte // the event that is sent before the end, if anything
}

// hold keeps the events of some watches back.
type hold struct {
	match    func(Request) bool
	released chan struct{}
}

func (p *Proxy) open(r Request, body io.ReadCloser) *stream {
	s := &stream{proxy: p, request: r, source: body, events: json.NewDecoder(body), closed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[s] = struct{}{}
	return s
}

// Read implements io.Reader.
func (s *stream) Read(b []byte) (int, error) {
	if len(s.pending) == 0 {
		var event json.RawMessage
		err := s.events.Decode(&event)
		if err == nil {
			s.wait()
			if s.ended() {
				err = io.ErrUnexpectedEOF
			}
		}
		if err != nil {
			s.mu.Lock()
			event, s.last = s.last, nil
			s.mu.Unlock()
			if event == nil {
				return 0, err
			}
		}
		s.pending = append(event, '\n')
	}
	n := copy(b, s.pending)
	s.pending = s.pending[n:]
	return n, nil
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.once.Do(func() { close(s.closed) })
	s.proxy.mu.Lock()
	delete(s.proxy.streams, s)
	s.proxy.mu.Unlock()
	return s.source.Close()
}

func (s *stream) ended() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// wait returns when no hold is on the stream, or it has ended.
func (s *stream) wait() {
	for {
		h := s.proxy.holdOn(s.request)
		if h == nil {
			return
		}
		select {
		case <-h.released:
		case <-s.closed:
			return
		}
	}
}

// end ends the stream, after a last event if one is given.
func (s *stream) end(last []byte) {
	s.mu.Lock()
	s.last = last
	s.mu.Unlock()
	_ = s.Close()
}

func (p *Proxy) holdOn(r Request) *hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.holds {
		if h.match(r) {
			return h
		}
	}
	return nil
}

// Hold keeps back the events of the watches that match, those that begin meanwhile included, until the result is called: what the client has in its cache
// grows old. A list is not held.
func (p *Proxy) Hold(match func(Request) bool) (release func()) {
	h := &hold{match: match, released: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds = append(p.holds, h)
	return sync.OnceFunc(func() {
		p.mu.Lock()
		p.holds = slices.DeleteFunc(p.holds, func(o *hold) bool { return o == h })
		p.mu.Unlock()
		close(h.released)
	})
}

// Watches is the number of watches that are open.
func (p *Proxy) Watches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.streams)
}

// DropWatches cuts the connections of all watches and says how many there were.
func (p *Proxy) DropWatches() int { return p.endWatches(nil) }

// ExpireWatches ends all watches with an event that says 410 Gone, and says how many there were.
func (p *Proxy) ExpireWatches() int {
	return p.endWatches(encode(map[string]any{"type": "ERROR", "object": status(http.StatusGone)}))
}

func (p *Proxy) endWatches(last []byte) int {
	p.mu.Lock()
	var all []*stream
	for s := range p.streams {
		all = append(all, s)
	}
	p.mu.Unlock()
	for _, s := range all {
		s.end(last)
	}
	return len(all)
}

// jsonOnly takes the binary forms out of an Accept header.
func jsonOnly(accept string) string {
	kinds := strings.Split(accept, ",")
	return strings.Join(slices.DeleteFunc(kinds, func(k string) bool { return !strings.HasPrefix(strings.TrimSpace(k), "application/json") }), ",")
}
