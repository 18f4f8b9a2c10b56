package pack

import (
	"bufio"
	"compress/flate"
	"errors"
	"io"
)

// corrupt says whether an error is about compressed data.
func corrupt(err error) bool {
	var bad flate.CorruptInputError
	return errors.As(err, &bad)
}

// deltaReader reads a delta byte by byte.
type deltaReader interface {
	io.Reader
	io.ByteReader
}

// deltaSizes reads what a delta begins with: the size of its base, and of its result.
func deltaSizes(d io.ByteReader) (base, result int64, err error) {
	if base, err = deltaSize(d); err == nil {
		result, err = deltaSize(d)
	}
	return base, result, err
}

func deltaSize(d io.ByteReader) (int64, error) {
	var size int64
	for shift := 0; ; shift += 7 {
		b, err := d.ReadByte()
		if err != nil {
			return 0, ended(err)
		}
		if shift > 53 {
			return 0, malformed("the size in a delta is no number")
		}
		size |= int64(b&0x7f) << shift
		if b&0x80 == 0 {
			return size, nil
		}
	}
}

// patch writes to w what a delta makes of its base; the sizes were read. It writes size bytes, or fails.
func patch(w io.Writer, base []byte, d deltaReader, size int64) error {
	for left := size; left > 0; {
		op, err := d.ReadByte()
		if err != nil {
			return ended(err)
		}
		switch {
		case op&0x80 != 0:
			offset, n, err := copyOf(op, d)
			if err != nil {
				return err
			}
			if n > left || offset+n > int64(len(base)) {
				return malformed("a delta copies what is not there")
			}
			if _, err := w.Write(base[offset : offset+n]); err != nil {
				return err
			}
			left -= n
		case op != 0:
			n := int64(op)
			if n > left {
				return malformed("a delta makes more than it says")
			}
			if _, err := io.CopyN(w, d, n); err != nil {
				return ended(err)
			}
			left -= n
		default:
			return malformed("a delta has an instruction that there is not")
		}
	}
	if _, err := d.ReadByte(); err == nil {
		return malformed("a delta makes more than it says")
	} else if err != io.EOF {
		return err
	}
	return nil
}

// copyOf reads the rest of an instruction to copy.
func copyOf(op byte, d io.ByteReader) (offset, n int64, err error) {
	for bit := range 7 {
		if op&(1<<bit) == 0 {
			continue
		}
		b, err := d.ReadByte()
		if err != nil {
			return 0, 0, ended(err)
		}
		if bit < 4 {
			offset |= int64(b) << (8 * bit)
		} else {
			n |= int64(b) << (8 * (bit - 4))
		}
	}
	if n == 0 {
		n = 0x10000
	}
	return offset, n, nil
}

// apply reads the delta that the stream is at and writes its result to w. size is what the result has to have.
func (s *stream) apply(w io.Writer, base []byte, h entryHeader, size int64, buffer *bufio.Reader) error {
	content, err := s.inflate(h.size)
	if err != nil {
		return err
	}
	buffer.Reset(content)
	baseSize, result, err := deltaSizes(buffer)
	if err != nil {
		return err
	}
	if baseSize != int64(len(base)) || result != size {
		return malformed("a delta is for another base")
	}
	if err := patch(w, base, buffer, result); err != nil {
		return err
	}
	return content.done()
}
