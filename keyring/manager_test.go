package keyring_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// bench is a Manager over a fake source and a real audit log.
type bench struct {
	t    testing.TB
	src  *memorySource
	log  *audit.Recorder
	path string
	live *keyring.Live
	m    *keyring.Manager
	now  time.Time
	uses keyring.UsesFunc
	// glance may be nil.
	glance keyring.UsesFunc
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, src: newMemorySource(t), path: audittest.Dir(t), now: noon}
	b.src.now = func() time.Time { return b.now }
	b.log = audittest.Open(t, b.path)
	t.Cleanup(func() { _ = b.log.Close() })
	b.restart(b.log)
	return b
}

// restart is a new Manager with an empty memory.
func (b *bench) restart(log audit.Log) {
	b.live = &keyring.Live{}
	b.m = keyring.NewManager(keyring.Config{
		Source: keyring.ClearSecrets(b.src), Uses: b.uses, Glance: b.glance, Audit: log, Now: func() time.Time { return b.now }, Rand: rand.Reader, Live: b.live,
	})
}

func ring(name string) *v1alpha1.Keyring {
	return &v1alpha1.Keyring{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid-1", Generation: 3},
		Spec: v1alpha1.KeyringSpec{
			Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}, Class: "classical", Namespaces: []string{"*"}, Scopes: []string{"strict"},
		},
	}
}

func (b *bench) mustEnsure(kr *v1alpha1.Keyring) keyring.Result {
	b.t.Helper()
	res, err := b.m.Ensure(b.t.Context(), kr)
	if err != nil || !res.Ready {
		b.t.Fatalf("ensure: %+v, %v", res, err)
	}
	return res
}

// story is the audit log in words.
func (b *bench) story() []string {
	b.t.Helper()
	var lines []string
	actions := map[string]string{}
	for _, r := range audittest.Records(b.t, b.path) {
		switch r.Phase {
		case audit.PhaseIntent:
			actions[r.ID] = fmt.Sprintf("%s %s %s keys=%d", r.Operation.Action, r.Operation.Object.Kind, r.Operation.Object.Name, len(r.Operation.Keys))
			lines = append(lines, "intent "+actions[r.ID])
		case audit.PhaseOutcome:
			action, _, _ := strings.Cut(actions[r.ID], " ")
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("outcome %s %t keys=%d %s", action, r.Outcome.OK, len(r.Outcome.Keys), r.Outcome.Reason)))
		case audit.PhaseNote:
			if o := r.Operation; o.Object.Kind != "AuditLog" {
				lines = append(lines, fmt.Sprintf("note %s %s %s %s keys=%d", o.Action, o.Object.Kind, o.Object.Name, o.Object.UID, len(o.Keys)))
			}
		}
	}
	return lines
}

// opens says whether the ring opens what is sealed to the key.
func (b *bench) opens(id string) bool {
	_, ok := b.live.Load().Identity(id)
	return ok
}

func TestAKeyringIsBroughtFromNothingToAPublishedKey(t *testing.T) {
	for _, class := range []string{"postquantum", "classical"} {
		t.Run(class, func(t *testing.T) {
			b := newBench(t)
			kr := ring("default")
			kr.Spec.Class = class
			res := b.mustEnsure(kr)
			set, err := statement.OpenRecipients([]byte(res.Note), res.StatementKey)
			if err != nil || set.Set != 1 || set.Holder != "default" || !set.At.Equal(noon) || len(set.Recipients) != 1 || string(set.Recipients[0].Class()) != class {
				t.Fatalf("the note: %+v, %v", set, err)
			}
			id := set.Recipients[0].KeyID()
			want := keyring.Result{
				Ready: true, Reason: keyring.ReasonKeyActive, Message: "sealing to key " + id[:16] + ", recipient set 1",
				Known: true, StatementKey: res.StatementKey, ActiveKey: id[:16], Note: res.Note,
				Keys: []v1alpha1.KeyStatus{{ID: id, Recipient: set.Recipients[0].String(), State: "Active", Created: metav1.NewTime(noon), Activated: &metav1.Time{Time: noon}, Since: &metav1.Time{Time: noon}}},
				Done: []keyring.Done{
					{Reason: "StatementKeyMade", Message: "made the statement key"}, {Reason: "KeyMade", Message: "made key " + id[:16]},
					{Reason: "KeyActivated", Message: "proved key " + id[:16] + " and made it active"}, {Reason: "RecipientsPublished", Message: "recipient set 1 has key " + id[:16]},
				},
			}
			if diff := cmp.Diff(want, res); diff != "" {
				t.Error(diff)
			}
			if k, ok := b.live.Load().Key(id); !ok || k.State != keyring.Active || !b.opens(id) {
				t.Errorf("in the ring: %v, %t", k, ok)
			}
			if p, ok := b.live.Load().Policy("default"); !ok || !cmp.Equal(p, keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"strict"}}) {
				t.Errorf("policy %+v, %t", p, ok)
			}
			published := []keyring.Published{{Keyring: "default", VerifierKey: res.StatementKey, Note: res.Note, Set: 1, At: noon}}
			if diff := cmp.Diff(published, b.m.Published()); diff != "" {
				t.Error(diff)
			}
			if claim := b.src.statements["default"].Claim; claim != "" {
				t.Errorf("the activation of %s is still claimed", claim)
			}
		})
	}
}

func TestEnsureAgainChangesNothing(t *testing.T) {
	b := newBench(t)
	first := b.mustEnsure(ring("default"))
	changed, before, records := b.m.Changed(), b.live.Load(), len(b.story())
	again := b.mustEnsure(ring("default"))
	first.Done = nil
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error(diff)
	}
	select {
	case <-changed:
		t.Error("a change was announced")
	default:
	}
	if b.live.Load() != before {
		t.Error("the ring was made anew")
	}
	if diff := cmp.Diff([]string{"intent key.load Keyring default keys=0", "outcome key.load true keys=1"}, b.story()[records:]); diff != "" {
		t.Error(diff)
	}
	b.restart(b.log)
	if diff := cmp.Diff(first, b.mustEnsure(ring("default"))); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
}

func TestANewActiveKeyGivesTheNextSet(t *testing.T) {
	b := newBench(t)
	first := b.mustEnsure(ring("default"))
	b.src.change(first.Keys[0].ID, func(k *keyring.Key) { k.State = keyring.Deactivated })
	next := newClassical(t, keyring.PreActive)
	b.src.put(next)
	second := b.mustEnsure(ring("default"))
	set, err := statement.OpenRecipients([]byte(second.Note), first.StatementKey)
	if err != nil || set.Set != 2 || len(set.Recipients) != 1 || set.Recipients[0].KeyID() != next.ID || second.ActiveKey != next.Display() {
		t.Errorf("%+v, %v", set, err)
	}
	if len(second.Keys) != 2 || second.Keys[0].ID != next.ID || !b.opens(first.Keys[0].ID) || !b.opens(next.ID) {
		t.Errorf("keys: %+v", second.Keys)
	}
}

func TestChangesAreAnnounced(t *testing.T) {
	b := newBench(t)
	one, two := b.m.Changed(), b.m.Changed()
	mustHave := func(want bool, after string) {
		t.Helper()
		for i, c := range []<-chan struct{}{one, two} {
			select {
			case <-c:
				if !want {
					t.Errorf("%s: subscriber %d was woken", after, i)
				}
			default:
				if want {
					t.Errorf("%s: subscriber %d was not woken", after, i)
				}
			}
		}
	}
	if b.live.Load() != nil {
		t.Error("there is a ring before any keyring")
	}
	b.m.Expect(ring("default"), ring("other"))
	mustHave(true, "two keyrings are expected")
	if diff := cmp.Diff([]string{"default", "other"}, b.live.Load().Unavailable()); diff != "" {
		t.Error(diff)
	}
	b.m.Expect(ring("default"))
	mustHave(false, "the same is expected again")
	id := b.mustEnsure(ring("default")).Keys[0].ID
	mustHave(true, "a key was made")
	if diff := cmp.Diff([]string{"other"}, b.live.Load().Unavailable()); diff != "" {
		t.Error(diff)
	}
	b.src.change(id, func(k *keyring.Key) { k.State = keyring.Suspended })
	if _, err := b.m.Ensure(t.Context(), ring("default")); err != nil {
		t.Fatal(err)
	}
	mustHave(true, "the state of a key has changed")
	forget := func() {
		t.Helper()
		if err := b.m.Forget(t.Context(), "default"); err != nil {
			t.Error(err)
		}
	}
	forget()
	mustHave(true, "a keyring is gone")
	if _, ok := b.live.Load().Key(id); ok {
		t.Error("the key of a deleted keyring is still there")
	}
	forget()
	mustHave(false, "it is gone still")
}
