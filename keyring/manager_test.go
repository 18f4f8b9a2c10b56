package keyring_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// bench is a Manager over a fake source and a real audit log.
type bench struct {
	t    testing.TB
	src  *memorySource
	log  *audit.File
	path string
	live *keyring.Live
	m    *keyring.Manager
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, src: newMemorySource(t), path: filepath.Join(t.TempDir(), "audit.log")}
	var err error
	if b.log, err = audit.OpenFile(b.path, "test", time.Now, rand.Reader); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.log.Close() })
	b.restart(b.log)
	return b
}

// restart is a new Manager with an empty memory.
func (b *bench) restart(log audit.Log) {
	b.live = &keyring.Live{}
	b.m = keyring.NewManager(keyring.Config{Secret: b.src, Audit: log, Now: func() time.Time { return noon }, Rand: rand.Reader, Live: b.live})
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
	f, err := os.Open(b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	var lines []string
	actions := map[string]string{}
	for r, err := range audit.Records(f) {
		if err != nil {
			b.t.Fatal(err)
		}
		switch r.Phase {
		case audit.PhaseIntent:
			actions[r.ID] = fmt.Sprintf("%s %s %s keys=%d", r.Operation.Action, r.Operation.Object.Kind, r.Operation.Object.Name, len(r.Operation.Keys))
			lines = append(lines, "intent "+actions[r.ID])
		case audit.PhaseOutcome:
			action, _, _ := strings.Cut(actions[r.ID], " ")
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("outcome %s %t keys=%d %s", action, r.Outcome.OK, len(r.Outcome.Keys), r.Outcome.Reason)))
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
				Keys: []v1alpha1.KeyStatus{{ID: id, Recipient: set.Recipients[0].String(), State: "Active", Created: metav1.NewTime(noon), Activated: &metav1.Time{Time: noon}}},
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
		})
	}
}

// tracedLog puts a log's intents and outcomes into the same trace as the operations of the source.
type tracedLog struct {
	audit.Log
	trace func(string)
}

func (l tracedLog) Intent(ctx context.Context, op audit.Operation) (string, error) {
	id, err := l.Log.Intent(ctx, op)
	l.trace("intent " + string(op.Action))
	return id, err
}

func (l tracedLog) Outcome(ctx context.Context, id string, out audit.Outcome) error {
	l.trace("outcome")
	return l.Log.Outcome(ctx, id, out)
}

func TestEveryTouchOfAKeyStandsBetweenAnIntentAndItsOutcome(t *testing.T) {
	b := newBench(t)
	var trace []string
	add := func(s string) { trace = append(trace, s) }
	b.src.trace = add
	b.restart(tracedLog{b.log, add})
	b.mustEnsure(ring("default"))
	want := []string{
		"intent key.load", "load statement", "load",
		"intent key.generate", "create statement", "outcome", "load statement", "load",
		"intent key.generate", "create", "outcome", "load statement", "load",
		"save statement", "load statement", "load", // the claim
		"intent key.activate", "set state", "outcome", "load statement", "load",
		"intent keyring.publish", "save statement", "outcome", "load statement", "load",
		"outcome",
	}
	if diff := cmp.Diff(want, trace); diff != "" {
		t.Error(diff)
	}
	log := []string{
		"intent key.load Keyring default keys=0",
		"intent key.generate StatementKey default keys=0", "outcome key.generate true keys=0",
		"intent key.generate Keyring default keys=0", "outcome key.generate true keys=1",
		"intent key.activate Keyring default keys=1", "outcome key.activate true keys=0",
		"intent keyring.publish Keyring default keys=1", "outcome keyring.publish true keys=0",
		"outcome key.load true keys=1",
	}
	if diff := cmp.Diff(log, b.story()); diff != "" {
		t.Error(diff)
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

func TestWithoutAnAuditLogNothingIsTouched(t *testing.T) {
	b := newBench(t)
	if err := b.log.Close(); err != nil {
		t.Fatal(err)
	}
	res, err := b.m.Ensure(t.Context(), ring("default"))
	if !errors.Is(err, audit.ErrClosed) || res.Ready || res.Stalled || res.Known || res.Reason != keyring.ReasonAuditUnavailable || b.src.ops != 0 {
		t.Errorf("%+v, %v, %d operations", res, err, b.src.ops)
	}
	if diff := cmp.Diff([]string{"default"}, b.live.Load().Unavailable()); diff != "" {
		t.Error(diff)
	}
}

// cutLog fails from the n-th call on.
type cutLog struct {
	audit.Log
	calls, from int
}

var errCut = errors.New("the log takes nothing more")

func (l *cutLog) Intent(ctx context.Context, op audit.Operation) (string, error) {
	if l.calls++; l.calls >= l.from {
		return "", errCut
	}
	return l.Log.Intent(ctx, op)
}

func (l *cutLog) Outcome(ctx context.Context, id string, out audit.Outcome) error {
	if l.calls++; l.calls >= l.from {
		return errCut
	}
	return l.Log.Outcome(ctx, id, out)
}

func TestALogThatFailsInTheMiddleStopsWhatFollows(t *testing.T) {
	for from := 1; ; from++ {
		b := newBench(t)
		cut := &cutLog{Log: b.log, from: from}
		b.restart(cut)
		var failed bool
		b.src.before = func(op string, _ int) error {
			if !strings.HasPrefix(op, "load") && cut.calls >= from {
				t.Errorf("%q was done after record %d had failed", op, from)
			}
			failed = failed || cut.calls >= from
			return nil
		}
		res, err := b.m.Ensure(t.Context(), ring("default"))
		if err == nil {
			if from != 11 {
				t.Errorf("%d records, want 10", from-1)
			}
			break
		}
		if !errors.Is(err, errCut) || res.Reason != keyring.ReasonAuditUnavailable || res.Ready {
			t.Errorf("record %d: %+v, %v", from, res, err)
		}
		// When it works again, everything goes on from where it stopped.
		b.src.before = nil
		b.restart(b.log)
		b.mustEnsure(ring("default"))
		if n := len(b.src.inState(keyring.Active)); n != 1 || len(b.src.keys) != 1 {
			t.Errorf("record %d: %d active of %d keys", from, n, len(b.src.keys))
		}
	}
}

func TestAKeyringWhoseSourceIsAwayKeepsTheKeysInMemory(t *testing.T) {
	b := newBench(t)
	other := b.mustEnsure(ring("other"))
	res := b.mustEnsure(ring("default"))
	away := errors.New("connection refused")
	b.src.before = func(string, int) error { return away }
	narrow := ring("default")
	narrow.Spec.Namespaces = []string{"prod"}
	got, err := b.m.Ensure(t.Context(), narrow)
	if !errors.Is(err, away) || got.Ready || got.Stalled || got.Known || got.Reason != keyring.ReasonKeySourceUnavailable {
		t.Errorf("%+v, %v", got, err)
	}
	if !b.opens(res.Keys[0].ID) || !b.opens(other.Keys[0].ID) || len(b.live.Load().Unavailable()) != 0 || len(b.m.Published()) != 2 {
		t.Error("what was in memory is gone")
	}
	if p, _ := b.live.Load().Policy("default"); !cmp.Equal(p.Namespaces, []string{"prod"}) {
		t.Errorf("the policy in force is the old one: %+v", p)
	}
	b.restart(b.log)
	if _, err := b.m.Ensure(t.Context(), ring("default")); !errors.Is(err, away) {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"default"}, b.live.Load().Unavailable()); diff != "" || b.opens(res.Keys[0].ID) || len(b.m.Published()) != 0 {
		t.Errorf("after a restart without the source: %s", diff)
	}
	b.src.before = nil
	b.mustEnsure(ring("default"))
	if !b.opens(res.Keys[0].ID) || len(b.live.Load().Unavailable()) != 0 {
		t.Error("the key is not back")
	}
}

func TestWhatOnlyAPersonCanMend(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(b *bench, id string)
		reason string
		opens  bool // what was sealed to the first key
		note   bool // the set is still there to seal to
		known  bool
	}{
		"two active keys": {func(b *bench, _ string) {
			k := newClassical(b.t, keyring.Active)
			b.src.put(k)
		}, keyring.ReasonSeveralActiveKeys, true, true, true},
		"the published key was suspended":   {func(b *bench, id string) { b.src.change(id, func(k *keyring.Key) { k.State = keyring.Suspended }) }, keyring.ReasonNoActiveKey, false, false, true},
		"the published key was compromised": {func(b *bench, id string) { b.src.change(id, func(k *keyring.Key) { k.State = keyring.Compromised }) }, keyring.ReasonNoActiveKey, true, false, true},
		"the published key was deleted":     {func(b *bench, id string) { delete(b.src.keys, id) }, keyring.ReasonKeyMissing, false, false, true},
		"the published key cannot be read": {func(b *bench, id string) {
			delete(b.src.keys, id)
			b.src.faults = []keyring.Problem{{Where: "Place x", Msg: "is garbled"}}
		}, keyring.ReasonKeyUnreadable, false, false, true},
		"the statement key cannot be read": {func(b *bench, _ string) { b.src.problem = &keyring.Problem{Where: "Place x", Msg: "is garbled"} }, keyring.ReasonStatementInvalid, true, true, false},
		"the recipient set was tampered with": {func(b *bench, _ string) {
			st := b.src.statements["default"]
			st.Note = []byte(strings.Replace(string(st.Note), "set: 1", "set: 7", 1))
		}, keyring.ReasonStatementInvalid, true, true, false},
		"the recipient set is another keyring's": {func(b *bench, _ string) {
			b.mustEnsure(ring("other"))
			b.src.statements["default"].Note = b.src.statements["other"].Note
		}, keyring.ReasonStatementInvalid, true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			id := b.mustEnsure(ring("default")).Keys[0].ID
			c.damage(b, id)
			version := b.src.version
			for range 2 {
				res, err := b.m.Ensure(t.Context(), ring("default"))
				if err != nil || res.Ready || !res.Stalled || res.Reason != c.reason || res.Message == "" || res.Known != c.known || len(res.Done) > 0 {
					t.Errorf("%+v, %v", res, err)
				}
				if strings.HasPrefix(res.Message, "Place") != (c.reason == keyring.ReasonStatementInvalid) {
					t.Errorf("message %q", res.Message)
				}
			}
			served := false
			for _, p := range b.m.Published() {
				served = served || p.Keyring == "default"
			}
			if b.opens(id) != c.opens || served != c.note {
				t.Errorf("opens %t, a set is served %t", b.opens(id), served)
			}
			if b.src.version != version {
				t.Error("something was written")
			}
		})
	}
}

func newClassical(t testing.TB, state keyring.State) keyring.Key {
	t.Helper()
	id, _ := identity(t, seal.Classical)
	return keyring.NewKey("default", id, state, noon.Add(time.Hour), time.Time{})
}

func TestAKeyThatCannotBeUsedHindersNoOther(t *testing.T) {
	twin := func(k keyring.Key) keyring.Stored {
		return keyring.Stored{Key: k, Where: "Place of the twin", Version: "1"}
	}
	for name, c := range map[string]struct {
		damage func(b *bench, first keyring.Key)
		says   string
	}{
		"a source's own fault": {func(b *bench, _ keyring.Key) { b.src.faults = []keyring.Problem{{Where: "Place x", Msg: "is garbled"}} }, "Place x is garbled"},
		"five of them are counted": {func(b *bench, _ keyring.Key) {
			b.src.faults = slicesRepeat(keyring.Problem{Where: "Place x", Msg: "is garbled"}, 5)
		}, "; and 2 more"},
		"a key of the other class": {func(b *bench, _ keyring.Key) { b.src.put(newKey(b.t, "default", keyring.Active)) }, "is of class postquantum in a keyring of class classical"},
		"a recipient that is not the key's": {func(b *bench, _ keyring.Key) {
			k := newClassical(b.t, keyring.Active)
			k.Recipient = newClassical(b.t, keyring.Active).Recipient
			b.src.put(k)
		}, "has a recipient that is not its own"},
		"the same key twice": {func(b *bench, first keyring.Key) {
			s := twin(first)
			b.src.keys["twin"] = &s
		}, "holds the same key as"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			id := b.mustEnsure(ring("default")).Keys[0].ID
			first, _ := b.live.Load().Key(id)
			c.damage(b, first)
			res := b.mustEnsure(ring("default"))
			if res.Reason != keyring.ReasonKeyUnreadable || !strings.Contains(res.Message, c.says) || !strings.HasPrefix(res.Message, "sealing to key "+id[:16]) || len(res.Keys) != 1 || !b.opens(id) {
				t.Errorf("%+v", res)
			}
		})
	}
}

func slicesRepeat[T any](v T, n int) (all []T) {
	for range n {
		all = append(all, v)
	}
	return all
}

func TestAKeyThatDoesNotOpenIsNotActivated(t *testing.T) {
	b := newBench(t)
	right, _ := identity(t, seal.Classical)
	wrong, _ := identity(t, seal.Classical)
	private, _ := seal.NewIdentities(wrong).Identity(wrong.KeyID())
	b.src.put(keyring.NewKey("default", seal.NewIdentity(right.Recipient(), private), keyring.PreActive, noon, time.Time{}))
	res, err := b.m.Ensure(t.Context(), ring("default"))
	if err != nil || !res.Stalled || res.Reason != keyring.ReasonProbeFailed || !strings.HasPrefix(res.Message, "Place ") || len(b.src.inState(keyring.Active)) != 0 || res.Note != "" {
		t.Errorf("%+v, %v", res, err)
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

func TestASourceThatThisControllerDoesNotHave(t *testing.T) {
	b := newBench(t)
	kr := ring("default")
	kr.Spec.Source = v1alpha1.KeySource{}
	if res, err := b.m.Ensure(t.Context(), kr); err != nil || !res.Stalled || res.Reason != keyring.ReasonUnsupportedSource {
		t.Errorf("%+v, %v", res, err)
	}
	m := keyring.NewManager(keyring.Config{Audit: b.log, Now: time.Now, Rand: rand.Reader, Live: b.live})
	if res, err := m.Ensure(t.Context(), ring("default")); err != nil || !res.Stalled || res.Reason != keyring.ReasonUnsupportedSource {
		t.Errorf("%+v, %v", res, err)
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
	b.m.Expect("default", "other")
	mustHave(true, "two keyrings are expected")
	if diff := cmp.Diff([]string{"default", "other"}, b.live.Load().Unavailable()); diff != "" {
		t.Error(diff)
	}
	b.m.Expect("default")
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
	b.m.Forget("default")
	mustHave(true, "a keyring is gone")
	if _, ok := b.live.Load().Key(id); ok {
		t.Error("the key of a deleted keyring is still there")
	}
	b.m.Forget("default")
	mustHave(false, "it is gone still")
}
