package pack

import (
	"bufio"
	"compress/zlib"
	"errors"
	"io"
)

const (
	packHeader  = 12
	packTrailer = 20
)

// stream reads the objects of a pack one behind the other, or from any offset, and knows where it is. It reads byte by byte where the inflater does, so that nothing is
// taken from the object behind.
type stream struct {
	file io.ReaderAt
	end  int64 // where the trailer begins
	in   *bufio.Reader
	at   int64
	z    io.ReadCloser
}

func newStream(file io.ReaderAt, size int64, buffer int) *stream {
	return &stream{file: file, end: size - packTrailer, in: bufio.NewReaderSize(nil, buffer)}
}

func (s *stream) seek(offset int64) {
	s.in.Reset(io.NewSectionReader(s.file, offset, s.end-offset))
	s.at = offset
}

// ReadByte is for the inflater and for headers.
func (s *stream) ReadByte() (byte, error) {
	b, err := s.in.ReadByte()
	if err == nil {
		s.at++
	}
	return b, err
}

// Read is for the inflater and for ids.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	s.at += int64(n)
	return n, err
}

// entryHeader is what stands before an object.
type entryHeader struct {
	typ      Type
	size     int64 // of what is inflated: the object, or the delta
	distance int64 // of an offsetDelta: how far before it its base is
	base     ID    // of an idDelta
}

// header reads the header of the object that the stream is at.
func (s *stream) header() (entryHeader, error) {
	var h entryHeader
	b, err := s.ReadByte()
	if err != nil {
		return h, ended(err)
	}
	h.typ, h.size = Type(b>>4&7), int64(b&0x0f)
	for shift := 4; b&0x80 != 0; shift += 7 {
		if b, err = s.ReadByte(); err != nil {
			return h, ended(err)
		}
		if shift > 53 {
			return h, malformed("the size of an object is no number")
		}
		h.size |= int64(b&0x7f) << shift
	}
	switch h.typ {
	case Commit, Tree, Blob, Tag:
	case offsetDelta:
		h.distance, err = s.distance()
	case idDelta:
		_, err = io.ReadFull(s, h.base[:])
	default:
		return h, malformed("there is no type %d of objects", h.typ)
	}
	return h, ended(err)
}

func (s *stream) distance() (int64, error) {
	b, err := s.ReadByte()
	d := int64(b & 0x7f)
	for b&0x80 != 0 && err == nil {
		if d > 1<<53 {
			return 0, malformed("the offset of a delta is no number")
		}
		b, err = s.ReadByte()
		d = (d+1)<<7 | int64(b&0x7f)
	}
	return d, err
}

// inflate begins to read what is compressed behind a header; no more than it says to be there.
func (s *stream) inflate(size int64) (*inflated, error) {
	if s.z == nil {
		z, err := zlib.NewReader(s)
		if err != nil {
			return nil, broken(err)
		}
		s.z = z
	} else if err := s.z.(zlib.Resetter).Reset(s, nil); err != nil {
		return nil, broken(err)
	}
	return &inflated{in: s.z, left: size}, nil
}

// inflated is content while it is read.
type inflated struct {
	in   io.Reader
	left int64
	one  [1]byte
}

func (i *inflated) Read(p []byte) (int, error) {
	if i.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > i.left {
		p = p[:i.left]
	}
	n, err := i.in.Read(p)
	i.left -= int64(n)
	if err == io.EOF && i.left == 0 && n > 0 {
		err = nil
	}
	if err != nil {
		return n, broken(err)
	}
	return n, nil
}

// done reads what is left, and makes sure that there is neither less nor more than the header said.
func (i *inflated) done() error {
	if _, err := io.Copy(io.Discard, i); err != nil {
		return err
	}
	for {
		n, err := i.in.Read(i.one[:])
		switch {
		case n > 0:
			return malformed("an object is longer than it says")
		case err == io.EOF:
			return nil
		case err != nil:
			return broken(err)
		}
	}
}

// ended is the error for a pack that ends inside of something.
func ended(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("it ends inside of an object")
	}
	return err
}

// broken is the error for what cannot be inflated.
func broken(err error) error {
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return malformed("an object is shorter than it says")
	case errors.Is(err, zlib.ErrHeader), errors.Is(err, zlib.ErrChecksum), errors.Is(err, zlib.ErrDictionary), corrupt(err):
		return malformed("an object cannot be inflated: %v", err)
	default:
		return err
	}
}
