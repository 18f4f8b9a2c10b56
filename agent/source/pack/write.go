package pack

import (
	"bufio"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"io"
)

// Object is an object to be packed.
type Object struct {
	Type    Type
	Content []byte
}

// ID is its id.
func (o Object) ID() ID { return Hash(o.Type, o.Content) }

// Write writes a pack of whole objects.
func Write(w io.Writer, objects []Object) error {
	sum := sha1.New()
	out := bufio.NewWriter(io.MultiWriter(w, sum))
	if _, err := out.Write(Head(len(objects))); err != nil {
		return err
	}
	z := zlib.NewWriter(nil)
	for _, o := range objects {
		if _, err := out.Write(EntryHead(o.Type, int64(len(o.Content)))); err != nil {
			return err
		}
		z.Reset(out)
		if _, err := z.Write(o.Content); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

// Head is what a pack of so many objects begins with.
func Head(objects int) []byte {
	head := binary.BigEndian.AppendUint32([]byte("PACK"), 2)
	return binary.BigEndian.AppendUint32(head, uint32(objects))
}

// EntryHead is what stands before an object of a pack whose content has so many bytes.
func EntryHead(t Type, size int64) []byte {
	b := byte(t)<<4 | byte(size&0x0f)
	var head []byte
	for size >>= 4; size > 0; size >>= 7 {
		head = append(head, b|0x80)
		b = byte(size & 0x7f)
	}
	return append(head, b)
}
