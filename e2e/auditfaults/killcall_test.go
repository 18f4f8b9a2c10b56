//go:build linux && (amd64 || arm64)

package auditfaults_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/diskfault"
)

// TestKilledAtEachSystemCallNothingIsLostAndNothingTwice kills the program at the calls that the store makes on its disk: at all that have to do with the journal, at all that are made each
// time that a log is opened after a kill, here with records in its journal, at all that only a new log takes, and at a third of the others, or all of them where WAXWING_AUDIT_ALL is set.
// What only some kills leave to the next opening is not among them; record logs it. Killed at one call is killed behind the one before.
func TestKilledAtEachSystemCallNothingIsLostAndNothingTwice(t *testing.T) {
	all := record(t)
	running := slices.Concat(all.one, all.many)
	var some []point
	for i, p := range running {
		if strings.Contains(string(p), "/journal") || i%3 == 0 || os.Getenv("WAXWING_AUDIT_ALL") != "" {
			some = append(some, p)
		}
	}
	var wait sync.WaitGroup
	for name, c := range map[string]struct {
		points []point
		test   func(*bench, []point)
	}{"while it runs": {some, killedRunning}, "while it opens": {all.opening, killedOpening}, "while it is made": {all.fresh, killedMade}} {
		wait.Go(func() {
			t.Run(name, func(t *testing.T) {
				b := newBench(t)
				c.test(b, c.points)
				t.Logf("%d kills, %d records acknowledged", len(c.points), len(b.acked))
			})
		})
	}
	wait.Wait()
}

func killedRunning(b *bench, points []point) {
	b.start()
	for _, at := range points {
		var many batches
		b.killedAt(at, many.next)
		b.start()
		b.p.must(b.acked, "append 1")
	}
	b.finish()
}

func killedOpening(b *bench, points []point) {
	b.start()
	for _, at := range points {
		b.p.must(b.acked, "append 5")
		b.p.kill(b.acked) // with these in its journal
		b.disk.Hook(nil)
		b.startKilledAt(at)
		b.start()
		b.p.must(b.acked, "append 1")
	}
	b.finish()
}

func killedMade(b *bench, points []point) {
	for _, at := range points {
		one := newBench(b.t)
		one.startKilledAt(at)
		one.start()
		one.p.must(one.acked, "append 1")
		one.finish()
		for ack := range one.acked {
			b.acked[ack] = true
		}
	}
}

func (b *bench) startKilledAt(at point) {
	b.t.Helper()
	// The hook has to be there before the program, whose number it does not know yet.
	k := &killer{fault: fault{dir: b.dir, at: at}, started: make(chan struct{})}
	b.disk.Hook(k.hook)
	b.start()
	k.p = b.p
	close(k.started)
	b.dies(k, func() int { return 1 })
}

// killedAt has the running program append until it comes by a point and is killed there.
func (b *bench) killedAt(at point, next func() int) {
	b.t.Helper()
	k := &killer{fault: fault{dir: b.dir, at: at}, started: make(chan struct{}), p: b.p}
	close(k.started)
	b.disk.Hook(k.hook)
	b.dies(k, next)
}

// dies appends until the program is gone.
func (b *bench) dies(k *killer, next func() int) {
	b.t.Helper()
	harness.Eventually(b.t.Context(), b.t, fmt.Sprintf("it is killed at %q", k.at), func(context.Context) error {
		if b.p.tell(b.acked, "append %d", next()) {
			return fmt.Errorf("it lives")
		}
		return nil
	})
	b.p.killed()
	b.disk.Hook(nil)
	if err := k.wasHit(); err != nil {
		b.t.Fatal(err)
	}
}

// killer kills a program at a point.
type killer struct {
	fault
	started chan struct{} // closed when p is known
	p       *process
}

func (k *killer) hook(c diskfault.Call) syscall.Errno {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.hit && pointOf(k.dir, c) == k.at {
		<-k.started
		k.hit = true
		_ = k.p.cmd.Process.Kill()
	}
	return 0
}

// tell is ask of a program that may end meanwhile: it says whether it has not.
func (p *process) tell(acked map[string]bool, format string, args ...any) bool {
	if _, err := io.WriteString(p.in, fmt.Sprintf(format, args...)+"\n"); err != nil {
		for line := range p.lines {
			acked[line] = true
		}
		return false
	}
	for line := range p.lines {
		if strings.HasPrefix(line, "done") {
			return true
		}
		acked[line] = true
	}
	return false
}
