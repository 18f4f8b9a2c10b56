package pack

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
)

const (
	// inMemory is how large an index may be to be kept in memory.
	inMemory = 4 << 20
	// heavy is from which size on of what is inflated on the way to an object only one is read at a time, of all that share a Turn.
	heavy = 4 << 20
	// maxWork is how much may be inflated on the way to one object.
	maxWork = 256 << 20
)

// Pack is a pack with its index. It is safe for concurrent use.
type Pack struct {
	limits Limits
	size   int64
	file   *os.File
	x      *os.File // nil where the index is in memory
	index  *index
	turn   *Turn
	// readers are for reuse: inflating takes buffers that are larger than most objects.
	readers sync.Pool
}

// Open opens a pack that Index has indexed. Errors are ErrTorn where one of the files is not what was written. It takes the files over.
func Open(file, x *os.File, limits Limits) (*Pack, error) {
	p := &Pack{limits: limits, file: file, x: x, turn: limits.Turn}
	if p.turn == nil {
		p.turn = NewTurn()
	}
	if err := p.open(); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Pack) open() error {
	about, err := p.file.Stat()
	if err != nil {
		return err
	}
	aboutIndex, err := p.x.Stat()
	if err != nil {
		return err
	}
	if p.size = about.Size(); p.size < packHeader+packTrailer {
		return torn("it has %d bytes", p.size)
	}
	var in io.ReaderAt = p.x
	if aboutIndex.Size() <= inMemory {
		content := make([]byte, aboutIndex.Size())
		if _, err := p.x.ReadAt(content, 0); err != nil {
			return err
		}
		in = bytes.NewReader(content)
		_ = p.x.Close()
		p.x = nil
	}
	p.index, err = openIndex(in, aboutIndex.Size(), p.file, p.size)
	return err
}

// Close closes the files. Nothing may be read any more.
func (p *Pack) Close() error {
	if p.x != nil {
		_ = p.x.Close()
	}
	return p.file.Close()
}

// Size is that of the pack, in bytes.
func (p *Pack) Size() int64 { return p.size }

// Find says where an object is, and how large; ErrNoObject if it is not here.
func (p *Pack) Find(id ID) (Entry, error) { return p.index.find(id) }

// link is a delta on the way to an object.
type link struct {
	offset, size int64
}

// Read reads an object. Its content is what its id says: otherwise the error is ErrTorn. What takes too much work to put together is ErrLimit.
func (p *Pack) Read(id ID) (Type, []byte, error) {
	e, err := p.Find(id)
	if err != nil {
		return 0, nil, err
	}
	content, err := p.read(id, e)
	if errors.Is(err, ErrMalformed) {
		// It was well formed when it was indexed.
		return 0, nil, torn("object %s: %v", id, err)
	}
	if err != nil {
		return 0, nil, err
	}
	return e.Type, content, nil
}

// read has the turn until it knows that the content is the object's: hashing takes a while, in which the next one would begin.
func (p *Pack) read(id ID, e Entry) ([]byte, error) {
	r, is := p.readers.Get().(*reader)
	if !is {
		r = &reader{pack: p, in: newStream(p.file, p.size, 4<<10), buffer: bufio.NewReader(nil)}
	}
	defer p.readers.Put(r)
	chain, work, err := r.chain(e)
	if err != nil {
		return nil, err
	}
	if work > heavy {
		p.turn.reading.Lock()
		defer p.turn.reading.Unlock()
	}
	content, err := r.content(chain)
	if err == nil && Hash(e.Type, content) != id {
		err = torn("object %s has another content", id)
	}
	return content, err
}

type reader struct {
	pack   *Pack
	in     *stream
	buffer *bufio.Reader
}

// chain goes from an object to the one that is no delta.
func (r *reader) chain(e Entry) (chain []link, work int64, err error) {
	for at := e.Offset; ; {
		if len(chain) > maxChain {
			return nil, 0, malformed("it has more than %d deltas upon each other", maxChain)
		}
		r.in.seek(at)
		h, err := r.in.header()
		if err != nil {
			return nil, 0, err
		}
		l, next := link{offset: at, size: h.size}, int64(0)
		switch h.typ {
		case offsetDelta:
			next = at - h.distance
		case idDelta:
			base, err := r.pack.Find(h.base)
			if err != nil {
				return nil, 0, err
			}
			next = base.Offset
		}
		if next > 0 {
			if l.size, err = r.result(h); err != nil {
				return nil, 0, err
			}
		}
		chain = append(chain, l)
		if work += l.size; work > maxWork || l.size > r.pack.limits.ObjectBytes {
			return nil, 0, overLimit("an object takes more than %d bytes of work", maxWork)
		}
		if next <= 0 {
			return chain, work, nil
		}
		at = next
	}
}

// result reads how large what a delta makes is.
func (r *reader) result(h entryHeader) (int64, error) {
	content, err := r.in.inflate(h.size)
	if err != nil {
		return 0, err
	}
	r.buffer.Reset(content)
	_, size, err := deltaSizes(r.buffer)
	return size, err
}

// content puts an object together.
func (r *reader) content(chain []link) ([]byte, error) {
	var content []byte
	for i := len(chain) - 1; i >= 0; i-- {
		r.in.seek(chain[i].offset)
		h, err := r.in.header()
		if err != nil {
			return nil, err
		}
		next := make([]byte, chain[i].size)
		if h.typ == offsetDelta || h.typ == idDelta {
			err = r.in.apply(&fixed{next}, content, h, chain[i].size, r.buffer)
		} else {
			var in *inflated
			if in, err = r.in.inflate(h.size); err == nil {
				if _, err = io.ReadFull(in, next); err == nil {
					err = in.done()
				}
			}
		}
		if err != nil {
			return nil, err
		}
		content = next
	}
	return content, nil
}
