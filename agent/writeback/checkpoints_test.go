package writeback_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
)

const (
	originA, originB = "test/replica-a", "test/replica-b"
	fileA, fileB     = "audit/" + originA + ".json", "audit/" + originB + ".json"
)

// twoLogs is a repository to which nothing is due but the checkpoints of two logs, by pull requests.
func twoLogs(t testing.TB) (w *world, a, b *auditLog, logs func() writeback.Cluster) {
	t.Helper()
	w = newWorld(t, tree{"README": "x\n"})
	w.writer.Spec.Strategy, w.writer.Spec.Checkpoints, w.forge.url = v1alpha1.WritePullRequest, "audit", "https://git.example.com/team/infra/pulls/1"
	a, b = newAuditLogOf(t, originA, audittest.Key(t), 5), newAuditLogOf(t, originB, audittest.Key(t), 5)
	return w, a, b, func() writeback.Cluster { return writeback.Cluster{Logs: []writeback.AuditLog{a.now(), b.now()}} }
}

// checkpointOf is what a branch keeps of a log.
func (w *world) checkpointOf(branch, name string) string {
	w.t.Helper()
	var k writeback.Kept
	must(w.t, json.Unmarshal([]byte(w.file(branch, name)), &k))
	return k.Checkpoint
}

// TestCheckpointsThatAreNotMergedStayOnTheBranch has one log grow while the pull request with both waits: what takes the branch's place has both, and nothing is due then.
func TestCheckpointsThatAreNotMergedStayOnTheBranch(t *testing.T) {
	w, a, b, logs := twoLogs(t)
	if r := w.good(logs()); len(r.Pushed) != 1 {
		t.Fatalf("%+v", r)
	}
	a.write(3)
	w.clock = w.clock.Add(writeback.AnchorEvery)
	r := w.good(logs())
	if len(r.Pushed) != 1 || !slices.Equal(r.Pushed[0].Parent, []string{w.repo.Head("main")}) {
		t.Fatalf("%d pushes: %+v", len(r.Pushed), r)
	}
	for name, l := range map[string]*auditLog{fileA: a, fileB: b} {
		if got := w.checkpointOf(own, name); got != l.now().Anchor.Checkpoint {
			t.Errorf("%s has %q", name, got)
		}
	}
	if op := w.log.intents[1]; op.Action != audit.ActionSyncAnchored || !slices.Equal(op.Items, []string{originA, originB}) {
		t.Errorf("%+v", op)
	}
	if again := w.good(logs()); len(again.Pushed) > 0 {
		t.Errorf("%d more pushes", len(again.Pushed))
	}
}

// TestWhatIsMergedOfCheckpointsIsNotPutBack has the followed branch have newer checkpoints of a log than the own branch, which is not in it: a squashed merge, and another SecretSync's.
func TestWhatIsMergedOfCheckpointsIsNotPutBack(t *testing.T) {
	w, a, b, logs := twoLogs(t)
	w.good(logs())
	old := w.file(own, fileB)
	b.write(2)
	w.clock = w.clock.Add(writeback.AnchorEvery)
	newer := string(keep(t, []byte(old), b.now(), w.clock))
	w.clock = w.clock.Add(time.Hour)
	a.write(3)
	head := w.person("main", map[string]string{fileB: newer, "audit/test/replica-z.json": "{}\n"})
	r := w.good(logs())
	if len(r.Pushed) != 1 || !slices.Equal(r.Pushed[0].Parent, []string{head}) {
		t.Fatalf("%+v", r)
	}
	w.pull(own)
	if files := w.repo.Git("diff", "--name-only", "HEAD^", "HEAD"); files != fileA {
		t.Errorf("it changes %s", files)
	}
}

// TestAFileThatIsNoAnchorIsToldOf has a person spoil a file on the followed branch while the own branch has a good one.
func TestAFileThatIsNoAnchorIsToldOf(t *testing.T) {
	w, a, _, logs := twoLogs(t)
	w.good(logs())
	a.write(3)
	w.clock = w.clock.Add(writeback.AnchorEvery)
	w.person("main", map[string]string{fileB: "{}\n"})
	r := w.good(logs())
	if len(r.Pushed) != 1 || len(r.Messages) != 1 || !strings.Contains(r.Messages[0], fileB+": it holds no anchor of this log") || w.file(own, fileB) != "{}\n" {
		t.Errorf("%+v", r)
	}
}
