package keyring_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// TestARestoredKeyIsNotDestroyedBeforeAnythingNeedsIt has a key come back that was deactivated longer ago than destroyAfter, to where Git was not applied yet.
func TestARestoredKeyIsNotDestroyedBeforeAnythingNeedsIt(t *testing.T) {
	from := newGlassBench(t, seal.Classical)
	id, leaked := from.old(keyring.Deactivated, 400*24*time.Hour), from.old(keyring.Compromised, 400*24*time.Hour)
	for _, k := range []string{id, leaked} {
		from.src.change(k, func(k *keyring.Key) { k.Since = noon.Add(-400 * 24 * time.Hour) })
	}
	from.mustEnsure(from.kr)
	b := from.anew()
	b.uses = (&useTable{}).of
	b.again()
	b.kr.Spec.Rotation = rotation("", "", "8760h")
	b.ask(from)
	res := b.mustEnsure(b.kr)
	b.mustBeRestored(from, res)
	if k := b.src.keys[id]; !k.Since.Equal(noon) || !b.src.keys[leaked].Since.Equal(noon.Add(-400*24*time.Hour)) {
		t.Errorf("%v since %s, the compromised one since %s", k, k.Since, b.src.keys[leaked].Since)
	}
	b.now = noon.Add(8760*time.Hour - time.Second)
	b.mustEnsure(b.kr)
	if !b.opens(id) {
		t.Error("it is destroyed too early")
	}
	b.now = noon.Add(8760 * time.Hour)
	if b.mustEnsure(b.kr); b.opens(id) {
		t.Error("it stays for ever")
	}
}

// TestARestoreDoesNotServeARequestToDestroy has a request lie in the Keyring that was refused in the lost cluster, because objects needed the key.
func TestARestoreDoesNotServeARequestToDestroy(t *testing.T) {
	from := lived(t, seal.Classical)
	backup, _ := from.open()
	for _, k := range backup.Keys {
		for _, despite := range []string{"", v1alpha1.DespiteAny} {
			b := from.anew()
			b.uses = (&useTable{}).of
			b.again()
			b.kr = b.kr.DeepCopy()
			b.kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: k.Recipient.KeyID(), Do: v1alpha1.RequestDestroy, Despite: despite}}
			b.ask(from)
			res := b.mustEnsure(b.kr)
			if res.Restore == nil || !res.Restore.Refused || !strings.Contains(res.Restore.Message, "spec.requests asks for key "+k.Recipient.KeyID()[:16]+" to be destroyed") || len(b.src.keys) != 1 {
				t.Errorf("%d keys, %+v", len(b.src.keys), res.Restore)
			}
			b.kr.Spec.Requests = nil
			b.mustBeRestored(from, b.mustEnsure(b.kr))
			b.kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: k.Recipient.KeyID(), Do: v1alpha1.RequestDestroy}}
			b.ask(from) // all of it is there
			if res := b.mustEnsure(b.kr); !res.Restore.Done {
				t.Errorf("%+v", res.Restore)
			}
		}
	}
}

// TestANumberThatWasGivenTwiceIsPassedOver has a keyring whose source and status were restored as they were rotate before anybody restores its keys: both sets have the same number.
func TestANumberThatWasGivenTwiceIsPassedOver(t *testing.T) {
	for _, known := range []string{"in the backup", "in the repository", "in the status"} {
		b := lived(t, seal.Classical)
		rotates := func() keyring.Result {
			b.t.Helper()
			b.now = b.now.Add(time.Second)
			b.kr.Spec.Rotation = rotation("", b.now.Format(time.RFC3339), "")
			return b.mustEnsure(b.kr)
		}
		before, note := b.mustEnsure(b.kr), slices.Clone(b.src.statements["default"].Note)
		early := *b
		early.kept = &memoryBackups{stored: map[string][]byte{"default": slices.Clone(b.kept.stored["default"])}}
		lost := rotates()
		late := *b
		late.kept = &memoryBackups{stored: map[string][]byte{"default": slices.Clone(b.kept.stored["default"])}}
		var gone string
		for _, k := range lost.Keys {
			if k.State == "Active" {
				gone = k.ID
			}
		}
		delete(b.src.keys, gone)
		for _, k := range before.Keys {
			b.src.change(k.ID, func(o *keyring.Key) { o.State = keyring.State(k.State) })
		}
		b.src.statements["default"].Note = note
		b.kept.stored = map[string][]byte{"default": slices.Clone(early.kept.stored["default"])}
		b.again()
		twice := rotates()
		first, err := statement.OpenRecipients([]byte(lost.Note), lost.StatementKey)
		second, err2 := statement.OpenRecipients([]byte(twice.Note), lost.StatementKey)
		if err != nil || err2 != nil || first.Set != 2 || second.Set != 2 || first.Recipients[0].KeyID() == second.Recipients[0].KeyID() {
			t.Fatal(first, second, err, err2)
		}
		switch known {
		case "in the backup":
			b.ask(&late)
		case "in the repository":
			b.ask(&early, func(q *keyring.Restore) { q.Recipients = []byte(lost.Note) })
		case "in the status":
			b.kr.Status.Recipients = lost.Note
			b.ask(&early)
		}
		for range 2 {
			res := b.mustEnsure(b.kr)
			now, err := statement.OpenRecipients([]byte(res.Note), lost.StatementKey)
			if err != nil || now.Set <= 2 || b.kept.asked != nil {
				t.Errorf("%s: set %d after both, %v", known, now.Set, err)
			}
		}
		// The present backup, note and status have one set of the present number.
		b.kr.Status.Recipients = string(b.src.statements["default"].Note)
		b.ask(b, func(q *keyring.Restore) { q.Recipients = b.src.statements["default"].Note })
		if res := b.mustEnsure(b.kr); res.Note != b.kr.Status.Recipients || b.kept.asked != nil || !slices.Equal(done(res), []string{"KeysRestored"}) {
			t.Errorf("%s: %v", known, done(res))
		}
	}
}

// TestARestoreMendsASourceThatIsOlderThanTheStatus has nobody but the status know the last set: the backup is from before.
func TestARestoreMendsASourceThatIsOlderThanTheStatus(t *testing.T) {
	b := lived(t, seal.Classical)
	note := slices.Clone(b.src.statements["default"].Note)
	early := *b
	early.kept = &memoryBackups{stored: map[string][]byte{"default": slices.Clone(b.kept.stored["default"])}}
	b.now = noon.Add(time.Second)
	b.kr.Spec.Rotation = rotation("", "2026-11-23T12:00:01Z", "")
	res := b.mustEnsure(b.kr)
	b.kr.Status.Recipients, b.kr.Spec.Rotation = res.Note, nil
	for id, k := range b.src.keys {
		if k.State == keyring.Active {
			delete(b.src.keys, id)
		}
	}
	b.src.statements["default"].Note = note
	b.again()
	if got, err := b.m.Ensure(t.Context(), b.kr); err != nil || got.Ready {
		t.Fatal(got, err)
	}
	b.ask(&early)
	if got := b.mustEnsure(b.kr); !strings.Contains(got.Note, "set: 4\n") || b.kept.asked != nil {
		t.Errorf("%+v", got)
	}
}

// TestDecideRestoreHoldsBack holds what a restore does about requests to destroy what it brings, and about numbers that were given before.
func TestDecideRestoreHoldsBack(t *testing.T) {
	a, b, c := key("a", keyring.Deactivated, 0), key("b", keyring.Compromised, 0), key("c", keyring.Destroyed, 0)
	there := func(note string, keys ...keyring.Key) keyring.Side {
		return keyring.Side{Statement: "Place", Verifier: "v", Set: 3, Note: note, Keys: keys}
	}
	all := func(keys ...keyring.Key) keyring.Restoring {
		return keyring.Restoring{Keys: keys, Verifier: "v", There: there("C", a)}
	}
	for name, tc := range map[string]struct {
		s    keyring.Restoring
		with func(*keyring.Restoring)
		want keyring.Do
		key  string
	}{
		"one that is to be destroyed":            {all(a, b), func(s *keyring.Restoring) { s.Doomed = long("b") }, keyring.DoStop, ""},
		"before the statement key":               {all(a), func(s *keyring.Restoring) { s.Doomed, s.There = long("a"), keyring.Side{} }, keyring.DoStop, ""},
		"another is to be destroyed":             {all(a, b), func(s *keyring.Restoring) { s.Doomed = long("d") }, keyring.DoRestoreKey, b.ID},
		"it is there already":                    {all(a), func(s *keyring.Restoring) { s.Doomed = long("a") }, keyring.DoFinishRestore, ""},
		"it was destroyed":                       {all(c), func(s *keyring.Restoring) { s.Doomed = long("c") }, keyring.DoRestoreKey, c.ID},
		"the number was given twice":             {all(a), func(s *keyring.Restoring) { s.Floor, s.FloorNote = 3, "B" }, keyring.DoRestoreSet, a.ID},
		"it was given once":                      {all(a), func(s *keyring.Restoring) { s.Floor, s.FloorNote = 3, "C" }, keyring.DoFinishRestore, ""},
		"it is known without its set":            {all(a), func(s *keyring.Restoring) { s.Floor = 3 }, keyring.DoFinishRestore, ""},
		"it was given twice, and is passed over": {all(a), func(s *keyring.Restoring) { s.Floor, s.FloorNote = 2, "B" }, keyring.DoFinishRestore, ""},
		"a number of another statement key":      {all(a), func(s *keyring.Restoring) { s.Floor, s.FloorNote, s.Verifier = 3, "B", "" }, keyring.DoFinishRestore, ""},
	} {
		tc.with(&tc.s)
		if got := keyring.DecideRestore(tc.s); got.Do != tc.want || got.Key != tc.key {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
