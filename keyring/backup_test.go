package keyring_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// memoryBackups is a fake place for backups, and for requests to restore.
type memoryBackups struct {
	stored  map[string][]byte
	saved   int
	fails   error
	asked   *keyring.Restore
	refused string
	version int
	hook    func(op string) error
}

func (m *memoryBackups) Backup(_ context.Context, name string) ([]byte, string, error) {
	return m.stored[name], string(m.stored[name]), m.fails
}

func (m *memoryBackups) SaveBackup(_ context.Context, name string, signed []byte, version string) error {
	switch {
	case m.fails != nil:
		return m.fails
	case version != string(m.stored[name]):
		return keyring.ErrConflict
	}
	m.stored[name] = slices.Clone(signed)
	m.saved++
	return nil
}

func (m *memoryBackups) Restore(context.Context, string) (*keyring.Restore, error) {
	if m.asked == nil {
		return nil, nil
	}
	q := *m.asked
	q.Refused, q.Where, q.Version = m.refused, "Secret waxwing-restore-default", fmt.Sprint(m.version)
	return &q, nil
}

func (m *memoryBackups) RefuseRestore(_ context.Context, q *keyring.Restore, why string) error {
	if m.asked == nil || q.Version != fmt.Sprint(m.version) {
		return keyring.ErrConflict
	}
	m.refused = why
	m.version++
	return nil
}

func (m *memoryBackups) FinishRestore(_ context.Context, q *keyring.Restore) error {
	if m.hook != nil {
		if err := m.hook("finish"); err != nil {
			return err
		}
	}
	if m.asked == nil || q.Version != fmt.Sprint(m.version) {
		return keyring.ErrConflict
	}
	m.asked = nil
	return nil
}

// glassBench is a bench whose keyring has break glass and a place for backups.
type glassBench struct {
	*bench
	kept  *memoryBackups
	glass seal.Identity
	kr    *v1alpha1.Keyring
	now   time.Time
	uses  keyring.UsesFunc
}

func newGlassBench(t testing.TB, class seal.Class) *glassBench {
	t.Helper()
	b := &glassBench{bench: newBench(t), kept: &memoryBackups{stored: map[string][]byte{}}, kr: ring("default"), now: noon}
	b.glass, _ = identity(t, class)
	b.kr.Spec.Class = string(class)
	b.kr.Spec.BreakGlass = &v1alpha1.BreakGlass{Recipients: []string{b.glass.Recipient()}}
	b.again()
	return b
}

// again is a new Manager with an empty memory.
func (b *glassBench) again() {
	b.live = &keyring.Live{}
	b.m = keyring.NewManager(keyring.Config{
		Source: keyring.ClearSecrets(b.src), Audit: b.log, Now: func() time.Time { return b.now }, Rand: rand.Reader, Live: b.live, Backups: b.kept, Restores: b.kept, Uses: b.uses,
	})
}

// anew is the same keyring in a cluster that has lost everything but what is kept.
func (b *glassBench) anew() *glassBench {
	next := *b
	next.bench = newBench(b.t)
	next.kept = &memoryBackups{stored: map[string][]byte{}}
	next.again()
	return &next
}

// open gives the stored backup and what is inside.
func (b *glassBench) open() (statement.Backup, statement.Contents) {
	b.t.Helper()
	read, err := statement.ReadBackup(b.kept.stored["default"])
	if err != nil {
		b.t.Fatal(err)
	}
	backup, err := statement.OpenBackup(b.kept.stored["default"], read.StatementKey)
	if err != nil {
		b.t.Fatal(err)
	}
	contents, err := backup.Unlock(seal.NewIdentities(b.glass))
	if err != nil {
		b.t.Fatal(err)
	}
	return backup, contents
}

// old puts a key into the source that opens only.
func (b *glassBench) old(state keyring.State, age time.Duration) string {
	id, _ := identity(b.t, seal.Class(b.kr.Spec.Class))
	b.src.put(keyring.NewKey("default", id, state, noon.Add(-age), noon.Add(-age)))
	return id.KeyID()
}

// ask asks for a backup to be restored.
func (b *glassBench) ask(from *glassBench, change ...func(*keyring.Restore)) {
	backup, contents := from.open()
	b.kept.asked = &keyring.Restore{Keyring: "default", Backup: from.kept.stored["default"], Contents: keyring.NewPrivate(contents.Text(backup))}
	b.kept.refused = ""
	for _, f := range change {
		f(b.kept.asked)
	}
	b.kept.version++
}

func (b *glassBench) secrets() (all []string) {
	_, contents := b.open()
	return append(contents.Identities(), contents.Signer())
}

func TestABackupIsMadeAndMadeAnewWhenSomethingChanges(t *testing.T) {
	for _, class := range []seal.Class{seal.Classical, seal.PostQuantum} {
		b := newGlassBench(t, class)
		res := b.mustEnsure(b.kr)
		backup, contents := b.open()
		if res.Backup == nil || !res.Backup.Current || res.Backup.Reason != keyring.ReasonBackedUp || b.kept.saved != 1 || len(backup.Keys) != 1 || len(contents.Identities()) != 1 || contents.Signer() == "" {
			t.Fatalf("%s: %+v, %d keys", class, res.Backup, len(backup.Keys))
		}
		if set, err := backup.Set(); err != nil || set == nil || set.Set != 1 {
			t.Errorf("its recipient set: %+v, %v", set, err)
		}
		for range 3 {
			b.again()
			if res := b.mustEnsure(b.kr); !res.Backup.Current || len(res.Done) > 0 || b.kept.saved != 1 {
				t.Errorf("nothing has changed: %+v, %d backups", res, b.kept.saved)
			}
		}
		changes := []func(){
			func() { b.old(keyring.Deactivated, 48*time.Hour) },
			func() {
				for id, k := range b.src.keys {
					if k.State == keyring.Deactivated {
						b.src.change(id, func(k *keyring.Key) { k.State = keyring.Compromised })
					}
				}
			},
			func() {
				more, _ := identity(t, class)
				b.kr.Spec.BreakGlass.Recipients = append(b.kr.Spec.BreakGlass.Recipients, more.Recipient())
			},
			func() { delete(b.kept.stored, "default") },
			func() { b.kept.stored["default"] = []byte("junk") },
			func() { b.kept.stored["default"][len("waxwing.io/backup/v1\nholder: ")]++ },
		}
		for i, change := range changes {
			change()
			if res := b.mustEnsure(b.kr); !res.Backup.Current || b.kept.saved != 2+i {
				t.Errorf("%s, change %d: %+v, %d backups", class, i, res.Backup, b.kept.saved)
			}
		}
		backup, contents = b.open()
		if len(backup.Keys) != 2 || len(contents.Identities()) != 2 || backup.Keys[0].State != "Compromised" || len(backup.BreakGlass) != 2 {
			t.Errorf("%+v", backup)
		}
	}
}

func TestABackupHasNoPrivateKeyInTheClearAndIsRecorded(t *testing.T) {
	b := newGlassBench(t, seal.PostQuantum)
	b.old(keyring.Deactivated, 48*time.Hour)
	res := b.mustEnsure(b.kr)
	story := b.story()
	if !slices.Contains(story, "intent key.backup Keyring default keys=2") || !slices.Contains(story, "outcome key.backup true keys=0") {
		t.Errorf("the audit log: %q", story)
	}
	said := fmt.Sprintf("%+v %s", res, b.kept.stored["default"])
	// Files come and go in a log that is at work.
	if err := b.log.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(b.path, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		said += string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, private := range b.secrets() {
		if strings.Contains(said, private) {
			t.Error("a private key is in the clear")
		}
	}
}

func TestNoBackupTakesThePlaceOfOneWithMore(t *testing.T) {
	b := newGlassBench(t, seal.Classical)
	old := b.old(keyring.Deactivated, 48*time.Hour)
	b.mustEnsure(b.kr)
	before := string(b.kept.stored["default"])
	kept := b.src.keys[old]
	delete(b.src.keys, old)
	res := b.mustEnsure(b.kr)
	if res.Backup.Current || res.Backup.Reason != keyring.ReasonBackupHasMore || !strings.Contains(res.Backup.Message, old[:16]) || string(b.kept.stored["default"]) != before {
		t.Errorf("a key is gone: %+v", res.Backup)
	}
	b.src.keys[old] = kept
	if res = b.mustEnsure(b.kr); !res.Backup.Current || string(b.kept.stored["default"]) != before {
		t.Errorf("it is back: %+v", res.Backup)
	}
	b.src.change(old, func(k *keyring.Key) {
		*k = keyring.Key{Keyring: k.Keyring, ID: k.ID, Recipient: k.Recipient, State: keyring.Destroyed, Created: k.Created}
	})
	if res = b.mustEnsure(b.kr); !res.Backup.Current {
		t.Fatalf("it was destroyed: %+v", res.Backup)
	}
	if backup, contents := b.open(); len(backup.Keys) != 2 || len(contents.Identities()) != 1 || backup.Keys[0].Private != statement.Gone {
		t.Errorf("%+v", backup.Keys)
	}
}

func TestWhyThereIsNoBackup(t *testing.T) {
	b := newGlassBench(t, seal.Classical)
	b.kr.Spec.BreakGlass = nil
	if res := b.mustEnsure(b.kr); res.Backup.Reason != keyring.ReasonNoBreakGlass || b.kept.saved != 0 {
		t.Errorf("%+v", res.Backup)
	}
	b.kr.Spec.BreakGlass = &v1alpha1.BreakGlass{Recipients: []string{b.glass.Recipient()}}
	b.kept.fails = errors.New("the cluster is full")
	if res := b.mustEnsure(b.kr); res.Backup.Reason != keyring.ReasonBackupFailed || !strings.Contains(res.Backup.Message, "the cluster is full") {
		t.Errorf("%+v", res.Backup)
	}
	b.kept.fails = nil
	b.src.before = func(op string, _ int) error {
		if op == "export statement" {
			return errors.New("connection refused")
		}
		return nil
	}
	if res := b.mustEnsure(b.kr); res.Backup.Reason != keyring.ReasonBackupFailed || b.kept.saved != 0 {
		t.Errorf("%+v", res.Backup)
	}
	b.src.before = nil
	if res := b.mustEnsure(b.kr); !res.Backup.Current {
		t.Errorf("%+v", res.Backup)
	}
	if !slices.ContainsFunc(b.story(), func(line string) bool {
		return strings.HasPrefix(line, "outcome "+string(audit.ActionKeyBackup)+" false")
	}) {
		t.Error("the failure is not in the audit log")
	}
}

func TestABackupWithoutAKeyThatShouldBeInItIsNotCurrent(t *testing.T) {
	fault := keyring.Problem{Where: "Place x", Msg: "is garbled", KeyID: strings.Repeat("7", 32)}
	b := newGlassBench(t, seal.Classical)
	b.src.faults = []keyring.Problem{fault}
	for range 2 { // made, and looked at again
		res, err := b.m.Ensure(t.Context(), b.kr)
		if err != nil || res.Backup == nil {
			t.Fatalf("%+v, %v", res, err)
		}
		if res.Backup.Current || res.Backup.Reason != keyring.ReasonBackupIncomplete || !strings.Contains(res.Backup.Message, "Place x is garbled") {
			t.Errorf("a key cannot be read: %+v", res.Backup)
		}
	}
	b.src.faults = nil
	res := b.mustEnsure(b.kr)
	if !res.Backup.Current {
		t.Fatalf("it can be read again: %+v", res.Backup)
	}
	active := res.Keys[0].ID
	delete(b.src.keys, active)
	delete(b.kept.stored, "default") // as somebody does who wants a new one
	if res, _ = b.m.Ensure(t.Context(), b.kr); res.Backup != nil && (res.Backup.Current || !strings.Contains(res.Backup.Message, active[:16])) {
		t.Errorf("the key that is sealed to is gone: %+v", res.Backup)
	}
}

// TestAKeyThatWasJustDestroyedIsNamed has the oldest key of all go last: a copy in Git still has it inside, and would not be replaced by a backup that says nothing of it.
func TestAKeyThatWasJustDestroyedIsNamed(t *testing.T) {
	b := newGlassBench(t, seal.Classical)
	var ids []string
	for i := range 130 {
		ids = append(ids, b.old(keyring.Deactivated, time.Duration(1000-i)*time.Hour))
	}
	end := func(id string, at time.Time, leaked bool) {
		b.src.change(id, func(k *keyring.Key) {
			*k = keyring.Key{Keyring: k.Keyring, ID: k.ID, Recipient: k.Recipient, State: keyring.Destroyed, Created: k.Created, Since: at, WasCompromised: leaked}
		})
	}
	for i, id := range ids[1:] {
		end(id, noon.Add(-time.Hour).Add(time.Duration(i)*time.Second), i == 0)
	}
	b.mustEnsure(b.kr) // has the first one inside
	end(ids[0], noon, false)
	b.mustEnsure(b.kr)
	backup, _ := b.open()
	named := func(id string) bool {
		return slices.ContainsFunc(backup.Keys, func(k statement.BackupKey) bool { return k.Recipient.KeyID() == id })
	}
	if !named(ids[0]) || !named(ids[129]) || named(ids[2]) {
		t.Errorf("named: the one that went last %t, the one before it %t, one that went long ago %t", named(ids[0]), named(ids[129]), named(ids[2]))
	}
	if !named(ids[1]) {
		t.Error("what others could open with a key is forgotten")
	}
}

func TestManyDestroyedKeysDoNotFillABackup(t *testing.T) {
	b := newGlassBench(t, seal.Classical)
	var ids []string
	for i := range 300 {
		ids = append(ids, b.old(keyring.Deactivated, time.Duration(1000-i)*time.Hour))
	}
	inside := ids[290:]
	gone := func(ids []string) {
		for _, id := range ids {
			b.src.change(id, func(k *keyring.Key) {
				*k = keyring.Key{Keyring: k.Keyring, ID: k.ID, Recipient: k.Recipient, State: keyring.Destroyed, Created: k.Created}
			})
		}
	}
	gone(ids[:200])
	if res := b.mustEnsure(b.kr); !res.Backup.Current {
		t.Fatalf("%+v", res.Backup)
	}
	gone(ids[200:290]) // at once: more than a backup goes on to name
	res := b.mustEnsure(b.kr)
	if !res.Backup.Current {
		t.Fatalf("%+v", res.Backup)
	}
	backup, contents := b.open()
	if len(backup.Keys) != 64+10+1 || len(contents.Identities()) != 11 || backup.Keys[0].Recipient.KeyID() != ids[290-64] || backup.Keys[64].Recipient.KeyID() != inside[0] {
		t.Errorf("%d keys, %d of them inside", len(backup.Keys), len(contents.Identities()))
	}
	saved := b.kept.saved
	if res := b.mustEnsure(b.kr); !res.Backup.Current || b.kept.saved != saved {
		t.Errorf("it is made anew each time: %+v", res.Backup)
	}
}
