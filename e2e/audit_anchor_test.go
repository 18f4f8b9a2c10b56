package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/cluster"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestTheAuditLogIsAnchored follows a log from its first record through a restart: what is in the cluster grows with it and is signed by its key, every term begins with a record of
// its own, a start that had all to do leaves no intent without an outcome, and standard output has the same records as the log.
func TestTheAuditLogIsAnchored(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	first := w.controllerWithLog(t, log, "--audit-stdout")
	for i := range 20 {
		w.create(t, w.sealed(t, fmt.Sprintf("cold-%d", i), "user"))
	}
	for i := range 20 {
		w.seen(t, fmt.Sprintf("cold-%d", i))
	}
	anchored := first.anchoredFrom(t, 40)
	if err := signedBy(anchored); err != nil {
		t.Errorf("the anchor is not signed by its key: %v", err)
	}
	until(w.ctx, t, "the metrics have as many records", func() bool { // a moment after the anchor
		return first.metric(t, "waxwing_audit_records_total") >= 40 && first.metric(t, "waxwing_audit_anchored_records") >= 40
	})
	w.keyIsKept(t, first)
	first.Signal(t, syscall.SIGTERM)
	first.Wait(t)
	first.checkOutcomes(t, 0)
	all := first.records(t)
	sameAsPrinted(t, all, first.Stdout())
	beganWithTheTerm(t, all)
	w.anchorsAll(t, first)
	all = first.records(t)

	second := w.controllerWithLog(t, log)
	w.create(t, w.sealed(t, "warm", "user"))
	w.seen(t, "warm")
	beganWithTheTerm(t, second.records(t)[len(all):])
	if a := second.anchoredFrom(t, len(all)+4); a.Part != 1 || a.Key != anchored.Key {
		t.Errorf("another part or key after a restart: %+v", a)
	}
	if n := second.metric(t, "waxwing_audit_unmatched_intents"); n != 0 {
		t.Errorf("%g intents of the first process have no outcome", n)
	}
	// A copy of the cluster's events and objects is searched for the canary at the end; the key must not be in the program's own words either.
	if has(first.Output()+second.Output(), "PRIVATE+KEY") {
		t.Error("the log's key was printed")
	}
}

// keyIsKept holds what the Secret with the log's key is.
func (w *world) keyIsKept(t *testing.T, r *replica) {
	t.Helper()
	secret := &corev1.Secret{}
	if err := w.Get(w.ctx, types.NamespacedName{Namespace: home, Name: cluster.KeySecretName(harness.ReplicaOf(r.log))}, secret); err != nil {
		t.Fatal(err)
	}
	if secret.Type != cluster.KeyType || secret.Immutable == nil || !*secret.Immutable || secret.Labels[cluster.LabelKey] != "true" {
		t.Errorf("it is of type %s, immutable %v, labels %v", secret.Type, secret.Immutable, secret.Labels)
	}
	err := filepath.WalkDir(r.log, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // garbage of the log goes while we look
		}
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), "PRIVATE+KEY") {
			t.Errorf("%s has the key", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// sameAsPrinted compares the records of a log with what the process printed.
func sameAsPrinted(t *testing.T, all []audit.Record, printed string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(printed, "\n"), "\n")
	if len(lines) != len(all) {
		t.Fatalf("%d lines were printed for %d records", len(lines), len(all))
	}
	type id struct {
		id    string
		phase audit.Phase
	}
	want := map[id]string{} // without their order, which is another one in the tree now and then
	for _, r := range all {
		text, _ := json.Marshal(r)
		want[id{r.ID, r.Phase}] = string(text)
	}
	for i, line := range lines {
		r, err := audit.Decode([]byte(line))
		if err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		got, _ := json.Marshal(r)
		if want := want[id{r.ID, r.Phase}]; string(got) != want {
			t.Fatalf("line %d is %s, the record %q", i, got, want)
		}
		delete(want, id{r.ID, r.Phase})
	}
}

// beganWithTheTerm holds that a process that leads records its term first of all, and its number and the clock's offset in all that follows.
func beganWithTheTerm(t *testing.T, records []audit.Record) {
	t.Helper()
	began := false
	for i, r := range records {
		switch {
		case r.Phase == audit.PhaseNote && r.Operation.Action == audit.ActionTermBegan:
			began = true
			if r.Term == nil || r.Operation.Term == nil || *r.Term != r.Operation.Term.Number || r.Operation.Term.Holder == "" {
				t.Errorf("the term's record has %+v", r.Operation.Term)
			}
		case r.Phase == audit.PhaseIntent && !began:
			t.Errorf("record %d, %s, comes before the term", i, r.Operation.Action)
		case began && (r.Term == nil || r.ClockOffset == nil):
			t.Errorf("record %d has no term, or no offset of the clock", i)
		}
		if r.ClockOffset != nil && (*r.ClockOffset < -10_000 || *r.ClockOffset > 10_000) {
			t.Errorf("the API server's clock, which is ours, is %d ms ahead", *r.ClockOffset)
		}
	}
	if !began {
		t.Error("no term began")
	}
}

// TestALogThatIsNotTheAnchoredOneIsRefused puts an older copy of the log in its place, and then none at all: nothing is opened, what there is stays, and a request to restart has
// it go on in a new part that cites the last anchor.
func TestALogThatIsNotTheAnchoredOneIsRefused(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	older := filepath.Join(t.TempDir(), "older")
	ctl := w.controllerWithLog(t, log)
	w.create(t, w.sealed(t, "before", "user"))
	w.seen(t, "before")
	w.stopAnchored(t, ctl)
	if err := os.CopyFS(older, os.DirFS(log)); err != nil {
		t.Fatal(err)
	}
	ctl = w.controllerWithLog(t, log)
	w.create(t, w.sealed(t, "between", "user"))
	w.seen(t, "between")
	w.stopAnchored(t, ctl)
	for n, c := range []struct {
		name string
		put  func() error
	}{
		{"rolled-back", func() error { return os.Rename(older, log) }},
		{"lost", func() error { return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			last, err := ctl.anchor(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(log, log+"-"+c.name); err != nil {
				t.Fatal(err)
			}
			if err := c.put(); err != nil {
				t.Fatal(err)
			}
			written := func() (versions []string) {
				for _, name := range []string{"before", "between"} {
					versions = append(versions, w.holds(t, name, "user").ResourceVersion)
				}
				return versions
			}
			versions := written()
			ctl = w.start(t, log)
			ctl.notReady(t)
			w.create(t, w.sealed(t, c.name, "user"))
			w.eventually(t, c.name, unseal.AuditUnavailable)
			w.absent(t, c.name)
			if !slices.Equal(written(), versions) {
				t.Error("what was there was written")
			}
			if a, err := ctl.anchor(w.ctx); err != nil || a.Checkpoint != last.Checkpoint || a.Part != last.Part {
				t.Errorf("the anchor is %+v now, %v", a, err)
			}
			w.restart(t, ctl, audit.Restart{Reason: "the volume was " + c.name, Part: last.Part})
			ctl.ready(t)
			w.seen(t, c.name)
			w.holds(t, c.name, "user")
			restarted := firstNote(ctl.partRecords(t, n+2), audit.ActionLogRestarted)
			if restarted == nil || restarted.Operation.Log.Cites != last.Checkpoint || !strings.Contains(restarted.Outcome.Message+restarted.Outcome.Reason, c.name) {
				t.Errorf("the new part begins with %+v", restarted)
			}
			if a := ctl.anchoredIn(t, n+2); a.Part != n+2 || len(a.Closed) != n+1 || a.Closed[n] != last.Checkpoint || a.Restart != nil {
				t.Errorf("the anchor is %+v now", a)
			}
			w.stopAnchored(t, ctl)
		})
	}
}

// stop stops a controller as its pod's end does.
func (w *world) stop(t *testing.T, r *replica) {
	t.Helper()
	r.Signal(t, syscall.SIGTERM)
	r.Wait(t)
}

// stopAnchored is stop, and what was recorded is anchored.
func (w *world) stopAnchored(t *testing.T, r *replica) {
	t.Helper()
	w.stop(t, r)
	w.anchorsAll(t, r)
}

// anchorsAll holds that the anchor of a controller that was stopped has all of its records. That is tried once at a stop, for some seconds: where a busy machine took longer and the
// controller says so, it has another start and stop for it.
func (w *world) anchorsAll(t *testing.T, r *replica) {
	t.Helper()
	for tries := 0; ; tries++ {
		a, err := r.anchor(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		all := len(r.partRecords(t, max(a.Part, 1))) // there may be no anchor yet
		said := r.Output()
		switch {
		case sizeOf(a.Checkpoint) == all:
			return
		case tries == 2 || !has(said, "the audit log cannot be anchored") && !has(said, "no checkpoint was published") && !has(said, "it has not answered"):
			t.Fatalf("the log has %d records, its anchor %d, and the controller said %s", all, sizeOf(a.Checkpoint), said)
		}
		r = w.controllerWithLog(t, r.log, r.args...)
		w.stop(t, r)
	}
}

// restart asks for a new part of the replica's log.
func (w *world) restart(t *testing.T, r *replica, request audit.Restart) {
	t.Helper()
	b, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := json.Marshal(map[string]any{"data": map[string]string{"restart": string(b)}})
	if err != nil {
		t.Fatal(err)
	}
	cm := &corev1.ConfigMap{}
	cm.Namespace, cm.Name = home, cluster.AnchorName(harness.ReplicaOf(r.log))
	if err := w.Patch(w.ctx, cm, client.RawPatch(types.MergePatchType, patch)); err != nil {
		t.Fatal(err)
	}
}

// TestATermCitesTheOtherReplicasLogs has a second replica take over from one that is killed.
func TestATermCitesTheOtherReplicasLogs(t *testing.T) {
	w := newWorld(t)
	first := w.controller(t)
	w.create(t, w.sealed(t, "a", "user"))
	w.seen(t, "a")
	first.anchoredFrom(t, 3)
	second := w.controller(t)
	first.Process.Kill()
	w.create(t, w.sealed(t, "b", "user"))
	w.seen(t, "b")
	var last audit.Anchor
	harness.Eventually(w.ctx, t, "the first replica's anchor is read", func(ctx context.Context) (err error) {
		last, err = first.anchor(ctx)
		return err
	})
	one, two := firstNote(first.records(t), audit.ActionTermBegan), firstNote(second.records(t), audit.ActionTermBegan)
	if one == nil || two == nil {
		t.Fatal("a term was not recorded")
	}
	if one.Operation.Term.Number >= two.Operation.Term.Number || one.Operation.Term.Holder == two.Operation.Term.Holder {
		t.Errorf("the terms are %+v and %+v", one.Operation.Term, two.Operation.Term)
	}
	cited := false
	for _, checkpoint := range two.Operation.Term.Others {
		cited = cited || checkpoint == last.Checkpoint
	}
	if !cited {
		t.Errorf("the second term cites %q, the first replica's last anchor is %q", two.Operation.Term.Others, last.Checkpoint)
	}
}
