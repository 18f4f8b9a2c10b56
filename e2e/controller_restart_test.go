package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestAKilledControllerLosesNothingAndOpensNothingAgain kills the controller in the middle of its work and holds, after a restart: what was finished is not
// opened again and its status is not written, what was not finished is, what changed meanwhile is seen to, and every intent but those of the moment of
// the kill has its outcome.
func TestAKilledControllerLosesNothingAndOpensNothingAgain(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	g := w.gate(t, w.makesSecrets)
	ctl := w.behind(t, g).controllerWithLog(t, log)
	const done, more, workers = 5, 15, 2
	for i := range done {
		w.create(t, w.sealed(t, fmt.Sprintf("done-%d", i), "user", "password"))
	}
	for i := range done {
		w.seen(t, fmt.Sprintf("done-%d", i))
	}
	g.close()
	for i := range more {
		w.create(t, w.sealed(t, fmt.Sprintf("more-%d", i), "user"))
	}
	until(w.ctx, t, "some of the others are being opened", func() bool { opening, _ := ctl.unfinished(t); return opening == workers })
	versions := w.versions(t)
	ctl.Kill()
	gone := w.sealed(t, "done-0", "user")
	if err := w.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "done-0"}}); err != nil {
		t.Fatal(err)
	}
	w.update(t, gone, func() {
		if err := sealer().Put(&gone.Spec, values("late"), []seal.Holder{w.holder(t)}); err != nil {
			t.Fatal(err)
		}
	})
	before := len(ctl.records(t))

	ctl = w.controllerWithLog(t, log)
	w.holds(t, "done-0", "user", "password", "late")
	for i := range more {
		w.seen(t, fmt.Sprintf("more-%d", i))
		w.holds(t, fmt.Sprintf("more-%d", i), "user")
	}
	for name, version := range w.versions(t) {
		if finished := name != "done-0" && strings.HasPrefix(name, "done-"); finished && version != versions[name] {
			t.Errorf("%s was finished, and something was written for it", name)
		}
	}
	for _, r := range ctl.records(t)[before:] {
		if r.Phase == audit.PhaseIntent && strings.HasPrefix(r.Operation.Object.Name, "done-") && r.Operation.Object.Name != "done-0" {
			t.Errorf("%s was opened again", r.Operation.Object.Name)
		}
	}
	ctl.checkOutcomes(t, workers)
}

// versions gives the resource versions of GitSecrets and Secrets by name.
func (w *world) versions(t *testing.T) map[string]string {
	t.Helper()
	var objects v1alpha1.GitSecretList
	var secrets corev1.SecretList
	if err := errors.Join(w.List(w.ctx, &objects, client.InNamespace(w.namespace)), w.List(w.ctx, &secrets, client.InNamespace(w.namespace))); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, o := range objects.Items {
		versions[o.Name] = o.ResourceVersion
	}
	for _, s := range secrets.Items {
		versions[s.Name] += " " + s.ResourceVersion
	}
	return versions
}

// checkOutcomes holds that all intents to unseal but a few, those of workers that were killed, come to have an outcome, and all others but as few; and none has two. A status may be there
// a moment before its outcome.
func (r *replica) checkOutcomes(t *testing.T, killed int) {
	t.Helper()
	until(r.w.ctx, t, fmt.Sprintf("no more than %d intents have no outcome", killed), func() bool {
		opening, all := r.unfinished(t)
		return opening <= killed && all-opening <= killed
	})
}

// unfinished counts the intents without an outcome: of those to open an object, and of all.
func (r *replica) unfinished(t *testing.T) (opening, all int) {
	t.Helper()
	open, records := map[string]audit.Record{}, r.records(t)
	for _, rec := range records {
		if rec.Phase == audit.PhaseIntent {
			open[rec.ID] = rec
		}
	}
	for _, rec := range records { // an outcome may be before its intent in the tree, but it was made after it
		if rec.Phase == audit.PhaseOutcome {
			if intent, ok := open[rec.ID]; !ok || rec.Time.Before(intent.Time) {
				t.Errorf("an outcome without an open intent: %s", rec.ID)
			}
			delete(open, rec.ID)
		}
	}
	for _, intent := range open {
		if intent.Operation.Action.Opens() {
			opening++
		}
	}
	return opening, len(open)
}

// dies is kill -9 of a leader, which says nothing any more: its lead runs out as that of one with the times that ship, for those who wait go by the Lease. It is patient until
// then, because one that is not ends by itself on a busy machine.
func (r *replica) dies(t *testing.T) {
	t.Helper()
	r.Process.Kill()
	lease := &coordinationv1.Lease{}
	harness.Eventually(r.w.ctx, t, "the lead of the killed controller is a short one", func(ctx context.Context) error {
		if err := r.w.Get(ctx, types.NamespacedName{Namespace: home, Name: "waxwing-controller"}, lease); err != nil {
			return err
		}
		if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" || lease.Labels["waxwing.io/replica"] != harness.ReplicaOf(r.log) {
			return harness.Permanent(fmt.Errorf("it has not had the lead: %+v", lease))
		}
		lease.Spec.LeaseDurationSeconds = new(int32(4))
		return r.w.Update(ctx, lease)
	})
}

func TestOnlyOneReplicaWorksAndTheNextTakesOver(t *testing.T) {
	w := newWorld(t)
	first := w.controller(t)
	second := w.controller(t, "--leader-elect-lease-duration", "10s", "--leader-elect-renew-deadline", "8s") // one that waits is ready after that
	w.create(t, w.sealed(t, "a", "user"))
	w.seen(t, "a")
	if n := second.intents(t, "a"); first.intents(t, "a") != 1 || n != 0 {
		t.Errorf("the one that waits has %d intents", n)
	}
	first.dies(t)
	w.create(t, w.sealed(t, "b", "user"))
	w.seen(t, "b")
	if first.intents(t, "b") != 0 || second.intents(t, "b") != 1 || second.intents(t, "a") != 0 {
		t.Errorf("after the kill: the second has %d and %d intents", second.intents(t, "a"), second.intents(t, "b"))
	}
	lease := &coordinationv1.Lease{}
	if err := w.Get(w.ctx, types.NamespacedName{Namespace: home, Name: "waxwing-controller"}, lease); err != nil || lease.Spec.HolderIdentity == nil {
		t.Fatalf("the Lease: %v %+v", err, lease.Spec)
	}
	for _, rec := range second.records(t) {
		if rec.Replica != harness.ReplicaOf(second.log) {
			t.Errorf("a record of replica %q in the second's log", rec.Replica)
		}
	}
}

// TestEventsTellChangesOnly holds that looking again at what has not changed makes no noise.
func TestEventsTellChangesOnly(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	o := w.sealed(t, "db", "user")
	o.Spec.Type = "bootstrap.kubernetes.io/token"
	w.create(t, o)
	w.eventually(t, "db", unseal.UnsupportedType)
	for range 5 {
		touch(t, w, o)
	}
	w.update(t, o, func() { o.Spec.Type = "" })
	w.eventually(t, "db", unseal.Unsealed)
	harness.Eventually(w.ctx, t, "there are two events", func(ctx context.Context) error {
		var all eventsv1.EventList
		if err := w.List(ctx, &all, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		var said []string
		for _, e := range all.Items {
			said = append(said, e.Type+" "+e.Reason)
			if e.Series != nil {
				return harness.Permanent(fmt.Errorf("%s was said %d times", e.Reason, e.Series.Count))
			}
		}
		if len(said) != 2 || !strings.Contains(strings.Join(said, ","), "Warning UnsupportedType") || !strings.Contains(strings.Join(said, ","), "Normal Unsealed") {
			return fmt.Errorf("said: %s", said)
		}
		return nil
	})
}
