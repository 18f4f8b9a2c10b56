package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// lived is a keyring that has two keys more: one that opens only, one that others know.
func lived(t testing.TB, class seal.Class) *glassBench {
	b := newGlassBench(t, class)
	b.old(keyring.Deactivated, 72*time.Hour)
	b.old(keyring.Compromised, 48*time.Hour)
	b.mustEnsure(b.kr)
	return b
}

// mustBeRestored holds a keyring against the one whose backup it has taken.
func (b *glassBench) mustBeRestored(from *glassBench, res keyring.Result) {
	b.t.Helper()
	backup, _ := from.open()
	for _, k := range backup.Keys {
		want := keyring.Deactivated
		if k.State == string(keyring.Compromised) {
			want = keyring.Compromised
		}
		got, ok := b.src.keys[k.Recipient.KeyID()]
		if !ok || got.State != want || !got.Created.Equal(k.Created) || !got.Activated.Equal(k.Activated) || !b.opens(k.Recipient.KeyID()) {
			b.t.Errorf("key %s: %v", k.Recipient.KeyID()[:16], got)
		}
	}
	set, err := backup.Set()
	if err != nil {
		b.t.Fatal(err)
	}
	now, err := statement.OpenRecipients([]byte(res.Note), backup.StatementKey)
	if err != nil || res.StatementKey != backup.StatementKey || now.Set <= set.Set || slices.ContainsFunc(backup.Keys, func(k statement.BackupKey) bool { return k.Recipient.KeyID() == now.Recipients[0].KeyID() }) {
		b.t.Errorf("recipient set %d of %s after %d: %v", now.Set, res.StatementKey, set.Set, err)
	}
	if b.kept.asked != nil || (res.Restore != nil && !res.Restore.Done) || !res.Backup.Current {
		b.t.Errorf("asked for still: %t; %+v, %+v", b.kept.asked != nil, res.Restore, res.Backup)
	}
}

func TestALostKeyringIsRestored(t *testing.T) {
	for _, class := range []seal.Class{seal.Classical, seal.PostQuantum} {
		for _, begun := range []bool{false, true} {
			from := lived(t, class)
			b := from.anew()
			fresh := ""
			if begun { // the controller was there first, and has made a keyring
				fresh = b.mustEnsure(b.kr).Keys[0].ID
			}
			b.ask(from)
			res := b.mustEnsure(b.kr)
			b.mustBeRestored(from, res)
			if begun && res.ActiveKey != fresh[:16] {
				t.Errorf("the new key was not kept: %s", res.ActiveKey)
			}
			if story := b.story(); !slices.Contains(story, "intent key.restore StatementKey default keys=0") || !slices.Contains(story, "intent key.restore Keyring default keys=1") || !slices.Contains(story, "intent key.restore Keyring default keys=3") {
				t.Errorf("the audit log: %q", story)
			}
			saved := b.kept.saved
			// A second time.
			b.ask(from)
			again := b.mustEnsure(b.kr)
			if again.Note != res.Note || b.kept.asked != nil || b.kept.saved != saved || len(again.Keys) != len(res.Keys) {
				t.Errorf("restored twice: %+v", again)
			}
		}
	}
}

// TestARestoreIsPickedUpAfterACrashAnywhere kills the Manager at each operation on the source and on the request, just before and just after it takes effect.
func TestARestoreIsPickedUpAfterACrashAnywhere(t *testing.T) {
	from := lived(t, seal.Classical)
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			b := from.anew()
			b.mustEnsure(b.kr)
			b.ask(from)
			n, crashed := 0, false
			hook := func(string, int) error {
				if n++; n == at {
					crashed = true
					return errCrash
				}
				return nil
			}
			if after {
				b.src.after = hook
			} else {
				b.src.before = hook
				b.kept.hook = func(string) error { return hook("", 0) }
			}
			res, err := b.m.Ensure(t.Context(), b.kr)
			if err != nil {
				if !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				b.again()
				res = b.mustEnsure(b.kr)
			}
			if res.Backup == nil || !res.Backup.Current { // its own operations fail without a word
				res = b.mustEnsure(b.kr)
			}
			b.mustBeRestored(from, res)
			if !crashed {
				if at < 20 {
					t.Errorf("only %d operations", at)
				}
				break
			}
		}
	}
}

func TestNumbersOfRecipientSetsGoOn(t *testing.T) {
	from := lived(t, seal.Classical)
	b := from.anew()
	// The repository knows of set 7, whose key is lost.
	backup, contents := from.open()
	signer, err := statement.NewSigner(contents.Signer())
	if err != nil {
		t.Fatal(err)
	}
	lost, _ := identity(t, seal.Classical)
	r, err := seal.ParseRecipient(lost.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	note, err := statement.Recipients{Holder: "default", Set: 7, At: noon, Recipients: []seal.Recipient{r}}.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	b.ask(from, func(q *keyring.Restore) { q.Recipients = note })
	res := b.mustEnsure(b.kr)
	b.mustBeRestored(from, res)
	if set, err := statement.OpenRecipients([]byte(res.Note), backup.StatementKey); err != nil || set.Set <= 7 {
		t.Errorf("set %d: %v", set.Set, err)
	}
}

func TestAnOlderBackupBringsWhatItHas(t *testing.T) {
	b := lived(t, seal.Classical)
	older := *b
	older.kept = &memoryBackups{stored: map[string][]byte{"default": slices.Clone(b.kept.stored["default"])}}
	// The keyring goes on, and then loses its oldest key and the one that is published.
	backup, _ := older.open()
	gone := backup.Keys[0].Recipient.KeyID()
	next, _ := identity(t, seal.Classical)
	b.src.put(keyring.NewKey("default", next, keyring.Deactivated, noon, noon))
	before := b.mustEnsure(b.kr)
	delete(b.src.keys, gone)
	delete(b.src.keys, before.Keys[slices.IndexFunc(before.Keys, func(k v1alpha1.KeyStatus) bool { return k.State == "Active" })].ID)
	// Another key of the backup is not known to be known by others here.
	leaked := backup.Keys[slices.IndexFunc(backup.Keys, func(k statement.BackupKey) bool { return k.State == "Compromised" })].Recipient.KeyID()
	b.src.change(leaked, func(k *keyring.Key) { k.State = keyring.Deactivated })
	b.ask(&older)
	b.again()
	res := b.mustEnsure(b.kr)
	if len(res.Keys) != 5 || b.src.keys[next.KeyID()].State != keyring.Deactivated || b.src.keys[leaked].State != keyring.Compromised || !b.opens(gone) || b.kept.asked != nil || !res.Backup.Current {
		t.Errorf("%+v", res)
	}
}

func TestRestoresThatAreRefused(t *testing.T) {
	from := lived(t, seal.Classical)
	other := newGlassBench(t, seal.Classical)
	other.kr = ring("other")
	other.kr.Spec.BreakGlass = from.kr.Spec.BreakGlass
	pq := lived(t, seal.PostQuantum)
	for name, c := range map[string]struct {
		before func(b *glassBench)
		ask    func(b *glassBench)
		want   string
	}{
		"what is inside is of another backup": {nil, func(b *glassBench) {
			b.ask(from, func(q *keyring.Restore) {
				backup, contents := pq.open()
				q.Contents = keyring.NewPrivate(contents.Text(backup))
			})
		}, "private key"},
		"it was changed": {nil, func(b *glassBench) {
			b.ask(from, func(q *keyring.Restore) {
				q.Backup = []byte(strings.Replace(string(q.Backup), "state: Active", "state: Suspended", 1))
			})
		}, "changed after"},
		"junk":          {nil, func(b *glassBench) { b.ask(from, func(q *keyring.Restore) { q.Backup = []byte("junk") }) }, "malformed"},
		"another class": {nil, func(b *glassBench) { b.ask(pq) }, "of class postquantum"},
		"a published statement key": {func(b *glassBench) {
			b.mustEnsure(b.kr)
			b.src.statements["default"].Note = nil
			b.mustEnsure(b.kr)
			b.src.change(b.src.inState(keyring.Active)[0], func(k *keyring.Key) { k.State = keyring.Deactivated })
			id, _ := identity(b.t, seal.Classical)
			b.src.put(keyring.NewKey("default", id, keyring.Active, noon, noon))
			b.mustEnsure(b.kr) // set 2
		}, func(b *glassBench) { b.ask(from) }, "--keys-only"},
		"a statement key whose keys are in use": {func(b *glassBench) {
			b.uses = func(context.Context, string) (keyring.Uses, error) {
				all := map[string]keyring.KeyUses{}
				for id := range b.src.keys {
					all[id] = keyring.KeyUses{Objects: 1}
				}
				return keyring.Uses{Keys: all}, nil
			}
			b.again()
			b.mustEnsure(b.kr)
		}, func(b *glassBench) { b.ask(from) }, "--keys-only"},
		"a foreign recipient set": {nil, func(b *glassBench) {
			b.ask(from, func(q *keyring.Restore) { q.Recipients = []byte("junk") })
		}, "newest recipient set"},
	} {
		t.Run(name, func(t *testing.T) {
			b := from.anew()
			b.bench.t = t
			if c.before != nil {
				c.before(b)
			}
			c.ask(b)
			for range 2 {
				version := b.kept.version
				res, err := b.m.Ensure(t.Context(), b.kr)
				if err != nil || !res.Ready || res.Restore == nil || !res.Restore.Refused || !strings.Contains(res.Restore.Message, c.want) || !strings.Contains(b.kept.refused, c.want) || b.kept.asked == nil {
					t.Errorf("%+v, %+v, %v; noted: %q", res, res.Restore, err, b.kept.refused)
				}
				if b.kept.version != version && version > 1 {
					t.Error("it is noted again and again")
				}
				if len(b.src.inState(keyring.Compromised)) > 0 || strings.Contains(fmt.Sprint(res, err), "AGE-SECRET") {
					t.Error("something was restored, or a private key is quoted")
				}
			}
			b.kept.asked = nil
			if res := b.mustEnsure(b.kr); res.Restore != nil {
				t.Errorf("taken back: %+v", res.Restore)
			}
		})
	}
}

func TestKeysAloneGoIntoAKeyringWithItsOwnStatementKey(t *testing.T) {
	from := lived(t, seal.Classical)
	b := from.anew()
	before := b.mustEnsure(b.kr)
	b.ask(from, func(q *keyring.Restore) { q.KeysOnly = true })
	res := b.mustEnsure(b.kr)
	if res.StatementKey != before.StatementKey || res.Note != before.Note || len(res.Keys) != 4 || b.kept.asked != nil {
		t.Errorf("%+v", res)
	}
}

func TestDecideRestore(t *testing.T) {
	key := func(id string, state keyring.State) keyring.Key {
		return keyring.Key{ID: id + strings.Repeat("0", 31), State: state, Created: noon}
	}
	a, b := key("a", keyring.Deactivated), key("b", keyring.Compromised)
	there := keyring.Side{Statement: "Place", Verifier: "v", Set: 3}
	for name, c := range map[string]struct {
		s    keyring.Restoring
		want keyring.Do
		key  string
	}{
		"an empty source":              {keyring.Restoring{Keys: []keyring.Key{a}, Verifier: "v"}, keyring.DoRestoreStatement, ""},
		"without a statement key":      {keyring.Restoring{Keys: []keyring.Key{a}}, keyring.DoRestoreKey, a.ID},
		"another, which is fresh":      {keyring.Restoring{Keys: []keyring.Key{a}, Verifier: "w", There: there, Fresh: true}, keyring.DoDropFresh, ""},
		"another, which is not":        {keyring.Restoring{Keys: []keyring.Key{a}, Verifier: "w", There: there}, keyring.DoStop, ""},
		"a move is under way":          {keyring.Restoring{Keys: []keyring.Key{a}, Verifier: "v", There: there, Moving: true}, keyring.DoStop, ""},
		"a key that is missing":        {keyring.Restoring{Keys: []keyring.Key{a, b}, Verifier: "v", There: holding(there, a)}, keyring.DoRestoreKey, b.ID},
		"a key that cannot be used":    {keyring.Restoring{Keys: []keyring.Key{a}, Verifier: "v", There: keyring.Side{Statement: "Place", Verifier: "v", Faults: []keyring.Problem{{Where: "x", KeyID: a.ID}}}}, keyring.DoStop, ""},
		"one that others know":         {keyring.Restoring{Keys: []keyring.Key{b}, Verifier: "v", There: holding(there, key("b", keyring.Active))}, keyring.DoRestoreState, b.ID},
		"one that was destroyed":       {keyring.Restoring{Keys: []keyring.Key{b}, Verifier: "v", There: holding(there, key("b", keyring.Destroyed))}, keyring.DoFinishRestore, ""},
		"one that others knew":         {keyring.Restoring{Keys: []keyring.Key{b.Destroyed(noon)}, Verifier: "v", There: holding(there, key("b", keyring.Deactivated))}, keyring.DoRestoreState, b.ID},
		"one that nobody knew":         {keyring.Restoring{Keys: []keyring.Key{a.Destroyed(noon)}, Verifier: "v", There: holding(there, a)}, keyring.DoFinishRestore, ""},
		"a higher number is known":     {keyring.Restoring{Keys: []keyring.Key{a}, Verifier: "v", Floor: 4, There: holding(there, a)}, keyring.DoRestoreSet, a.ID},
		"of another statement key":     {keyring.Restoring{Keys: []keyring.Key{a}, Floor: 4, There: holding(there, a)}, keyring.DoFinishRestore, ""},
		"the published key is nowhere": {keyring.Restoring{Keys: []keyring.Key{a}, Verifier: "v", Published: []string{b.ID}, There: holding(there, a)}, keyring.DoRestoreSet, a.ID},
		"the active key is the heir":   {keyring.Restoring{Keys: []keyring.Key{a}, Verifier: "v", Floor: 4, There: holding(there, a, key("c", keyring.Active))}, keyring.DoRestoreSet, key("c", "").ID},
		"another keyring has it":       {keyring.Restoring{Keys: []keyring.Key{a}, Verifier: "v", Others: map[string]string{a.ID: "other"}}, keyring.DoStop, ""},
		"all is there":                 {keyring.Restoring{Keys: []keyring.Key{a}, Verifier: "v", Floor: 3, Published: []string{a.ID}, There: holding(there, a)}, keyring.DoFinishRestore, ""},
	} {
		if got := keyring.DecideRestore(c.s); got.Do != c.want || got.Key != c.key {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func holding(s keyring.Side, keys ...keyring.Key) keyring.Side {
	s.Keys = keys
	return s
}
