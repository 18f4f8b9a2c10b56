package keyring_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

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
	known := ring("default")
	known.Status.ActiveKey, known.Status.Recipients = res.ActiveKey, res.Note
	if _, err := b.m.Ensure(t.Context(), known); !errors.Is(err, away) {
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
		"two active keys, and neither is the published one": {func(b *bench, id string) {
			b.src.change(id, func(k *keyring.Key) { k.State = keyring.Deactivated })
			b.src.put(newClassical(b.t, keyring.Active))
			b.src.put(newClassical(b.t, keyring.Active))
		}, keyring.ReasonSeveralActiveKeys, true, false, true},
		"the published key was suspended": {func(b *bench, id string) { b.src.change(id, func(k *keyring.Key) { k.State = keyring.Suspended }) }, keyring.ReasonNoActiveKey, false, false, true},
		"the published key was deleted":   {func(b *bench, id string) { delete(b.src.keys, id) }, keyring.ReasonKeyMissing, false, false, true},
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
			b.src.faults = slices.Repeat([]keyring.Problem{{Where: "Place x", Msg: "is garbled"}}, 5)
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

func TestASourceThatThisControllerDoesNotHave(t *testing.T) {
	b := newBench(t)
	kr := ring("default")
	kr.Spec.Source = v1alpha1.KeySource{}
	sealed := ring("sealed")
	sealed.Spec.Source.Secret.EncryptedBy = &v1alpha1.KeyEncryption{}
	if res, err := b.m.Ensure(t.Context(), sealed); err != nil || !res.Stalled || res.Reason != keyring.ReasonUnsupportedSource {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err := b.m.Ensure(t.Context(), kr); err != nil || !res.Stalled || res.Reason != keyring.ReasonUnsupportedSource {
		t.Errorf("%+v, %v", res, err)
	}
	m := keyring.NewManager(keyring.Config{Source: keyring.ClearSecrets(nil), Audit: b.log, Now: time.Now, Rand: rand.Reader, Live: b.live})
	if res, err := m.Ensure(t.Context(), ring("default")); err != nil || !res.Stalled || res.Reason != keyring.ReasonUnsupportedSource {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestAnEmptySourceTakesNoOtherControllersKeyringOver has a second controller find a Keyring that shows the key of the first, in a source of its own.
func TestAnEmptySourceTakesNoOtherControllersKeyringOver(t *testing.T) {
	first, second := newBench(t), newBench(t)
	shown := ring("default")
	res := first.mustEnsure(shown)
	shown.Status.ActiveKey = res.ActiveKey
	for range 2 {
		got, err := second.m.Ensure(t.Context(), shown)
		if err != nil || got.Ready || !got.Stalled || got.Known || got.Reason != keyring.ReasonKeyMissing || !strings.Contains(got.Message, res.ActiveKey) || len(got.Done) > 0 {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if len(second.src.keys)+len(second.src.statements) != 0 {
		t.Error("keys were made")
	}
	if first.mustEnsure(shown); !first.opens(res.Keys[0].ID) {
		t.Error("the first controller does not open any more")
	}
	// Whoever has lost the keys makes the Keyring again: its status is empty then.
	second.mustEnsure(ring("default"))
}

// TestKeysInMemoryOutliveASourceThatComesBackEmpty has a Vault that was lost come back without its content.
func TestKeysInMemoryOutliveASourceThatComesBackEmpty(t *testing.T) {
	b := newBench(t)
	res := b.mustEnsure(ring("default"))
	id := res.Keys[0].ID
	shown := ring("default")
	shown.Status.ActiveKey, shown.Status.Recipients = res.ActiveKey, res.Note
	delete(b.src.keys, id)
	delete(b.src.statements, "default")
	for range 2 {
		if got, err := b.m.Ensure(t.Context(), shown); err != nil || got.Known || got.Reason != keyring.ReasonKeyMissing || !b.opens(id) {
			t.Errorf("%+v, %v; it opens: %t", got, err, b.opens(id))
		}
	}
	b.restart(b.log)
	if got, err := b.m.Ensure(t.Context(), shown); err != nil || got.Reason != keyring.ReasonKeyMissing || b.opens(id) || len(b.live.Load().Unavailable()) != 0 {
		t.Errorf("%+v, %v; it opens: %t", got, err, b.opens(id))
	}
}
