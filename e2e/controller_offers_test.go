package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/rewrap"
	"github.com/waxwing-io/waxwing/unseal"
)

// turning is a keyring whose key is replaced by hand.
type turning struct {
	w    *world
	name string
}

func (w *world) turning(t *testing.T, name string) turning {
	t.Helper()
	w.keyringOf(t, name, "*")
	r := turning{w, name}
	r.set(t, 1)
	return r
}

// set waits for the keyring's recipient set with this number.
func (r turning) set(t *testing.T, number uint64) (set statement.Recipients, statementKey string) {
	t.Helper()
	harness.Eventually(r.w.ctx, t, fmt.Sprintf("keyring %s has set %d", r.name, number), func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := r.w.Get(ctx, client.ObjectKey{Name: r.name}, kr); err != nil {
			return err
		}
		var err error
		if set, err = statement.OpenRecipients([]byte(kr.Status.Recipients), kr.Status.StatementKey); err != nil {
			return err
		}
		statementKey = kr.Status.StatementKey
		if set.Set != number {
			return fmt.Errorf("it has set %d", set.Set)
		}
		return nil
	})
	return set, statementKey
}

// turn has another key take the place of the active one.
func (r turning) turn(t *testing.T) {
	t.Helper()
	before := &v1alpha1.Keyring{}
	if err := r.w.Get(r.w.ctx, client.ObjectKey{Name: r.name}, before); err != nil {
		t.Fatal(err)
	}
	active := slices.IndexFunc(before.Status.Keys, func(k v1alpha1.KeyStatus) bool { return k.State == string(keyring.Active) })
	_, next := lateKey(t, r.name)
	next.Annotations[secretsource.AnnotationState] = string(keyring.PreActive)
	r.w.create(t, next)
	old := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: secretsource.KeySecretName(r.name, before.Status.Keys[active].ID)}}
	r.w.update(t, old, func() { old.Annotations[secretsource.AnnotationState] = string(keyring.Deactivated) })
}

// taker is who keeps the objects in Git: it puts what is offered into them, and applies them.
type taker struct {
	w            *world
	set          statement.Recipients
	statementKey string
	most         int // that had offers at a time
	taken        int // offers
}

// round takes what is offered for at most n objects, and gives how many objects still have offers or wraps for other keys.
func (k *taker) round(t *testing.T, n int) (left int) {
	t.Helper()
	all := &v1alpha1.GitSecretList{}
	if err := k.w.List(k.w.ctx, all, client.InNamespace(k.w.namespace)); err != nil {
		t.Fatal(err)
	}
	offering := 0
	for i := range all.Items {
		o := &all.Items[i]
		stale := o.Spec.Stale(k.set.SealHolder())
		if len(o.Status.Rewrap) > 0 {
			offering++
		}
		if len(o.Status.Rewrap) > 0 || len(stale) > 0 {
			left++
		}
		if len(o.Status.Rewrap) == 0 || len(stale) == 0 || n == 0 {
			continue
		}
		n--
		k.take(t, o, stale)
	}
	k.most = max(k.most, offering)
	return left
}

// take verifies the offer of an object, puts it into its manifest, and applies that.
func (k *taker) take(t *testing.T, o *v1alpha1.GitSecret, stale []string) {
	t.Helper()
	offer, err := statement.OpenOffer([]byte(o.Status.Rewrap[0].Note), k.statementKey)
	if err != nil || offer.Namespace != o.Namespace || offer.Name != o.Name || offer.Holder != k.set.Holder || offer.Set != k.set.Set {
		t.Fatalf("%s: offered is %+v, %v", o.Name, offer, err)
	}
	var wraps []rewrap.Wrap
	var envelopes []string
	for _, w := range offer.Wraps {
		wraps = append(wraps, rewrap.Wrap{Envelope: w.Envelope, Commit: w.Commit, Holder: offer.Holder, Wrap: w.Wrap})
		envelopes = append(envelopes, w.Envelope)
	}
	if !slices.Equal(envelopes, stale) {
		t.Fatalf("%s: envelopes %q are offered, %q are due", o.Name, envelopes, stale)
	}
	text, err := json.Marshal(k.w.object(o.Name, &o.Spec))
	if err != nil {
		t.Fatal(err)
	}
	f, err := manifest.Parse("db.json", text)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := rewrap.Replace(rewrap.Sealed(f), wraps); err != nil || n != len(wraps) {
		t.Fatalf("%s: %d wraps were put into place: %v", o.Name, n, err)
	}
	next := &v1alpha1.GitSecret{}
	if err := json.Unmarshal(f.Bytes(), next); err != nil {
		t.Fatal(err)
	}
	k.w.update(t, o, func() { o.Spec = next.Spec })
	k.taken++
}

// TestRewrapOffersComeAndGo has a key rotated under 60 objects with a bound of 10, and the leader replaced meanwhile.
func TestRewrapOffersComeAndGo(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(t.TempDir(), "audit")
	args := []string{"--rewrap-offers", "10", "--leader-elect=false"}
	ctl := w.controllerWithLog(t, log, args...)
	ring := w.turning(t, "turning")
	first, _ := ring.set(t, 1)
	const n = 60
	for i := range n {
		o := w.sealedFor(t, fmt.Sprintf("s%02d", i), w.strict(fmt.Sprintf("s%02d", i)), first.SealHolder())
		if i == 7 { // with a second envelope
			if err := sealer().Put(&o.Spec, values("token"), []seal.Holder{first.SealHolder()}); err != nil {
				t.Fatal(err)
			}
		}
		w.create(t, o)
	}
	versions := map[string]string{}
	for i := range n {
		name := fmt.Sprintf("s%02d", i)
		w.eventually(t, name, unseal.Unsealed)
		versions[name] = w.holds(t, name, itemsOf(i)...).ResourceVersion
	}
	ring.turn(t)
	set, statementKey := ring.set(t, 2)
	k := &taker{w: w, set: set, statementKey: statementKey}
	until(w.ctx, t, "as many have offers as may", func() bool { k.round(t, 0); return k.most == 10 })
	before := w.offers(t)
	until(w.ctx, t, "they are in the audit log", func() bool { // an outcome comes after the status
		offered, _ := w.rewrapRecords(t, ctl)
		return len(offered) == 10
	})
	ctl.Kill()
	ctl = w.controllerWithLog(t, log, args...)
	until(w.ctx, t, "the new leader has looked at all of them", func() bool { return ctl.looks() >= n })
	cycles, cancel := context.WithTimeout(w.ctx, 5*time.Minute) // some six, of ten objects each
	defer cancel()
	until(cycles, t, "nothing is left", func() bool { return k.round(t, 7) == 0 })
	if k.most != 10 || k.taken != n {
		t.Errorf("%d objects had offers at once, %d offers were taken", k.most, k.taken)
	}
	for i := range n {
		name := fmt.Sprintf("s%02d", i)
		o := w.eventually(t, name, unseal.Unsealed)
		if s := w.holds(t, name, itemsOf(i)...); s.ResourceVersion != versions[name] {
			t.Errorf("the version of Secret %s went from %s to %s", name, versions[name], s.ResourceVersion)
		}
		if id := set.Recipients[0].KeyID(); slices.ContainsFunc(o.Status.Keys, func(u v1alpha1.KeyUse) bool { return u.ID != id }) {
			t.Errorf("%s was opened with %+v", name, o.Status.Keys)
		}
	}
	if len(before) != 10 {
		t.Errorf("%d objects had offers when the leader died", len(before))
	}
	offered, seen := w.rewrapRecords(t, ctl)
	for name, count := range offered {
		if count != 1 || seen[name] != 1 {
			t.Errorf("%s was offered %d times and seen %d times", name, count, seen[name])
		}
	}
	if len(offered) != n || len(seen) != n {
		t.Errorf("%d objects were offered and %d seen", len(offered), len(seen))
	}
	body, err := get("http://" + ctl.metrics + "/metrics")
	if err != nil || !bytes.Contains(body, []byte("\nwaxwing_offers_outstanding 0\n")) || !bytes.Contains(body, []byte(fmt.Sprintf("\nwaxwing_offers_made_total %d\n", n-10))) {
		t.Errorf("the metrics say otherwise, or nothing: %v", err)
	}
}

func itemsOf(i int) []string {
	if i == 7 {
		return []string{"user", "token"}
	}
	return []string{"user"}
}

// offers are the notes by the names of the objects that have one.
func (w *world) offers(t *testing.T) map[string]string {
	t.Helper()
	all := &v1alpha1.GitSecretList{}
	if err := w.List(w.ctx, all, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	notes := map[string]string{}
	for _, o := range all.Items {
		for _, r := range o.Status.Rewrap {
			notes[o.Name] += r.Note
		}
	}
	return notes
}

// rewrapRecords counts, by object of the test, the offers that were made and those that have come back.
func (w *world) rewrapRecords(t *testing.T, r *replica) (offered, seen map[string]int) {
	t.Helper()
	offered, seen = map[string]int{}, map[string]int{}
	records, intents := r.records(t), map[string]string{}
	for _, rec := range records {
		op := rec.Operation
		switch {
		case op == nil || op.Object.Namespace != w.namespace:
		case op.Action == audit.ActionRewrapOffered:
			intents[rec.ID] = op.Object.Name
		case op.Action == audit.ActionRewrapSeen:
			seen[op.Object.Name]++
		}
	}
	for _, rec := range records { // an outcome may stand before its intent
		if rec.Phase == audit.PhaseOutcome && intents[rec.ID] != "" && rec.Outcome.OK {
			offered[intents[rec.ID]]++
		}
	}
	return offered, seen
}

// TestWhatIsNotOffered has objects of which nothing may be offered beside one of which something is, and somebody who writes offers of his own.
func TestWhatIsNotOffered(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t, "--leader-elect=false")
	ring, other := w.turning(t, "veering"), w.turning(t, "foreign")
	first, _ := ring.set(t, 1)
	foreign, _ := other.set(t, 1)
	for _, name := range []string{"well", "suspended", "tampered", "forged"} {
		w.create(t, w.sealedFor(t, name, w.strict(name), first.SealHolder()))
		w.eventually(t, name, unseal.Unsealed)
	}
	// A wrap that names a key of a keyring which never was a holder: whoever writes it could have the value wrapped for that keyring.
	planted := w.sealedFor(t, "planted", w.strict("planted"), first.SealHolder())
	elsewhere := w.sealedFor(t, "planted", w.strict("planted"), foreign.SealHolder())
	for id := range planted.Spec.Envelopes {
		for _, e := range elsewhere.Spec.Envelopes {
			planted.Spec.Envelopes[id].Wraps["foreign"] = e.Wraps["foreign"]
		}
	}
	w.create(t, planted)
	w.eventually(t, "planted", unseal.Tampered) // foreign comes before veering
	o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "suspended"}}
	w.update(t, o, func() { o.Spec.Suspend = true })
	w.eventually(t, "suspended", unseal.Suspended)
	o = &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tampered"}}
	w.update(t, o, func() {
		item := o.Spec.Items["user"]
		item.Value = strings.Repeat("A", len(item.Value)-4) + item.Value[len(item.Value)-4:]
		o.Spec.Items["user"] = item
	})
	w.eventually(t, "tampered", unseal.Tampered)
	forge := func(name string) {
		o := &v1alpha1.GitSecret{}
		if err := w.Get(w.ctx, w.key(name), o); err != nil {
			t.Fatal(err)
		}
		was := o.DeepCopy()
		o.Status.Rewrap = []v1alpha1.RewrapOffer{{Holder: ring.name, Set: 2, Note: "an offer of my own"}, {Holder: "zzz", Set: 1, Note: "another"}}
		if err := w.Status().Patch(w.ctx, o, client.MergeFrom(was)); err != nil {
			t.Fatal(err)
		}
	}
	forge("forged")
	until(w.ctx, t, "what somebody else offers is taken away", func() bool { return len(w.offers(t)) == 0 })
	other.turn(t)
	ring.turn(t)
	set, statementKey := ring.set(t, 2)
	other.set(t, 2)
	until(w.ctx, t, "the offers are there", func() bool { return len(w.offers(t)) == 2 })
	forge("forged")
	forge("suspended")
	until(w.ctx, t, "the offers are there again, and only those", func() bool {
		offers := w.offers(t)
		for _, name := range []string{"well", "forged"} {
			if _, err := statement.OpenOffer([]byte(offers[name]), statementKey); err != nil {
				return false
			}
		}
		return len(offers) == 2
	})
	var offered map[string]int
	until(w.ctx, t, "the audit log has the offers", func() bool { // an outcome comes after the status
		offered, _ = w.rewrapRecords(t, ctl)
		return offered["well"] >= 1 && offered["forged"] >= 2
	})
	if offered["suspended"]+offered["tampered"]+offered["planted"] != 0 || offered["well"] != 1 || offered["forged"] != 2 {
		t.Errorf("offered were %v", offered)
	}
	// Deleting the wraps' object, and a newer set, leave nothing of the old offers behind.
	if err := w.Delete(w.ctx, &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "forged"}}); err != nil {
		t.Fatal(err)
	}
	ring.turn(t)
	set, statementKey = ring.set(t, 3)
	until(w.ctx, t, "the offer is for the newer set", func() bool {
		offer, err := statement.OpenOffer([]byte(w.offers(t)["well"]), statementKey)
		return err == nil && offer.Set == 3 && slices.Equal(offer.Wraps[0].Wrap.Keys, []string{set.Recipients[0].KeyID()})
	})
}
