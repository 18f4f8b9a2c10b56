package pack_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"os"
	"path/filepath"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

const (
	offsetDelta pack.Type = 6
	idDelta     pack.Type = 7
)

// builder makes packs that Git would not.
type builder struct {
	body  bytes.Buffer
	count int
	light bool // contents are so small that nothing is gained by compressing them
}

// at is where the next object begins.
func (b *builder) at() int64 { return int64(12 + b.body.Len()) }

// raw adds an entry: a type, the size that it says, what stands before the content, and the content before it is compressed.
func (b *builder) raw(t pack.Type, size int64, before, content []byte) int64 {
	at := b.at()
	b.body.Write(pack.EntryHead(t, size))
	b.body.Write(before)
	if b.light {
		b.body.Write(stored(content))
	} else {
		b.body.Write(deflate(content))
	}
	b.count++
	return at
}

func (b *builder) object(t pack.Type, content []byte) int64 {
	return b.raw(t, int64(len(content)), nil, content)
}

func (b *builder) deltaAt(base int64, delta []byte) int64 {
	return b.raw(offsetDelta, int64(len(delta)), distance(b.at()-base), delta)
}

func (b *builder) deltaOf(base pack.ID, delta []byte) int64 {
	return b.raw(idDelta, int64(len(delta)), base[:], delta)
}

func (b *builder) bytes() []byte {
	all := append(pack.Head(b.count), b.body.Bytes()...)
	return sum(all)
}

// sum puts a checksum behind.
func sum(all []byte) []byte {
	s := sha1.Sum(all)
	return append(all, s[:]...)
}

func deflate(content []byte) []byte {
	var out bytes.Buffer
	z, _ := zlib.NewWriterLevel(&out, zlib.BestCompression)
	_, _ = z.Write(content)
	_ = z.Close()
	return out.Bytes()
}

// distance is how packs write how far before a delta its base is.
func distance(d int64) []byte {
	out := []byte{byte(d & 0x7f)}
	for d >>= 7; d > 0; d >>= 7 {
		d--
		out = append([]byte{byte(d&0x7f) | 0x80}, out...)
	}
	return out
}

func number(n int64) []byte {
	var out []byte
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n&0x7f)|0x80)
	}
	return append(out, byte(n))
}

// delta is one of a base and a result of some sizes, with instructions.
func delta(base, result int64, instructions ...[]byte) []byte {
	return append(append(number(base), number(result)...), bytes.Join(instructions, nil)...)
}

// copies copies n bytes, 0xffffff at most, from an offset.
func copies(offset, n int64) []byte {
	out := []byte{0x80}
	for i := range 4 {
		if b := byte(offset >> (8 * i)); b != 0 {
			out[0] |= 1 << i
			out = append(out, b)
		}
	}
	for i := range 3 {
		if b := byte(n >> (8 * i)); b != 0 {
			out[0] |= 1 << (4 + i)
			out = append(out, b)
		}
	}
	return out
}

func inserts(text string) []byte { return append([]byte{byte(len(text))}, text...) }

// index indexes a pack.
func index(t testing.TB, content []byte, limits pack.Limits) (*pack.Pack, int, error) {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "x.pack")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	x, err := os.Create(filepath.Join(dir, "x.index"))
	if err != nil {
		t.Fatal(err)
	}
	count, err := pack.Index(t.Context(), file, int64(len(content)), limits, x)
	if err != nil {
		_, _ = file.Close(), x.Close()
		return nil, 0, err
	}
	p, err := pack.Open(file, x, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, count, nil
}

func limits() pack.Limits {
	return pack.Limits{ObjectBytes: 32 << 20, TotalBytes: 2 << 30, Objects: 2_000_000}
}
