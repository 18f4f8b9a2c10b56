package pack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"io"
	"math"
	"slices"
)

// Merge writes one pack of several to w, and its index to x. Nothing is inflated: what is a delta stays one. The packs have to be such as Index has taken.
func Merge(ctx context.Context, packs []*Pack, w, x io.Writer) error {
	total := int64(0)
	for _, p := range packs {
		var count [4]byte
		if _, err := p.file.ReadAt(count[:], 8); err != nil {
			return err
		}
		total += int64(binary.BigEndian.Uint32(count[:]))
	}
	// All of them are in memory while their index is written.
	if most := min(packs[0].limits.Objects, math.MaxInt32); total > most {
		return overLimit("together they have %d objects, and %d may be", total, most)
	}
	sum := sha1.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	if _, err := out.Write(Head(int(total))); err != nil {
		return err
	}
	entries := make([]entry, 0, total)
	at := int64(packHeader)
	for _, p := range packs {
		if err := ctx.Err(); err != nil {
			return err
		}
		body := p.size - packHeader - packTrailer
		if _, err := io.Copy(out, io.NewSectionReader(p.file, packHeader, body)); err != nil {
			return err
		}
		var err error
		if entries, err = p.index.all(entries, at-packHeader); err != nil {
			return err
		}
		at += body
	}
	if err := out.Flush(); err != nil {
		return err
	}
	trailer := sum.Sum(nil)
	if _, err := w.Write(trailer); err != nil {
		return err
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return bytes.Compare(a.id[:], b.id[:]) })
	entries = slices.CompactFunc(entries, func(a, b entry) bool { return a.id == b.id })
	return writeIndex(x, entries, at+packTrailer, [packTrailer]byte(trailer))
}

// all appends all objects, as far behind where they are as by.
func (x *index) all(to []entry, by int64) ([]entry, error) {
	in := bufio.NewReader(io.NewSectionReader(x.file, int64(indexHead), int64(x.fan[255])*recordBytes))
	var record [recordBytes]byte
	for range x.fan[255] {
		if _, err := io.ReadFull(in, record[:]); err != nil {
			return nil, err
		}
		id, e := readRecord(record)
		to = append(to, entry{id: id, offset: e.Offset + by, size: uint32(e.Size), typ: e.Type})
	}
	return to, nil
}
