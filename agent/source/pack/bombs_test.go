package pack_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// peak runs do and gives the most memory that the heap had meanwhile, beyond what it had before.
func peak(do func()) int64 {
	// What is held counts, not how far the collector is behind on a busy machine. The agent has it run more often, too.
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	runtime.GC()
	sample := func() int64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return int64(s[0].Value.Uint64())
	}
	before := sample()
	var most atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			most.Store(max(most.Load(), sample()))
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return most.Load() - before
}

const mib = 1 << 20

// bounded fails where memory was more than the issue lets the agent have.
func bounded(t *testing.T, what string, used int64) {
	t.Helper()
	t.Logf("%s: %d MiB", what, used/mib)
	if used > 200*mib {
		t.Errorf("%s took %d MiB", what, used/mib)
	}
}

// TestASmallPackThatIsLarge is the bomb of 200 KB that inflates to more than a gigabyte: whether it may be or not, memory stays small.
func TestASmallPackThatIsLarge(t *testing.T) {
	const size = 32 * mib
	make40 := func(first []byte) []byte {
		var b builder
		at := b.object(pack.Blob, first)
		for i := range 39 {
			var all [][]byte
			for done := int64(0); done < size-4; {
				n := min(0xffffff, size-4-done)
				all = append(all, copies(done, n))
				done += n
			}
			all = append(all, inserts(string(binary.BigEndian.AppendUint32(nil, uint32(i)))))
			at = b.deltaAt(at, delta(size, size, all...))
		}
		return b.bytes()
	}
	bomb := make40(make([]byte, size))
	if len(bomb) > 200_000 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	var err error
	bounded(t, "refused by its headers", peak(func() {
		_, _, err = index(t, bomb, pack.Limits{ObjectBytes: size, TotalBytes: 1024 * mib, Objects: 100})
	}))
	if !errors.Is(err, pack.ErrLimit) {
		t.Errorf("it is not refused: %v", err)
	}
	var p *pack.Pack
	bounded(t, "indexed", peak(func() { p, _, err = index(t, bomb, limits()) }))
	if err != nil {
		t.Fatal(err)
	}
	last := append(make([]byte, size-4), binary.BigEndian.AppendUint32(nil, 38)...)
	id := pack.Hash(pack.Blob, last)
	bounded(t, "read", peak(func() { _, _, err = p.Read(id) }))
	if !errors.Is(err, pack.ErrLimit) {
		t.Errorf("an object that takes a gigabyte of work is read: %v", err)
	}
	var one builder
	one.raw(pack.Blob, 1024*mib, nil, make([]byte, 100*mib))
	bounded(t, "one object of a gigabyte", peak(func() { _, _, err = index(t, one.bytes(), limits()) }))
	if !errors.Is(err, pack.ErrLimit) {
		t.Errorf("it is not refused: %v", err)
	}
}

// TestChainsThatStandOnTheirHeads has large objects be deltas of each other, the last one first, each with two that wait for it: what would have to be kept is more than there may be.
func TestChainsThatStandOnTheirHeads(t *testing.T) {
	const size, long = 8 * mib, 40
	texts := make([][]byte, long)
	ids := make([]pack.ID, long)
	text := make([]byte, size)
	for i := range texts {
		text[size-1] = byte(i)
		ids[i] = pack.Hash(pack.Blob, text)
	}
	changed := func(i byte) []byte { return delta(size, size, copies(0, size-1), inserts(string([]byte{i}))) }
	var b builder
	for i := long - 1; i > 0; i-- {
		b.deltaOf(ids[i-1], changed(byte(i)))
		b.deltaOf(ids[i-1], changed(byte(100+i)))
	}
	text[size-1] = 0
	b.object(pack.Blob, text)
	var err error
	count := 0
	content := b.bytes()
	bounded(t, "indexed", peak(func() { _, count, err = index(t, content, limits()) }))
	if err != nil || count != 2*long-1 {
		t.Errorf("%d objects (%v)", count, err)
	}
}

// TestAMillionTinyObjects is a pack that is large by their number alone.
func TestAMillionTinyObjects(t *testing.T) {
	const many = 1_000_000
	dir := t.TempDir()
	name := filepath.Join(dir, "many.pack")
	func() {
		var all bytes.Buffer
		all.Write(pack.Head(many))
		for i := range many {
			all.Write(pack.EntryHead(pack.Blob, 4))
			all.Write(stored(binary.BigEndian.AppendUint32(nil, uint32(i))))
		}
		if err := os.WriteFile(name, sum(all.Bytes()), 0o600); err != nil {
			t.Fatal(err)
		}
	}()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	about, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	x, err := os.Create(filepath.Join(dir, "many.index"))
	if err != nil {
		t.Fatal(err)
	}
	var p *pack.Pack
	bounded(t, "indexed", peak(func() {
		if _, err = pack.Index(t.Context(), file, about.Size(), limits(), x); err == nil {
			p, err = pack.Open(file, x, limits())
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	want := binary.BigEndian.AppendUint32(nil, many-1)
	if _, content, err := p.Read(pack.Hash(pack.Blob, want)); err != nil || !bytes.Equal(content, want) {
		t.Errorf("the last one is %x (%v)", content, err)
	}
	low := limits()
	low.Objects = many - 1
	if _, err := pack.Index(t.Context(), file, about.Size(), low, io.Discard); !errors.Is(err, pack.ErrLimit) {
		t.Errorf("one too many: %v", err)
	}
}

// stored is zlib's form of a few bytes that are not compressed, which is quicker to make a million times.
func stored(content []byte) []byte {
	n := uint16(len(content))
	out := []byte{0x78, 0x01, 0x01, byte(n), byte(n >> 8), byte(^n), byte(^n >> 8)}
	out = append(out, content...)
	a, b := uint32(1), uint32(0)
	for _, c := range content {
		a = (a + uint32(c)) % 65521
		b = (b + a) % 65521
	}
	return binary.BigEndian.AppendUint32(out, b<<16|a)
}

// TestBombsTakeTurns has as many packs be indexed and read at a time as there are workers, each within its limits: together they take no more than one.
func TestBombsTakeTurns(t *testing.T) {
	const size, workers = 32 * mib, 4
	shared := limits()
	shared.Turn = pack.NewTurn()
	contents := make([][]byte, workers)
	last := make([]pack.ID, workers)
	for i := range contents {
		var b builder
		text := make([]byte, size)
		text[0] = byte(i)
		at := b.object(pack.Blob, text)
		for n := range 4 {
			at = b.deltaAt(at, delta(size, size, copies(0, 0xffffff), copies(0xffffff, 0xffffff), copies(2*0xffffff, size-2*0xffffff-1), inserts(string([]byte{byte(n + 1)}))))
		}
		text[size-1] = 4
		contents[i], last[i] = b.bytes(), pack.Hash(pack.Blob, text)
	}
	packs, errs := make([]*pack.Pack, workers), make([]error, workers)
	all := func(do func(i int)) func() {
		return func() {
			var group sync.WaitGroup
			for i := range workers {
				group.Go(func() { do(i) })
			}
			group.Wait()
		}
	}
	bounded(t, "indexed", peak(all(func(i int) { packs[i], _, errs[i] = index(t, contents[i], shared) })))
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	bounded(t, "read", peak(all(func(i int) { _, _, errs[i] = packs[i].Read(last[i]) })))
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
