package pack

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"sort"
)

// entry is an object of a pack that is being indexed.
type entry struct {
	offset int64
	size   uint32 // of the object
	base   int32  // the entry that it is a delta of, or noBase
	typ    Type   // 0 until a delta is resolved
	id     ID     // likewise
}

const noBase = -1

// byOffset has a delta wait for the entry that is its base; byID for the object with an id.
type (
	byOffset struct{ base, child int32 }
	byID     struct {
		base  ID
		child int32
	}
)

// scan is what is known of a pack.
type scan struct {
	limits  Limits
	entries []entry
	offsets []byOffset // by base
	ids     []byID     // by base
	total   int64
	largest int64 // of the objects
	buffer  []byte
}

// scanPack reads a pack from its beginning to its end: all that is in it is counted, what is no delta gets its id.
func scanPack(ctx context.Context, file io.ReaderAt, size int64, limits Limits, turn *taking) (*scan, error) {
	if size < packHeader+packTrailer {
		return nil, torn("it has %d bytes", size)
	}
	if err := checkSum(ctx, file, size); err != nil {
		return nil, err
	}
	count, err := packHead(file, size, limits)
	if err != nil {
		return nil, err
	}
	if count > lightObjects {
		if err := turn.take(ctx); err != nil {
			return nil, err
		}
	}
	s := &scan{limits: limits, entries: make([]entry, 0, count), buffer: make([]byte, 32<<10)}
	in := newStream(file, size, 64<<10)
	in.seek(packHeader)
	hash, delta := newHasher(), bufio.NewReader(nil)
	for i := range count {
		if i%64 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := s.next(in, hash, delta); err != nil {
			return nil, err
		}
	}
	if in.at != in.end {
		return nil, malformed("it has bytes behind its last object")
	}
	slices.SortFunc(s.offsets, func(a, b byOffset) int { return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.child, b.child)) })
	slices.SortFunc(s.ids, func(a, b byID) int { return cmp.Or(bytes.Compare(a.base[:], b.base[:]), cmp.Compare(a.child, b.child)) })
	return s, nil
}

// packHead reads how many objects there are.
func packHead(file io.ReaderAt, size int64, limits Limits) (int64, error) {
	var head [packHeader]byte
	if _, err := file.ReadAt(head[:], 0); err != nil {
		return 0, err
	}
	if string(head[:4]) != "PACK" {
		return 0, malformed("it is no pack")
	}
	if v := binary.BigEndian.Uint32(head[4:]); v != 2 {
		return 0, malformed("packs of version %d are not known", v)
	}
	count := int64(binary.BigEndian.Uint32(head[8:]))
	if count > min(limits.Objects, math.MaxInt32) {
		return 0, overLimit("it has %d objects, and %d may be", count, limits.Objects)
	}
	// An object takes a byte of header and 8 of compressed data, so what is made room for by the count is there.
	if count > (size-packHeader-packTrailer)/9 {
		return 0, malformed("it is too short for its %d objects", count)
	}
	return count, nil
}

// checkSum compares a pack with the checksum at its end.
func checkSum(ctx context.Context, file io.ReaderAt, size int64) error {
	sum, in := sha1.New(), io.NewSectionReader(file, 0, size-packTrailer)
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := io.CopyN(sum, in, 8<<20); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	var trailer [packTrailer]byte
	if _, err := file.ReadAt(trailer[:], size-packTrailer); err != nil && err != io.EOF {
		return err
	}
	if !bytes.Equal(trailer[:], sum.Sum(nil)) {
		return torn("its checksum is another one")
	}
	return nil
}

// next takes in one object.
func (s *scan) next(in *stream, hash hasher, delta *bufio.Reader) error {
	e := entry{offset: in.at, base: noBase}
	h, err := in.header()
	if err != nil {
		return err
	}
	if err := s.count(h.size); err != nil {
		return err
	}
	content, err := in.inflate(h.size)
	if err != nil {
		return err
	}
	switch h.typ {
	case offsetDelta, idDelta:
		if err := s.await(h, e.offset); err != nil {
			return err
		}
		delta.Reset(content)
		_, result, err := deltaSizes(delta)
		if err != nil {
			return err
		}
		if err := s.count(result); err != nil {
			return err
		}
		e.size = uint32(result)
		if _, err := io.Copy(io.Discard, delta); err != nil {
			return err
		}
	default:
		e.typ, e.size = h.typ, uint32(h.size)
		hash.begin(h.typ, h.size)
		if _, err := io.CopyBuffer(hash, content, s.buffer); err != nil {
			return err
		}
		if e.id, err = hash.id(); err != nil {
			return err
		}
	}
	s.entries, s.largest = append(s.entries, e), max(s.largest, int64(e.size))
	return content.done()
}

// count adds a size to what the pack costs.
func (s *scan) count(size int64) error {
	if size > min(s.limits.ObjectBytes, math.MaxUint32) {
		return overLimit("an object has %d bytes, and %d may be", size, s.limits.ObjectBytes)
	}
	if s.total += size; s.total > s.limits.TotalBytes {
		return overLimit("its objects have more than %d bytes", s.limits.TotalBytes)
	}
	return nil
}

// await notes what the next entry is a delta of.
func (s *scan) await(h entryHeader, offset int64) error {
	child := int32(len(s.entries))
	if h.typ == idDelta {
		s.ids = append(s.ids, byID{h.base, child})
		return nil
	}
	base := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].offset >= offset-h.distance })
	if base == len(s.entries) || s.entries[base].offset != offset-h.distance {
		return malformed("a delta has no base where it says")
	}
	s.offsets = append(s.offsets, byOffset{int32(base), child})
	return nil
}

// waiting are the deltas that wait for an entry: ranges of offsets and ids.
type waiting struct{ offset, offsetEnd, id, idEnd int }

func (w waiting) none() bool { return w.offset == w.offsetEnd && w.id == w.idEnd }

// waitingFor finds them. The entry has its id. An object may be there many times, and as many deltas may name it by its id: they wait for the first that is found alone. As those
// that wait by id are taken first, the first of them is resolved before another copy can ask, whatever lies between.
func (s *scan) waitingFor(e int32) waiting {
	w := s.waitingAt(e)
	id := s.entries[e].id
	w.id = sort.Search(len(s.ids), func(i int) bool { return bytes.Compare(s.ids[i].base[:], id[:]) >= 0 })
	w.idEnd = w.id
	if w.id < len(s.ids) && s.ids[w.id].base == id && s.entries[s.ids[w.id].child].typ == 0 {
		w.idEnd += sort.Search(len(s.ids)-w.id, func(i int) bool { return s.ids[w.id+i].base != id })
	}
	return w
}

// waitingAt finds those that name the entry by its offset.
func (s *scan) waitingAt(e int32) waiting {
	var w waiting
	w.offset = sort.Search(len(s.offsets), func(i int) bool { return s.offsets[i].base >= e })
	w.offsetEnd = w.offset + sort.Search(len(s.offsets)-w.offset, func(i int) bool { return s.offsets[w.offset+i].base > e })
	return w
}

// take takes one of them; those that wait by id first, which waitingFor counts on.
func (s *scan) take(w *waiting) (child int32) {
	if w.id < w.idEnd {
		child = s.ids[w.id].child
		w.id++
		return child
	}
	child = s.offsets[w.offset].child
	w.offset++
	return child
}
