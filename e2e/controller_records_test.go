package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/unseal"
)

// story is what the audit log says of an object or a Secret by its name: PHASE ACTION, and of an outcome whether it went well.
func (r *replica) story(t *testing.T, kinds []string, namespace, name string) (lines []string) {
	t.Helper()
	records, about := r.records(t), map[string]audit.Action{}
	for _, rec := range records {
		if op := rec.Operation; op != nil && slices.Contains(kinds, op.Object.Kind) && op.Object.Name == name && op.Object.Namespace == namespace {
			about[rec.ID] = op.Action
		}
	}
	for _, rec := range records {
		if action, ok := about[rec.ID]; ok {
			line := fmt.Sprintf("%s %s", rec.Phase, action)
			if rec.Outcome != nil && !rec.Outcome.OK {
				line += " " + rec.Outcome.Reason
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// TestRecordsTellWhatHappened takes objects through what the audit log has actions for, and reads the log.
func TestRecordsTellWhatHappened(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	ctl := w.controllerWithLog(t, log)
	db := w.sealed(t, "db", "user")
	if err := w.Create(w.ctx, db, client.FieldOwner("flux")); err != nil {
		t.Fatal(err)
	}
	envelope := db.Spec.Items["user"].Envelope
	w.eventually(t, "db", unseal.Unsealed)
	opened := []string{"note envelope.seen", "intent unseal", "outcome unseal"}
	want := slices.Clone(opened)
	kinds := []string{seal.Kind, "Secret"}
	expect := func(what, name string, want []string) {
		t.Helper()
		until(w.ctx, t, what, func() bool { return len(ctl.story(t, kinds, w.namespace, name)) >= len(want) })
		if diff := cmp.Diff(want, ctl.story(t, kinds, w.namespace, name)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	expect("the first opening", "db", want)

	s := w.holds(t, "db", "user")
	w.update(t, s, func() { s.Data["user"] = []byte("somebody-else") })
	w.holds(t, "db", "user")
	repaired := []string{"intent drift.repair", "outcome drift.repair"}
	want = append(want, repaired...)
	expect("a change is undone", "db", want)

	gone := w.holds(t, "db", "user")
	if err := w.Delete(w.ctx, gone); err != nil {
		t.Fatal(err)
	}
	w.holds(t, "db", "user")
	// The look that finds the Secret gone may come before the watch has told: the note is of the next one then.
	noted := append(append(slices.Clone(want), "note secret.deleted"), repaired...)
	after := append(append(slices.Clone(want), repaired...), "note secret.deleted")
	until(w.ctx, t, "a deletion is noted and undone", func() bool { return len(ctl.story(t, kinds, w.namespace, "db")) >= len(noted) })
	if want = noted; slices.Equal(ctl.story(t, kinds, w.namespace, "db"), after) {
		want = after
	}
	expect("a deletion is noted and undone", "db", want)

	w.update(t, db, func() { db.Spec.Type = "example.com/other" }) // takes a new Secret
	w.eventually(t, "db", unseal.Unsealed)
	want = append(want, "intent unseal", "outcome unseal")
	expect("our own replacement is no deletion", "db", want)
	if after := w.holds(t, "db", "user"); after.Type != "example.com/other" || after.UID == gone.UID {
		t.Errorf("the Secret is of type %s", after.Type)
	}

	elsewhere := w.object("elsewhere", &w.sealed(t, "another", "user").Spec)
	w.create(t, elsewhere)
	w.eventually(t, "elsewhere", unseal.ScopeMismatch)
	w.update(t, elsewhere, func() { elsewhere.Labels = map[string]string{"a": "b"} })
	expect("a refusal", "elsewhere", []string{"note envelope.seen", "note refuse ScopeMismatch"})

	for _, rec := range ctl.records(t) {
		op := rec.Operation
		if op == nil || op.Object.Name != "db" || op.Object.Namespace != w.namespace {
			continue
		}
		switch op.Action {
		case audit.ActionEnvelopeSeen:
			if diff := cmp.Diff([]audit.Key{{Envelope: envelope}}, op.Keys); diff != "" || op.Actor.Manager != "flux" || op.Object.UID != string(db.UID) {
				t.Errorf("%+v: %s", op, diff)
			}
		case audit.ActionSecretDeleted:
			if op.Object.Kind != "Secret" || op.Object.UID != string(gone.UID) {
				t.Errorf("%+v", op)
			}
		case audit.ActionDriftRepair:
			if op.Actor.Manager != "flux" || len(op.Keys) != 1 || op.Keys[0].Envelope != envelope || op.Keys[0].ID == "" || !slices.Equal(op.Items, []string{"user"}) {
				t.Errorf("%+v", op)
			}
		}
	}

	// What was opened before is known to a new process by its marks.
	w.shardOf(t, "db") // on a busy machine what is not stored yet may not be at the end
	ctl.Signal(t, os.Interrupt)
	ctl.Wait(t)
	before := len(want)
	ctl = w.controllerWithLog(t, log)
	w.update(t, db, func() { db.Spec.Type = "example.com/third" })
	w.holdsType(t, "db", "example.com/third")
	want = append(want, "intent unseal", "outcome unseal")
	expect("after a restart", "db", want)
	if len(want) != before+2 {
		t.Error("the log of the process before is not there")
	}

	ctl.recordsAKeyring(t)
}

// recordsAKeyring makes a Keyring of the test's own and deletes it.
func (r *replica) recordsAKeyring(t *testing.T) {
	t.Helper()
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: "records" + r.w.namespace[strings.LastIndex(r.w.namespace, "-"):]}}
	kr.Spec.Source.Secret = &v1alpha1.SecretSource{}
	r.w.create(t, kr)
	made := []string{
		"intent key.load", "intent key.generate", "outcome key.generate", "intent key.generate", "outcome key.generate",
		"intent key.activate", "outcome key.activate", "intent keyring.publish", "outcome keyring.publish", "outcome key.load",
	}
	story := func() []string { return r.story(t, []string{"Keyring", "StatementKey"}, "", kr.Name) }
	until(r.w.ctx, t, "the keyring is ready, and its story told", func() bool { return len(story()) >= len(made) })
	if diff := cmp.Diff(made, story()[:len(made)]); diff != "" {
		t.Error(diff)
	}
	if err := r.w.Delete(r.w.ctx, kr); err != nil {
		t.Fatal(err)
	}
	until(r.w.ctx, t, "the keyring's end is noted", func() bool {
		all := story()
		return all[len(all)-1] == "note keyring.deleted"
	})
}

// holdsType waits until the Secret has a type.
func (w *world) holdsType(t *testing.T, name string, kind corev1.SecretType) {
	t.Helper()
	until(w.ctx, t, "Secret "+name+" is of type "+string(kind), func() bool {
		s := &corev1.Secret{}
		return w.Get(w.ctx, w.key(name), s) == nil && s.Type == kind
	})
}
