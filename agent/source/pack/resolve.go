package pack

import (
	"bufio"
	"context"
	"io"
)

// resolver gives deltas their ids. It goes from each base to the deltas that wait for it, depth first, and keeps the contents of those on the way that it needs again, as far
// as there is room; what it has let go is put together anew.
type resolver struct {
	*scan
	ctx    context.Context
	in     *stream
	buffer *bufio.Reader
	hash   hasher
	path   []step
	kept   int64 // bytes in path
	work   int64 // bytes that were made
	tick   int
}

// step is an object on the way, with deltas that wait for it.
type step struct {
	entry   int32
	depth   int
	content []byte // nil: it was let go
	waiting waiting
}

func (s *scan) resolve(ctx context.Context, file io.ReaderAt, size int64) error {
	r := &resolver{scan: s, ctx: ctx, in: newStream(file, size, 4<<10), buffer: bufio.NewReader(nil), hash: newHasher()}
	for e := range int32(len(s.entries)) {
		// Deltas are resolved from their bases.
		if s.entries[e].base != noBase || s.entries[e].typ == 0 {
			continue
		}
		if w := s.waitingFor(e); !w.none() {
			r.path = append(r.path, step{entry: e, waiting: w})
			if err := r.walk(); err != nil {
				return err
			}
		}
	}
	for i := range s.entries {
		if s.entries[i].typ == 0 {
			return malformed("it has a delta of something that is not in it")
		}
	}
	return nil
}

// walk resolves all that waits for what is on the path.
func (r *resolver) walk() error {
	for len(r.path) > 0 {
		top := &r.path[len(r.path)-1]
		if r.tick++; r.tick%256 == 0 && r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		if top.content == nil {
			content, err := r.rebuild(top.entry)
			if err != nil {
				return err
			}
			r.keep(top, content)
		}
		child, base, depth, entry := r.take(&top.waiting), top.content, top.depth+1, top.entry
		if top.waiting.none() {
			r.drop(top)
			r.path = r.path[:len(r.path)-1]
		}
		r.entries[child].base = entry
		if depth > maxChain {
			return malformed("it has more than %d deltas upon each other", maxChain)
		}
		if err := r.child(child, base, depth); err != nil {
			return err
		}
	}
	return nil
}

// child resolves a delta, and puts it on the path if others wait for it.
func (r *resolver) child(child int32, base []byte, depth int) error {
	e := &r.entries[child]
	e.typ = r.entries[e.base].typ
	r.hash.begin(e.typ, int64(e.size))
	var to io.Writer = r.hash
	var content []byte
	// By its id something can wait for it only where anything waits by id.
	if len(r.ids) > 0 || !r.waitingAt(child).none() {
		content = make([]byte, e.size)
		to = io.MultiWriter(r.hash, &fixed{content})
	}
	if err := r.apply(to, base, child); err != nil {
		return err
	}
	var err error
	if e.id, err = r.hash.id(); err != nil || content == nil {
		return err
	}
	if w := r.waitingFor(child); !w.none() {
		r.path = append(r.path, step{entry: child, depth: depth, waiting: w})
		r.keep(&r.path[len(r.path)-1], content)
	}
	return nil
}

// apply writes to w what the delta of an entry makes of its base.
func (r *resolver) apply(w io.Writer, base []byte, e int32) error {
	size := int64(r.entries[e].size)
	if err := r.spend(size); err != nil {
		return err
	}
	r.in.seek(r.entries[e].offset)
	h, err := r.in.header()
	if err != nil {
		return err
	}
	return r.in.apply(w, base, h, size, r.buffer)
}

// rebuild puts the content of an entry together from what is in the pack.
func (r *resolver) rebuild(e int32) ([]byte, error) {
	var chain []int32
	for at := e; at != noBase; at = r.entries[at].base {
		chain = append(chain, at)
	}
	var content []byte
	for i := len(chain) - 1; i >= 0; i-- {
		next := make([]byte, r.entries[chain[i]].size)
		if err := r.one(next, content, chain[i]); err != nil {
			return nil, err
		}
		content = next
	}
	return content, nil
}

// one fills to with the content of an entry, whose base has the content base.
func (r *resolver) one(to, base []byte, e int32) error {
	if r.entries[e].base != noBase {
		return r.apply(&fixed{to}, base, e)
	}
	if err := r.spend(int64(len(to))); err != nil {
		return err
	}
	r.in.seek(r.entries[e].offset)
	h, err := r.in.header()
	if err != nil {
		return err
	}
	content, err := r.in.inflate(h.size)
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(content, to); err != nil {
		return broken(err)
	}
	return content.done()
}

// keep gives a step on the path its content, and lets go of others where there is no room: those that are needed last.
func (r *resolver) keep(s *step, content []byte) {
	s.content = content
	r.kept += int64(len(content))
	for i := 0; r.kept > r.limits.ObjectBytes && i < len(r.path); i++ {
		if other := &r.path[i]; other != s {
			r.drop(other)
		}
	}
}

func (r *resolver) drop(s *step) {
	r.kept -= int64(len(s.content))
	s.content = nil
}

// spend counts the bytes that are made. A pack that was made so that the same has to be put together again and again costs no more than a few times what one may.
func (r *resolver) spend(size int64) error {
	if r.work += size; r.work > 8*r.limits.TotalBytes {
		return overLimit("its deltas take too much work")
	}
	// An object may take thousands of others to be put together.
	if (r.work-size)>>20 != r.work>>20 {
		return r.ctx.Err()
	}
	return nil
}
