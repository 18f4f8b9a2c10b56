package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// keyTurns is a Keyring of the test's own whose keys turn.
type keyTurns struct {
	*world
	t  *testing.T
	kr *v1alpha1.Keyring
}

func newKeyTurns(t *testing.T, w *world) *keyTurns {
	t.Helper()
	return &keyTurns{w, t, w.rules(t, "turning", func(*v1alpha1.KeyringSpec) {})}
}

// until waits for a status of the Keyring.
func (k *keyTurns) until(ctx context.Context, what string, holds func(v1alpha1.KeyringStatus) bool) v1alpha1.KeyringStatus {
	k.t.Helper()
	harness.Eventually(ctx, k.t, what, func(ctx context.Context) error {
		if err := k.Get(ctx, client.ObjectKeyFromObject(k.kr), k.kr); err != nil {
			return err
		}
		if k.kr.Status.ObservedGeneration != k.kr.Generation || !holds(k.kr.Status) {
			return fmt.Errorf("%+v", k.kr.Status)
		}
		return nil
	})
	return k.kr.Status
}

// active waits for an active key besides some, whose recipients are published, and gives the holder to seal to.
func (k *keyTurns) active(not ...string) (id string, holder seal.Holder) {
	k.t.Helper()
	k.until(k.ctx, "another key is active", func(s v1alpha1.KeyringStatus) bool {
		set, err := statement.OpenRecipients([]byte(s.Recipients), s.StatementKey)
		if err != nil || len(set.SealHolder().Recipients) != 1 {
			return false
		}
		holder = set.SealHolder()
		id = holder.Recipients[0].KeyID()
		return !slices.Contains(not, id)
	})
	return id, holder
}

// ask makes a request and waits for what becomes of it, OUTCOME: and a part of the message.
func (k *keyTurns) ask(id, do, despite, want string) {
	k.t.Helper()
	k.update(k.t, k.kr, func() { k.kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: id, Do: do, Despite: despite}} })
	outcome, says, _ := strings.Cut(want, ": ")
	ctx, cancel := context.WithTimeout(k.ctx, 3*time.Minute) // a destruction that uses are in the way of is tried again after a minute
	defer cancel()
	k.until(ctx, do+" is "+want, func(s v1alpha1.KeyringStatus) bool {
		return len(s.Requests) == 1 && s.Requests[0].Do == do && s.Requests[0].Outcome == outcome && strings.Contains(s.Requests[0].Message, says)
	})
}

// of is a GitSecret with the item password, whose value ends in a word, and the item user.
func (k *keyTurns) of(name, word string, holder seal.Holder) *v1alpha1.GitSecret {
	k.t.Helper()
	v := values("user")
	v["password"] = seal.NewValue([]byte(canary + "-" + word))
	spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: k.namespace, Name: name}, v, []seal.Holder{holder})
	if err != nil {
		k.t.Fatal(err)
	}
	return k.object(name, spec)
}

// exposed waits until these items are.
func (k *keyTurns) exposed(name string, want ...string) {
	k.t.Helper()
	harness.Eventually(k.ctx, k.t, fmt.Sprintf("%q of %s are exposed", want, name), func(ctx context.Context) error {
		o := &v1alpha1.GitSecret{}
		if err := k.Get(ctx, k.key(name), o); err != nil {
			return err
		}
		c := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionExposed)
		if o.Status.ObservedGeneration != o.Generation || !slices.Equal(o.Status.Exposed, want) || (c != nil) != (len(want) > 0) {
			return fmt.Errorf("generation %d: %+v", o.Generation, o.Status)
		}
		return nil
	})
}

// TestACompromisedKeyExposesWhatItCouldOpen follows a value from the compromise of its key to its renewal.
func TestACompromisedKeyExposesWhatItCouldOpen(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	k := newKeyTurns(t, w)
	bad, first := k.active()
	k.put(t, k.of("db", "first", first))
	k.opened(t, "db", "first")
	held := k.of("held", "first", first)
	held.Spec.Suspend = true
	k.put(t, held)
	k.eventually(t, "held", unseal.Suspended)
	k.exposed("db")

	k.ask(bad, v1alpha1.RequestCompromise, "", "Done")
	good, second := k.active(bad)
	k.exposed("db", "password", "user")
	k.exposed("held", "password", "user")
	until(w.ctx, t, "an event tells of it", func() bool { return w.warnings(t, "db", unseal.EventExposed) == 1 })

	k.put(t, k.of("db", "first", second))
	k.opened(t, "db", "first")
	k.seen(t, "db")
	k.exposed("db", "password", "user")
	ctl.Kill() // before the mark is saved, perhaps
	ctl = w.controllerWithLog(t, ctl.log)
	until(w.ctx, t, "it is known by which the values would be found to have changed", func() bool {
		v := w.marked(w.ctx, t)["db"].Values
		return v["password"].MAC != "" && v["user"].MAC != ""
	})
	k.exposed("db", "password", "user")
	k.put(t, k.of("db", "second", second))
	k.opened(t, "db", "second")
	k.exposed("db", "user")

	k.ask(bad, v1alpha1.RequestDestroy, "", "Refused: "+w.namespace+"/held")
	if err := w.Delete(w.ctx, held); err != nil {
		t.Fatal(err)
	}
	k.ask(bad, v1alpha1.RequestDestroy, v1alpha1.DespiteGone, "Refused: may come back")
	k.ask(bad, v1alpha1.RequestDestroy, v1alpha1.DespiteAny, "Done")
	k.exposed("db", "user") // whoever has the key has the value
	k.put(t, k.of("late", "first", first))
	k.eventually(t, "late", unseal.KeyDestroyed)
	if n := w.warnings(t, "db", unseal.EventExposed); n != 1 {
		t.Errorf("%d events", n)
	}
	k.exposed("late", "password", "user") // it is the key that others know, destroyed or not
	until(w.ctx, t, "the metrics tell of it", func() bool {
		body, err := get("http://" + ctl.metrics + "/metrics")
		return err == nil && has(string(body), "waxwing_exposed_items 3\n", `waxwing_key_uses{key="`+good[:16]+`",keyring="`+k.kr.Name+`",of="present"} 1`)
	})
}

// TestAKeyThatIsNeededIsNotDestroyed has somebody who writes to Git try to bring a key to destruction that is needed, with a controller that is killed in between.
func TestAKeyThatIsNeededIsNotDestroyed(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	k := newKeyTurns(t, w)
	old, first := k.active()
	db := k.of("db", "first", first)
	k.put(t, db)
	k.opened(t, "db", "first")
	k.ask(old, v1alpha1.RequestDeactivate, "", "Done")
	_, second := k.active(old)

	needed := "Refused: 1 object needs it, such as " + w.namespace + "/db"
	k.ask(old, v1alpha1.RequestDestroy, "", needed)
	// Wraps of something else, that say they are for the new key.
	garbled, other := db.DeepCopy(), k.of("other", "x", second)
	for id, e := range garbled.Spec.Envelopes {
		for _, o := range other.Spec.Envelopes {
			e.Wraps = o.Wraps
		}
		garbled.Spec.Envelopes[id] = e
	}
	k.put(t, garbled)
	k.eventually(t, "db", unseal.Tampered)
	ctl.dies(t)
	ctl = w.controllerWithLog(t, ctl.log)
	k.ask(old, v1alpha1.RequestDestroy, v1alpha1.DespiteGone, needed)

	// Gone, and while nobody looks; then back as it is garbled.
	until(w.ctx, t, "the mark is stored", func() bool { return w.marked(w.ctx, t)["db"].Needed()[old].Present })
	ctl.dies(t) // a successor that has to wait finds the Secrets of what is gone collected
	k.gone(t, db)
	ctl = w.controllerWithLog(t, ctl.log)
	gone := "Refused: 1 object, or earlier version of one, needed it"
	k.ask(old, v1alpha1.RequestDestroy, "", gone)
	k.put(t, garbled)
	k.eventually(t, "db", unseal.Tampered)
	k.ask(old, v1alpha1.RequestDestroy, v1alpha1.DespiteGone, needed)

	// The old version again, and then with the wraps that it should have.
	k.put(t, db)
	k.opened(t, "db", "first")
	k.eventually(t, "db", unseal.Unsealed) // which is after the mark
	k.ask(old, v1alpha1.RequestDestroy, v1alpha1.DespiteGone, needed)
	k.put(t, k.of("db", "second", second))
	k.opened(t, "db", "second")
	k.eventually(t, "db", unseal.Unsealed)
	k.ask(old, v1alpha1.RequestDestroy, "", gone)
	k.ask(old, v1alpha1.RequestDestroy, v1alpha1.DespiteGone, "Refused: may come back")
	k.ask(old, v1alpha1.RequestDestroy, v1alpha1.DespiteAny, "Done")
	if ctl.Running() {
		k.eventually(t, "db", unseal.Unsealed)
	}
}
