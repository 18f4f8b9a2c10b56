package pack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

func TestPacksThatGitDoesNotMake(t *testing.T) {
	hello := []byte("hello, world")
	small := pack.Limits{ObjectBytes: 1000, TotalBytes: 5000, Objects: 10}
	good := func(b *builder) int64 { return b.object(pack.Blob, hello) }
	for name, c := range map[string]struct {
		make func(b *builder) []byte // nil: what the builder has
		want error
		says string
	}{
		"no bytes":              {func(*builder) []byte { return nil }, pack.ErrTorn, "0 bytes"},
		"no pack":               {func(*builder) []byte { return sum([]byte("KCAP\x00\x00\x00\x02\x00\x00\x00\x00")) }, pack.ErrMalformed, "no pack"},
		"another version":       {func(*builder) []byte { return sum([]byte("PACK\x00\x00\x00\x03\x00\x00\x00\x00")) }, pack.ErrMalformed, "version 3"},
		"another checksum":      {func(b *builder) []byte { good(b); p := b.bytes(); p[len(p)-1]++; return p }, pack.ErrTorn, "checksum"},
		"cut off":               {func(b *builder) []byte { good(b); p := b.bytes(); return p[:len(p)-5] }, pack.ErrTorn, "checksum"},
		"too many objects":      {func(b *builder) []byte { good(b); p := b.bytes(); return counted(p, 11) }, pack.ErrLimit, "11 objects"},
		"a count without bytes": {func(b *builder) []byte { good(b); return counted(b.bytes(), 9) }, pack.ErrMalformed, "too short for its 9 objects"},
		"fewer than it says":    {func(b *builder) []byte { good(b); good(b); return counted(b.bytes(), 3) }, pack.ErrMalformed, ""},
		"more than it says":     {func(b *builder) []byte { good(b); good(b); return counted(b.bytes(), 1) }, pack.ErrMalformed, "behind its last object"},
		"type 0":                {func(b *builder) []byte { b.raw(0, 12, nil, hello); return nil }, pack.ErrMalformed, "type 0"},
		"type 5":                {func(b *builder) []byte { b.raw(5, 12, nil, hello); return nil }, pack.ErrMalformed, "type 5"},
		"longer than it says":   {func(b *builder) []byte { b.raw(pack.Blob, 11, nil, hello); return nil }, pack.ErrMalformed, "longer"},
		"shorter than it says":  {func(b *builder) []byte { b.raw(pack.Blob, 13, nil, hello); return nil }, pack.ErrMalformed, "shorter"},
		"a size that is none":   {func(b *builder) []byte { b.body.Write(bytes.Repeat([]byte{0xff}, 40)); b.count++; return nil }, pack.ErrMalformed, "no number"},
		"not compressed": {func(b *builder) []byte {
			b.body.Write(append(pack.EntryHead(pack.Blob, 12), hello...))
			b.count++
			return nil
		}, pack.ErrMalformed, "inflated"},
		"an object too large": {func(b *builder) []byte { b.object(pack.Blob, make([]byte, 1001)); return nil }, pack.ErrLimit, "1001 bytes"},
		"a size too large": {func(b *builder) []byte {
			b.raw(pack.Blob, 1<<40, nil, hello)
			return nil
		}, pack.ErrLimit, "1099511627776 bytes"},
		"all too large": {func(b *builder) []byte {
			for range 6 {
				b.object(pack.Blob, make([]byte, 900))
			}
			return nil
		}, pack.ErrLimit, "more than 5000 bytes"},
		"a delta's result too large": {func(b *builder) []byte { b.deltaAt(good(b), delta(12, 1001, copies(0, 12))); return nil }, pack.ErrLimit, "1001 bytes"},
		"results too large": {func(b *builder) []byte {
			base := b.object(pack.Blob, make([]byte, 900))
			for range 5 {
				b.deltaAt(base, delta(900, 900, copies(0, 900)))
			}
			return nil
		}, pack.ErrLimit, "more than 5000 bytes"},
		"a base that is not there": {func(b *builder) []byte { good(b); b.deltaOf(pack.ID{1}, delta(12, 12, copies(0, 12))); return nil }, pack.ErrMalformed, "not in it"},
		"itself as a base":         {func(b *builder) []byte { good(b); b.deltaAt(b.at(), delta(12, 12, copies(0, 12))); return nil }, pack.ErrMalformed, "no base"},
		"a base between objects":   {func(b *builder) []byte { b.deltaAt(good(b)+1, delta(12, 12, copies(0, 12))); return nil }, pack.ErrMalformed, "no base"},
		"a base before the pack":   {func(b *builder) []byte { good(b); b.deltaAt(-100, delta(12, 12, copies(0, 12))); return nil }, pack.ErrMalformed, "no base"},
		"a base of another size":   {func(b *builder) []byte { b.deltaAt(good(b), delta(13, 12, copies(0, 12))); return nil }, pack.ErrMalformed, "another base"},
		"a copy past the end":      {func(b *builder) []byte { b.deltaAt(good(b), delta(12, 12, copies(1, 12))); return nil }, pack.ErrMalformed, "not there"},
		"a copy past the result":   {func(b *builder) []byte { b.deltaAt(good(b), delta(12, 11, copies(0, 12))); return nil }, pack.ErrMalformed, "not there"},
		"an insert past it":        {func(b *builder) []byte { b.deltaAt(good(b), delta(12, 2, inserts("abc"))); return nil }, pack.ErrMalformed, "more than it says"},
		"a result too short":       {func(b *builder) []byte { b.deltaAt(good(b), delta(12, 12, copies(0, 11))); return nil }, pack.ErrMalformed, ""},
		"too many instructions":    {func(b *builder) []byte { b.deltaAt(good(b), delta(12, 12, copies(0, 12), inserts("x"))); return nil }, pack.ErrMalformed, "more than it says"},
		"instruction 0":            {func(b *builder) []byte { b.deltaAt(good(b), delta(12, 12, []byte{0})); return nil }, pack.ErrMalformed, "instruction"},
		"an insert cut off":        {func(b *builder) []byte { b.deltaAt(good(b), delta(12, 12, []byte{12, 'a'})); return nil }, pack.ErrMalformed, ""},
		"a delta without sizes":    {func(b *builder) []byte { b.deltaAt(good(b), nil); return nil }, pack.ErrMalformed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var b builder
			content := c.make(&b)
			if content == nil && b.count > 0 {
				content = b.bytes()
			}
			_, _, err := index(t, content, small)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, and it should be %v with %q", err, c.want, c.says)
			}
		})
	}
}

// counted is a pack that says to have another number of objects.
func counted(p []byte, count uint32) []byte {
	p = bytes.Clone(p[:len(p)-20])
	binary.BigEndian.PutUint32(p[8:], count)
	return sum(p)
}

func TestChainsOfDeltasEnd(t *testing.T) {
	chain := func(deltas int) []byte {
		var b builder
		at := b.object(pack.Blob, make([]byte, 20))
		for i := range deltas {
			text := string(binary.BigEndian.AppendUint32(nil, uint32(i+1)))
			at = b.deltaAt(at, delta(20, 20, copies(0, 16), inserts(text)))
		}
		return b.bytes()
	}
	const most = 4095
	p, count, err := index(t, chain(most), limits())
	if err != nil || count != most+1 {
		t.Fatalf("%d objects (%v)", count, err)
	}
	last := binary.BigEndian.AppendUint32(make([]byte, 16), most)
	if _, content, err := p.Read(pack.Hash(pack.Blob, last)); err != nil || !bytes.Equal(content, last) {
		t.Errorf("the last one is %x (%v)", content, err)
	}
	if _, _, err := index(t, chain(most+1), limits()); !errors.Is(err, pack.ErrMalformed) || !strings.Contains(err.Error(), "upon each other") {
		t.Errorf("one more: %v", err)
	}
}

func TestAnIndexOrPackThatWasChangedIsNotOpened(t *testing.T) {
	var b builder
	b.object(pack.Blob, []byte("one"))
	b.object(pack.Blob, []byte("two"))
	content := b.bytes()
	var x bytes.Buffer
	if _, err := pack.Index(t.Context(), bytes.NewReader(content), int64(len(content)), limits(), &x); err != nil {
		t.Fatal(err)
	}
	open := func(content, x []byte) error {
		dir := t.TempDir()
		for name, text := range map[string][]byte{"p": content, "x": x} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		file, err := os.Open(filepath.Join(dir, "p"))
		if err != nil {
			t.Fatal(err)
		}
		ix, err := os.Open(filepath.Join(dir, "x"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := pack.Open(file, ix, limits())
		if err != nil {
			return err
		}
		defer func() { _ = p.Close() }()
		_, _, err = p.Read(pack.Hash(pack.Blob, []byte("one")))
		return err
	}
	if err := open(content, x.Bytes()); err != nil {
		t.Fatal(err)
	}
	for i := range x.Len() {
		changed := bytes.Clone(x.Bytes())
		changed[i] ^= 0x10
		if err := open(content, changed); !errors.Is(err, pack.ErrTorn) {
			t.Fatalf("with byte %d of the index changed: %v", i, err)
		}
	}
	for _, n := range []int{0, 1, 100, x.Len() - 1} {
		if err := open(content, x.Bytes()[:n]); !errors.Is(err, pack.ErrTorn) {
			t.Errorf("with an index of %d bytes: %v", n, err)
		}
	}
	for i := 12; i < len(content); i++ {
		changed := bytes.Clone(content)
		changed[i] ^= 0x10
		err := open(changed, x.Bytes())
		if err != nil && !errors.Is(err, pack.ErrTorn) {
			t.Fatalf("with byte %d of the pack changed: %v", i, err)
		}
	}
	if err := open(content[:len(content)-30], x.Bytes()); !errors.Is(err, pack.ErrTorn) {
		t.Errorf("with a pack that was cut: %v", err)
	}
}

func TestIndexEndsWithItsContext(t *testing.T) {
	var b builder
	b.object(pack.Blob, []byte("one"))
	content := b.bytes()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pack.Index(ctx, bytes.NewReader(content), int64(len(content)), limits(), &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("it goes on: %v", err)
	}
}

// late is a context that ends after so many looks at it.
type late struct {
	context.Context
	left int
}

func (l *late) Err() error {
	if l.left--; l.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestWorkOnDeltasEndsWithItsContext has a line of deltas, none of them large.
func TestWorkOnDeltasEndsWithItsContext(t *testing.T) {
	const size = 512 << 10
	var b builder
	text := make([]byte, size)
	at := b.object(pack.Blob, text)
	for i := range 200 {
		at = b.deltaAt(at, delta(size, size, copies(0, size-1), inserts(string([]byte{byte(i + 1)}))))
	}
	content := b.bytes()
	if _, err := pack.Index(&late{t.Context(), 20}, bytes.NewReader(content), int64(len(content)), limits(), &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("it goes on: %v", err)
	}
}

// FuzzIndex holds that no pack, however broken, does more than give an error.
func FuzzIndex(f *testing.F) {
	var b builder
	base := b.object(pack.Blob, []byte("hello, world"))
	one := b.deltaAt(base, delta(12, 12, copies(0, 7), inserts("there")))
	b.deltaAt(one, delta(12, 6, copies(0, 6)))
	b.deltaOf(pack.Hash(pack.Blob, []byte("hello,")), delta(6, 3, copies(1, 3)))
	b.object(pack.Tree, nil)
	seed := b.bytes()
	f.Add(seed[:len(seed)-20])
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		content := sum(bytes.Clone(body))
		var x bytes.Buffer
		count, err := pack.Index(t.Context(), bytes.NewReader(content), int64(len(content)), pack.Limits{ObjectBytes: 1 << 16, TotalBytes: 1 << 20, Objects: 1000}, &x)
		if (err == nil) != (x.Len() > 0) || err == nil && count > len(content) {
			t.Errorf("%d objects in %d bytes, and an index of %d bytes (%v)", count, len(content), x.Len(), err)
		}
	})
}
