//go:build linux && (amd64 || arm64)

package auditfaults_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit/audittest"
)

const (
	// killsOfALog are made of one log; more kills take more logs, because opening reads what the anchor speaks of.
	killsOfALog = 25
	// killPartSize has a log go on in a new part every few kills, so that kills meet that too.
	killPartSize = 1500
	// The latest moments of a kill: after the first record was acknowledged, and after the start.
	latest        = 250 * time.Millisecond
	latestAtStart = 60 * time.Millisecond
)

// TestKilledUnderLoadNothingIsLostAndNothingUnrecorded kills programs with 32 writers at seeded moments: in two of three cases some time after the first record was
// acknowledged, otherwise some time after the start, which meets the opening.
func TestKilledUnderLoadNothingIsLostAndNothingUnrecorded(t *testing.T) {
	kills := fromEnv(t, "WAXWING_AUDIT_KILLS", 100)
	random := rand.New(rand.NewPCG(seed(t), 0))
	var sum counts
	var atOpening, killed uint64
	for killed < kills {
		dir := audittest.Dir(t) // in memory, which outlives the process as a disk does
		acked := map[string]bool{}
		for range min(killsOfALog, kills-killed) {
			if killOnce(t, dir, acked, random) == 0 {
				atOpening++
			}
			killed++
		}
		reopen(t, dir, acked, killPartSize)
		c := check(t, dir, acked)
		sum.records, sum.acknowledged, sum.lost, sum.twice = sum.records+c.records, sum.acknowledged+c.acknowledged, sum.lost+c.lost, sum.twice+c.twice
		sum.acts, sum.unrecorded = sum.acts+c.acts, sum.unrecorded+c.unrecorded
		if t.Failed() {
			t.Logf("the log is of kills %d and before", killed)
			break
		}
		if err := os.RemoveAll(filepath.Dir(dir)); err != nil { // it takes memory
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d of them before anything was acknowledged: %d records in the logs, %d acknowledged, %d lost, %d there twice; %d operations, %d unrecorded",
		killed, atOpening, sum.records, sum.acknowledged, sum.lost, sum.twice, sum.acts, sum.unrecorded)
	if sum.acknowledged < int(kills)*writers {
		t.Errorf("%d acknowledged records are no load", sum.acknowledged)
	}
}

// killOnce starts a program and kills it; it gives the number of records that were acknowledged.
func killOnce(t *testing.T, dir string, acked map[string]bool, random *rand.Rand) (n int) {
	t.Helper()
	atStart, limit := random.IntN(3) == 0, latest
	if atStart {
		limit = latestAtStart
	}
	after := time.Duration(random.Int64N(int64(limit)))
	p := start(t, "load", dir, nil, killPartSize)
	if !atStart {
		line, ok := <-p.lines
		if !ok {
			p.killed() // says how it ended
		}
		acked[line] = true
		n++
	}
	timer := time.NewTimer(after)
	defer timer.Stop()
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.killed()
				return n
			}
			acked[line] = true
			n++
		case <-timer.C:
			if err := p.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
