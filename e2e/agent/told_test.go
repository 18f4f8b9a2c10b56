package agent_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// told holds that both audit logs verify, without the cluster, against what was anchored there, and that the agent's has what it did.
func (g *golden) told() {
	g.t.Helper()
	anchors := filepath.Join(g.safe, "anchors.json")
	g.stopped(g.process) // while it runs, something may be under way, which is a finding
	g.stopped(g.ctl)
	if err := os.WriteFile(anchors, []byte(g.seal("audit", "anchor", "-o", "json")), 0o600); err != nil {
		g.t.Fatal(err)
	}
	for _, log := range []string{g.agentLog, g.ctlLog} {
		if p := g.started("/nonexistent", "", harness.BuildBinary(g.t, "./cmd/seal"), "audit", "verify", log, "--anchor", anchors); p.Wait(g.t) != 0 {
			g.t.Errorf("%s does not verify: %s", log, p.Stderr())
		}
	}
	done, open := outcomes(g.t, g.agentLog)
	for _, a := range []audit.Action{audit.ActionSyncSynced, audit.ActionSyncApplied, audit.ActionSyncPushed} {
		if !done[a] {
			g.t.Errorf("the agent's audit log has no %s that was done", a)
		}
	}
	if len(open) > 0 {
		g.t.Errorf("intents without an outcome: %s", open)
	}
}

// outcomes are the actions of a log that were done, and intents without an outcome.
func outcomes(t *testing.T, log string) (done map[audit.Action]bool, open []string) {
	t.Helper()
	done = map[audit.Action]bool{}
	records, intents := audittest.Records(t, log), map[string]audit.Record{}
	for _, r := range records {
		switch r.Phase {
		case audit.PhaseIntent:
			intents[r.ID] = r
		case audit.PhaseOutcome:
			if i, ok := intents[r.ID]; ok && r.Outcome.OK {
				done[i.Operation.Action] = true
			}
		case audit.PhaseNote:
			if r.Operation != nil && (r.Outcome == nil || r.Outcome.OK) {
				done[r.Operation.Action] = true
			}
		}
	}
	for _, r := range audittest.Unfinished(records) {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, string(b))
	}
	return done, open
}

// stopped has a program end as the kubelet would.
func (w *world) stopped(p *harness.Process) {
	w.t.Helper()
	p.Signal(w.t, os.Interrupt)
	p.Wait(w.t)
}
