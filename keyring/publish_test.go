package keyring_test

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// TestANumberThatTheStatusShowsIsNotGivenAgain has a source restored as it was before its recipient set was published, as an older backup has it.
func TestANumberThatTheStatusShowsIsNotGivenAgain(t *testing.T) {
	forged := func(b *bench, note string) string {
		signer, _, err := statement.GenerateKey(rand.Reader, "default")
		if err != nil {
			b.t.Fatal(err)
		}
		s, err := statement.NewSigner(signer)
		if err != nil {
			b.t.Fatal(err)
		}
		set, err := statement.ReadRecipients([]byte(note))
		if err != nil {
			b.t.Fatal(err)
		}
		set.Set = 99
		signed, err := set.Sign(s)
		if err != nil {
			b.t.Fatal(err)
		}
		return string(signed)
	}
	for name, c := range map[string]struct {
		before func(b *bench, id string) // what the older backup has
		status func(b *bench, note string) string
		set    uint64
		same   bool // the very note that the status shows
	}{
		"the same key is active": {func(*bench, string) {}, nil, 1, true},
		"another key is active": {func(b *bench, id string) {
			b.src.change(id, func(k *keyring.Key) { k.State = keyring.Deactivated })
			b.src.put(newClassical(b.t, keyring.Active))
		}, nil, 2, false},
		"the status shows what another key has signed": {func(*bench, string) {}, forged, 1, false},
		"the status shows junk":                        {func(*bench, string) {}, func(*bench, string) string { return "junk" }, 1, false},
		"the status shows nothing":                     {func(*bench, string) {}, func(*bench, string) string { return "" }, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			kr := ring("default")
			res := b.mustEnsure(kr)
			kr.Status.ActiveKey, kr.Status.Recipients = res.ActiveKey, res.Note
			if c.status != nil {
				kr.Status.Recipients = c.status(b, res.Note)
			}
			c.before(b, res.Keys[0].ID)
			b.src.statements["default"].Note = nil
			m := keyring.NewManager(keyring.Config{
				Source: keyring.ClearSecrets(b.src), Audit: b.log, Now: func() time.Time { return noon.Add(time.Hour) }, Rand: rand.Reader, Live: b.live,
			})
			got, err := m.Ensure(t.Context(), kr)
			if err != nil || !got.Ready {
				t.Fatalf("%+v, %v", got, err)
			}
			set, err := statement.OpenRecipients([]byte(got.Note), res.StatementKey)
			if err != nil || set.Set != c.set || (got.Note == res.Note) != c.same || !slices.Contains(b.src.saved, got.Note) {
				t.Errorf("set %d, the same note: %t, %v", set.Set, got.Note == res.Note, err)
			}
		})
	}
}

// wentBack is a keyring whose source was restored as it was before its last rotation, from an older dump or snapshot; the status shows the set after it.
func wentBack(t *testing.T) (b *bench, kr *v1alpha1.Keyring, before, after keyring.Result) {
	t.Helper()
	b, kr = newBench(t), ring("default")
	before = b.mustEnsure(kr)
	note := slices.Clone(b.src.statements["default"].Note)
	kr.Spec.Rotation = rotation("", "2026-11-23T12:00:01Z", "")
	b.now = noon.Add(time.Second)
	after = b.mustEnsure(kr)
	kr.Status.ActiveKey, kr.Status.Recipients, kr.Spec.Rotation = after.ActiveKey, after.Note, nil
	for id := range b.src.keys {
		if id != before.Keys[0].ID {
			delete(b.src.keys, id)
		}
	}
	b.src.change(before.Keys[0].ID, func(k *keyring.Key) { k.State = keyring.Active })
	b.src.statements["default"].Note = note
	return b, kr, before, after
}

func TestASourceThatIsOlderThanTheStatusHoldsBack(t *testing.T) {
	b, kr, before, after := wentBack(t)
	old, lost := before.Keys[0].ID, after.Keys[0].ID
	version := b.src.version
	for _, restarted := range []bool{false, true} {
		if restarted {
			b.restart(b.log)
		}
		for range 2 {
			got, err := b.m.Ensure(t.Context(), kr)
			if err != nil || got.Ready || !got.Stalled || got.Known || got.Reason != keyring.ReasonKeyMissing || len(got.Done) > 0 || b.src.version != version ||
				!strings.HasPrefix(got.Message, "the status shows recipient set 2 of key "+after.ActiveKey+", and the source has set 1 of key "+before.ActiveKey+": ") {
				t.Errorf("%+v, %v", got, err)
			}
		}
		// What is in memory is newer than the source, while there is any.
		if k, ok := b.live.Load().Key(old); !ok || (k.State == keyring.Active) != restarted || !b.opens(old) || b.opens(lost) == restarted {
			t.Errorf("restarted: %t; %v, the lost key opens: %t", restarted, k, b.opens(lost))
		}
		if p := b.m.Published(); len(p) > 0 && p[0].Note != after.Note {
			t.Errorf("an older set is served: %+v", p)
		}
	}
	// A snapshot that has it, or whoever gives it up by making the Keyring again.
	kr.Status = v1alpha1.KeyringStatus{}
	if got := b.mustEnsure(kr); got.ActiveKey != before.ActiveKey || got.Note != before.Note {
		t.Errorf("%+v", got)
	}
}

// TestASetThatTheSourceHasLostIsTakenFromTheStatus has only the record of the statement key be older than the status: nothing else is missing.
func TestASetThatTheSourceHasLostIsTakenFromTheStatus(t *testing.T) {
	b, kr := newBench(t), ring("default")
	first := b.mustEnsure(kr)
	st := b.src.statements["default"]
	set, err := statement.OpenRecipients(st.Note, first.StatementKey)
	if err != nil {
		t.Fatal(err)
	}
	set.Set = 5
	newer, err := set.Sign(st.Signer)
	if err != nil {
		t.Fatal(err)
	}
	kr.Status.ActiveKey, kr.Status.Recipients = first.ActiveKey, string(newer)
	if got := b.mustEnsure(kr); got.Note != string(newer) || !slices.Equal(done(got), []string{"RecipientsPublished"}) {
		t.Errorf("%+v", got)
	}
}
