package pack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"slices"
)

// An index is a file: magic, size and checksum of its pack, how many objects have an id that begins with a byte up to each, a record for each object by id, and the SHA-256
// of all that.
const (
	indexMagic  = "waxwing pack 1\n\x00"
	recordBytes = 20 + 8 + 4 + 1 // id, offset, size, type
	fanBytes    = 256 * 4
	indexHead   = len(indexMagic) + 8 + packTrailer + fanBytes
)

// Index reads the whole of a pack of size bytes, and writes an index of it to w. It gives the number of objects.
func Index(ctx context.Context, file io.ReaderAt, size int64, limits Limits, w io.Writer) (int, error) {
	turn := &taking{of: limits.Turn}
	defer turn.end()
	s, err := scanPack(ctx, file, size, limits, turn)
	if err != nil {
		return 0, err
	}
	if s.largest > lightBytes && len(s.offsets)+len(s.ids) > 0 {
		if err := turn.take(ctx); err != nil {
			return 0, err
		}
	}
	if err := s.resolve(ctx, file, size); err != nil {
		return 0, err
	}
	s.offsets, s.ids = nil, nil
	slices.SortFunc(s.entries, func(a, b entry) int { return bytes.Compare(a.id[:], b.id[:]) })
	s.entries = slices.CompactFunc(s.entries, func(a, b entry) bool { return a.id == b.id })
	var sum [packTrailer]byte
	if _, err := file.ReadAt(sum[:], size-packTrailer); err != nil && err != io.EOF {
		return 0, err
	}
	return len(s.entries), writeIndex(w, s.entries, size, sum)
}

func writeIndex(to io.Writer, entries []entry, size int64, sum [packTrailer]byte) error {
	digest := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(to, digest), 64<<10)
	head := binary.BigEndian.AppendUint64([]byte(indexMagic), uint64(size))
	head = append(head, sum[:]...)
	var fan [256]uint32
	for _, e := range entries {
		fan[e.id[0]]++
	}
	count := uint32(0)
	for _, n := range fan {
		count += n
		head = binary.BigEndian.AppendUint32(head, count)
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	record := make([]byte, 0, recordBytes)
	for _, e := range entries {
		record = append(record[:0], e.id[:]...)
		record = binary.BigEndian.AppendUint64(record, uint64(e.offset))
		record = binary.BigEndian.AppendUint32(record, e.size)
		if _, err := w.Write(append(record, byte(e.typ))); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := to.Write(digest.Sum(nil))
	return err
}

// Entry is where an object is.
type Entry struct {
	Offset int64
	Size   int64 // inflated
	Type   Type
}

// index finds objects.
type index struct {
	file io.ReaderAt
	fan  [256]uint32
}

// openIndex reads an index that is of a pack of size bytes, and makes sure that it is what was written.
func openIndex(file io.ReaderAt, length int64, pack io.ReaderAt, size int64) (*index, error) {
	if length < int64(indexHead)+sha256.Size {
		return nil, torn("its index has %d bytes", length)
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(file, 0, length-sha256.Size)); err != nil {
		return nil, err
	}
	var want [sha256.Size]byte
	if _, err := file.ReadAt(want[:], length-sha256.Size); err != nil && err != io.EOF {
		return nil, err
	}
	head := make([]byte, indexHead)
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, err
	}
	var trailer [packTrailer]byte
	if _, err := pack.ReadAt(trailer[:], size-packTrailer); err != nil && err != io.EOF {
		return nil, torn("it has not %d bytes", size)
	}
	mark, rest := head[:len(indexMagic)], head[len(indexMagic):]
	if !bytes.Equal(want[:], digest.Sum(nil)) || string(mark) != indexMagic || int64(binary.BigEndian.Uint64(rest)) != size ||
		!bytes.Equal(rest[8:8+packTrailer], trailer[:]) {
		return nil, torn("its index is of something else")
	}
	x := &index{file: file}
	for i := range x.fan {
		x.fan[i] = binary.BigEndian.Uint32(rest[8+packTrailer+4*i:])
	}
	if length != int64(indexHead)+int64(x.fan[255])*recordBytes+sha256.Size {
		return nil, torn("its index has %d bytes", length)
	}
	return x, nil
}

// find looks an object up.
func (x *index) find(id ID) (Entry, error) {
	low, high := uint32(0), x.fan[id[0]]
	if id[0] > 0 {
		low = x.fan[id[0]-1]
	}
	var record [recordBytes]byte
	for low < high {
		middle := low + (high-low)/2
		if _, err := x.file.ReadAt(record[:], int64(indexHead)+int64(middle)*recordBytes); err != nil {
			return Entry{}, err
		}
		switch c := bytes.Compare(record[:len(id)], id[:]); {
		case c < 0:
			low = middle + 1
		case c > 0:
			high = middle
		default:
			_, e := readRecord(record)
			return e, nil
		}
	}
	return Entry{}, ErrNoObject
}

func readRecord(record [recordBytes]byte) (ID, Entry) {
	var id ID
	rest := record[copy(id[:], record[:]):]
	return id, Entry{Offset: int64(binary.BigEndian.Uint64(rest)), Size: int64(binary.BigEndian.Uint32(rest[8:])), Type: Type(rest[12])}
}
