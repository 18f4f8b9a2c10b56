package pack_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

func TestSeveralPacksBecomeOne(t *testing.T) {
	want := map[pack.ID]string{}
	var packs []*pack.Pack
	for i := range 5 {
		var b builder
		base := fmt.Sprintf("pack %d: hello, world", i)
		at := b.object(pack.Blob, []byte(base))
		b.object(pack.Blob, []byte("in all of them"))
		b.deltaAt(at, delta(int64(len(base)), 6, copies(0, 6)))
		b.deltaOf(pack.Hash(pack.Blob, []byte(base)), delta(int64(len(base)), 5, copies(int64(len(base))-5, 5)))
		p, _, err := index(t, b.bytes(), limits())
		if err != nil {
			t.Fatal(err)
		}
		packs = append(packs, p)
		for _, text := range []string{base, "in all of them", base[:6], "world"} {
			want[pack.Hash(pack.Blob, []byte(text))] = text
		}
	}
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "p"))
	if err != nil {
		t.Fatal(err)
	}
	x, err := os.Create(filepath.Join(dir, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pack.Merge(t.Context(), packs, file, x); err != nil {
		t.Fatal(err)
	}
	// All of their objects are in memory while the index is written: no more than one pack may have.
	low := limits()
	low.Objects = 19
	p, err := pack.Open(reopened(t, file), reopened(t, x), low)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	if err := pack.Merge(t.Context(), []*pack.Pack{p}, io.Discard, io.Discard); !errors.Is(err, pack.ErrLimit) {
		t.Errorf("too many objects become one pack: %v", err)
	}
	merged, err := pack.Open(file, x, limits())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = merged.Close() }()
	for id, text := range want {
		if typ, content, err := merged.Read(id); err != nil || typ != pack.Blob || string(content) != text {
			t.Errorf("%q is %q (%v)", text, content, err)
		}
	}
	// It is one that could have come so: looked through, it has the same index.
	content, err := os.ReadFile(filepath.Join(dir, "p"))
	if err != nil {
		t.Fatal(err)
	}
	var anew bytes.Buffer
	count, err := pack.Index(t.Context(), bytes.NewReader(content), int64(len(content)), limits(), &anew)
	if err != nil || count != len(want) {
		t.Fatalf("%d objects of %d (%v)", count, len(want), err)
	}
	if index, err := os.ReadFile(filepath.Join(dir, "x")); err != nil || len(index) != anew.Len() {
		t.Errorf("the index has %d bytes, and made anew %d (%v)", len(index), anew.Len(), err)
	}
}

// reopened is another handle of a file.
func reopened(t testing.TB, f *os.File) *os.File {
	t.Helper()
	out, err := os.Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return out
}
