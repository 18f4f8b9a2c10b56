//go:build linux && (amd64 || arm64)

package auditfaults_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/diskfault"
)

// diskPartSize has a log go on in a new part now and then.
const diskPartSize = 2000

// bench is one log on a disk of its own.
type bench struct {
	t     *testing.T
	dir   string
	disk  *diskfault.Disk
	acked map[string]bool
	p     *process
	// slowest is how long the Recorder took to resume.
	slowest time.Duration
}

// newBench has the log in memory: errors are injected and programs are killed, neither of which asks for a disk, and a busy one may take longer than a log waits for it.
func newBench(t *testing.T) *bench {
	t.Helper()
	dir := audittest.Dir(t)
	parent, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(parent, filepath.Base(dir))
	return &bench{t: t, dir: dir, disk: diskfault.New(t, dir), acked: map[string]bool{}}
}

func (b *bench) start() { b.p = start(b.t, "obey", b.dir, b.disk, diskPartSize) }

// recovers repairs the disk. After one call that failed the next record is taken at once; after a disk that failed for good the Recorder is in order again by itself.
func (b *bench) recovers(errno syscall.Errno, forGood bool) {
	b.t.Helper()
	b.disk.Hook(nil)
	if !forGood {
		// What failed may have been done behind an append that was acknowledged; then the next one is told.
		harness.Eventually(b.t.Context(), b.t, "an append succeeds", func(context.Context) error {
			text := b.p.ask(b.acked, "append 1")
			if b.says(errno, text); text != "" {
				return errors.New(text)
			}
			return nil
		})
		return
	}
	began := time.Now()
	harness.Eventually(b.t.Context(), b.t, "the Recorder has resumed by itself", func(context.Context) error {
		if text := b.p.ask(b.acked, "health"); text != "" {
			return errors.New(text)
		}
		return nil
	})
	b.slowest = max(b.slowest, time.Since(began))
	b.p.must(b.acked, "append 1")
}

// finish closes the log, opens it once more, and holds it against what was acknowledged.
func (b *bench) finish() {
	b.t.Helper()
	b.p.must(b.acked, "close")
	b.p.end()
	reopen(b.t, b.dir, b.acked, diskPartSize)
	c := check(b.t, b.dir, b.acked)
	if b.slowest > 0 && c.acknowledged > 10 {
		b.t.Logf("%d records, %d acknowledged, %d lost; it resumed after at most %s", c.records, c.acknowledged, c.lost, b.slowest.Round(time.Millisecond))
	}
}

// points are where a store meets its disk.
type points struct {
	fresh   []point // while a log is made, and then alone
	opening []point // while one is opened after a kill, each time
	one     []point // while a record is appended, and the checkpoint after it
	many    []point // what else there is when more records than a tile has room for are appended, and when the partial tiles are removed
}

// batches gives the sizes of what is appended in turn: now and then more than a tile has room for, and little in between, so that a part lasts until its partial tiles are removed,
// which is done every few seconds.
type batches int

func (b *batches) next() int {
	*b++
	if *b%16 == 1 {
		return 300
	}
	return 1
}

func record(t *testing.T) points {
	t.Helper()
	b := newBench(t)
	r := &recording{dir: b.dir, seen: map[point]int{}}
	b.disk.Hook(r.hook)
	published := func(all []point) bool {
		return slices.ContainsFunc(all, func(p point) bool { return strings.HasPrefix(string(p), "renameat N/checkpointN") })
	}
	var all points
	b.start()
	b.p.ask(b.acked, "append 1")
	all.fresh = r.take()
	first, again := b.opening(r), b.opening(r)
	either := slices.Concat(first, again)
	all.opening = slices.DeleteFunc(first, func(p point) bool { return !slices.Contains(again, p) })
	// What a kill leaves behind, such as a checkpoint that was being written, is not there each time.
	if some := slices.DeleteFunc(slices.Clone(either), func(p point) bool { return slices.Contains(all.opening, p) }); len(some) > 0 {
		t.Logf("left out, because only one of two openings has come by them: %q", some)
	}
	harness.Eventually(t.Context(), t, "a checkpoint is published", func(context.Context) error {
		b.p.must(b.acked, "append 1")
		all.one = append(all.one, r.take()...)
		if !published(all.one) {
			return fmt.Errorf("only %d calls", len(all.one))
		}
		return nil
	})
	var many batches
	harness.Eventually(t.Context(), t, "partial tiles are removed", func(context.Context) error {
		b.p.must(b.acked, "append %d", many.next())
		all.many = append(all.many, r.take()...)
		if !slices.ContainsFunc(all.many, func(p point) bool { return strings.HasPrefix(string(p), "unlinkat N/tile/entries/N.p") }) {
			return fmt.Errorf("only %d calls", len(all.many))
		}
		return nil
	})
	b.finish()
	for _, list := range []*[]point{&all.one, &all.many} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	all.fresh = slices.DeleteFunc(all.fresh, func(p point) bool { return slices.Contains(all.one, p) || slices.Contains(either, p) })
	all.many = slices.DeleteFunc(all.many, func(p point) bool { return slices.Contains(all.one, p) })
	return all
}

// opening kills the program and gives the points that the next one comes by until a record is taken.
func (b *bench) opening(r *recording) []point {
	b.t.Helper()
	b.p.kill(b.acked)
	r.take() // what the one before did meanwhile
	b.start()
	b.p.must(b.acked, "append 1")
	return r.take()
}

// TestEachSystemCallOfTheLogMayFail fails every kind of call that the store makes on its disk, but for those that only some kills leave to the next opening, which record logs: one of it,
// and all that the disk fails from there on. Every call to append a record fails with each errno; of the others each errno has a third, or all of them where WAXWING_AUDIT_ALL is set,
// as in `make soak`.
func TestEachSystemCallOfTheLogMayFail(t *testing.T) {
	all := record(t)
	t.Logf("%d kinds of calls to open a log, %d more to make it, %d to append a record, %d more for many", len(all.opening), len(all.fresh), len(all.one), len(all.many))
	var wait sync.WaitGroup
	for i, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EROFS} {
		mine := points{fresh: third(all.fresh, i), opening: third(all.opening, i), one: all.one, many: third(all.many, i)}
		for _, hook := range []diskfault.Hook{nil, disks()[errno]} {
			name := map[bool]string{true: " once", false: " for good"}[hook == nil]
			for when, test := range map[string]func(*testing.T, points, syscall.Errno, diskfault.Hook){" while it runs": whileRunning, " while it opens": whileOpening, " while it is made": whileMade} {
				// Not t.Parallel: these wait for the most part, and are more than there are processors.
				wait.Go(func() { t.Run(syscallName(errno)+name+when, func(t *testing.T) { test(t, mine, errno, hook) }) })
			}
		}
	}
	wait.Wait()
}

func third(all []point, which int) (some []point) {
	for i, p := range all {
		if i%3 == which || os.Getenv("WAXWING_AUDIT_ALL") != "" {
			some = append(some, p)
		}
	}
	return some
}

func syscallName(e syscall.Errno) string {
	return map[syscall.Errno]string{syscall.EIO: "EIO", syscall.ENOSPC: "ENOSPC", syscall.EROFS: "EROFS"}[e]
}

func whileRunning(t *testing.T, all points, errno syscall.Errno, forGood diskfault.Hook) {
	b := newBench(t)
	b.start()
	b.p.must(b.acked, "append 1")
	for i, at := range slices.Concat(all.one, all.many) {
		f := &fault{dir: b.dir, at: at, errno: errno, forGood: forGood}
		var many batches
		b.disk.Hook(f.hook)
		harness.Eventually(t.Context(), t, "the fault is met", func(context.Context) error {
			n := 1
			if i >= len(all.one) {
				n = many.next()
			}
			b.says(errno, b.p.ask(b.acked, "append %d", n))
			return f.wasHit()
		})
		if forGood != nil {
			b.fails(at, errno)
			if i%5 == 0 { // the process does not live to see the repair
				b.p.kill(b.acked)
				b.disk.Hook(nil)
				b.start()
			}
		}
		b.recovers(errno, forGood != nil)
	}
	b.finish()
}

// says holds an error, if there is one, against its cause.
func (b *bench) says(errno syscall.Errno, text string) {
	b.t.Helper()
	if text != "" && !strings.Contains(text, errno.Error()) {
		b.t.Errorf("it failed with %s and says %s", errno, text)
	}
}

// fails sees that a disk that has failed for good fails every append, and that the Recorder says so.
func (b *bench) fails(at point, errno syscall.Errno) {
	b.t.Helper()
	for _, line := range []string{"append 1", "health"} {
		text := b.p.ask(b.acked, "%s", line)
		if text == "" {
			b.t.Errorf("%s for good from %q on: %s succeeds", errno, at, line)
		}
		b.says(errno, text)
	}
}

func whileOpening(t *testing.T, all points, errno syscall.Errno, forGood diskfault.Hook) {
	b := newBench(t)
	b.start()
	b.p.must(b.acked, "append 1")
	for _, at := range all.opening {
		b.p.kill(b.acked)
		b.opens(at, errno, forGood)
	}
	b.finish()
}

func whileMade(t *testing.T, all points, errno syscall.Errno, forGood diskfault.Hook) {
	for _, at := range all.fresh {
		b := newBench(t)
		b.opens(at, errno, forGood)
		b.finish()
	}
}

// opens starts a program that meets the fault while it opens the log.
func (b *bench) opens(at point, errno syscall.Errno, forGood diskfault.Hook) {
	b.t.Helper()
	f := &fault{dir: b.dir, at: at, errno: errno, forGood: forGood}
	b.disk.Hook(f.hook)
	b.start()
	harness.Eventually(b.t.Context(), b.t, "the fault is met", func(context.Context) error {
		b.says(errno, b.p.ask(b.acked, "append 1"))
		return f.wasHit()
	})
	if forGood != nil {
		b.fails(at, errno)
	}
	b.recovers(errno, forGood != nil)
}
