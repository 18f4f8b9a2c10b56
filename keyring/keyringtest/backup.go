package keyringtest

import (
	"context"
	"errors"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// shelf is a fake place for one backup, and for one request to restore it.
type shelf struct {
	backup []byte
	asked  *keyring.Restore
	why    string
}

func (s *shelf) Backup(context.Context, string) ([]byte, string, error) {
	return s.backup, string(s.backup), nil
}

func (s *shelf) SaveBackup(_ context.Context, _ string, signed []byte, version string) error {
	if version != string(s.backup) {
		return keyring.ErrConflict
	}
	s.backup = append([]byte(nil), signed...)
	return nil
}

func (s *shelf) Restore(context.Context, string) (*keyring.Restore, error) { return s.asked, nil }

func (s *shelf) RefuseRestore(_ context.Context, _ *keyring.Restore, why string) error {
	s.why = why
	return nil
}

func (s *shelf) FinishRestore(context.Context, *keyring.Restore) error {
	s.asked = nil
	return nil
}

// glass is a break-glass key.
func (b *bench) glass() seal.Identity {
	b.t.Helper()
	text := ""
	if b.Class == seal.Classical {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			b.t.Fatal(err)
		}
		text = id.String()
	} else {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			b.t.Fatal(err)
		}
		text = id.String()
	}
	id, err := seal.ParseIdentity(text)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// restored takes a backup of a keyring with keys in several states, empties the place, and takes the keys from the backup, through an end of the controller at each write.
func restored(b *bench) {
	t := b.t
	s, glass := &shelf{}, b.glass()
	kr := b.keyring(first)
	kr.Spec.BreakGlass = &v1alpha1.BreakGlass{Recipients: []string{glass.Recipient()}}
	ensure := func(wrap func(keyring.Source) keyring.Source) (*controller, keyring.Result, error) {
		c := &controller{b: b, live: &keyring.Live{}}
		src := b.Source(first)
		if wrap != nil {
			src = wrap(src)
		}
		c.manager = keyring.NewManager(keyring.Config{Source: opener(map[string]keyring.Source{first: src}), Audit: b.log, Now: now, Rand: rand(), Live: c.live, Backups: s, Restores: s})
		res, err := c.manager.Ensure(t.Context(), kr)
		b.texts = append(b.texts, res.Message)
		for _, d := range res.Done {
			b.texts = append(b.texts, d.Message)
		}
		b.says(err)
		return c, res, err
	}
	deactivated, compromised := b.made(b.Source(first), keyring.Deactivated), b.made(b.Source(first), keyring.Compromised)
	_, before, err := ensure(nil)
	if err != nil || !before.Ready || before.Backup == nil {
		t.Fatalf("%+v, %v", before, err)
	}
	backup, err := statement.OpenBackup(s.backup, before.StatementKey)
	if err != nil || len(backup.Keys) != 3 {
		t.Fatalf("%d keys, %v; %+v", len(backup.Keys), err, before.Backup)
	}
	if len(backup.Age) == 0 {
		if before.Backup.Reason != keyring.ReasonKeysElsewhere || before.Backup.Current {
			t.Errorf("keys that cannot leave: %+v", before.Backup)
		}
		return
	}
	contents, err := backup.Unlock(seal.NewIdentities(glass))
	if err != nil || !before.Backup.Current {
		t.Fatalf("%+v, %v", before.Backup, err)
	}
	for _, private := range append(contents.Identities(), contents.Signer()) {
		if strings.Contains(string(s.backup), private) {
			t.Error("a private key is in the clear")
		}
	}
	for _, k := range before.Keys {
		b.RemoveKey(first, k.ID)
	}
	b.RemoveStatement(first)
	s.asked = &keyring.Restore{Keyring: first, Backup: s.backup, Contents: keyring.NewPrivate(contents.Text(backup)), Request: "1", Where: "a request", Version: "1"}
	for write := 1; ; write++ {
		end := &stopping{at: write, after: write%2 == 0}
		if _, _, err = ensure(end.wrapMover); err == nil {
			break
		}
		if !errors.Is(err, errEnd) || write > 20 {
			t.Fatal(err)
		}
	}
	c, res, err := ensure(nil)
	if err != nil || !res.Ready || res.StatementKey != before.StatementKey || len(res.Keys) != 4 || s.asked != nil || s.why != "" || !res.Backup.Current {
		t.Fatalf("%+v, %v, refused: %q", res, err, s.why)
	}
	for _, k := range before.Keys {
		want := keyring.Deactivated
		if k.ID == compromised.ID {
			want = keyring.Compromised
		}
		if now := b.key(b.Source(first), k.ID); now.State != want || !c.opens(k.ID) || !now.Created.Equal(k.Created.Time) {
			t.Errorf("%v", now)
		}
	}
	if !c.opens(deactivated.ID) || strings.HasPrefix(before.Keys[0].ID, res.ActiveKey) {
		t.Errorf("sealed to %s", res.ActiveKey)
	}
	old, err1 := statement.OpenRecipients([]byte(before.Note), before.StatementKey)
	set, err2 := statement.OpenRecipients([]byte(res.Note), before.StatementKey)
	if err := errors.Join(err1, err2); err != nil || set.Set != old.Set+1 {
		t.Errorf("set %d after %d: %v", set.Set, old.Set, err)
	}
}

// wrapMover is wrap for a source whose keys can be moved.
func (s *stopping) wrapMover(src keyring.Source) keyring.Source {
	m, ok := src.(keyring.Mover)
	if !ok {
		return s.wrap(src)
	}
	return &stoppingMover{m, stoppingSource{m, s}}
}

// stoppingMover ends at each write of a Mover.
type stoppingMover struct {
	keyring.Mover
	ends stoppingSource
}

func (s *stoppingMover) Create(ctx context.Context, name string, class seal.Class) (string, error) {
	return s.ends.Create(ctx, name, class)
}

func (s *stoppingMover) SetState(ctx context.Context, k keyring.Stored, to keyring.State, at time.Time) error {
	return s.ends.SetState(ctx, k, to, at)
}

func (s *stoppingMover) CreateStatement(ctx context.Context, name string) error {
	return s.ends.CreateStatement(ctx, name)
}

func (s *stoppingMover) SaveStatement(ctx context.Context, st *keyring.Statement) error {
	return s.ends.SaveStatement(ctx, st)
}

func (s *stoppingMover) Import(ctx context.Context, k keyring.Key, private keyring.Private) error {
	return s.ends.write(func() error { return s.Mover.Import(ctx, k, private) })
}

func (s *stoppingMover) ImportStatement(ctx context.Context, st *keyring.Statement, private keyring.Private) error {
	return s.ends.write(func() error { return s.Mover.ImportStatement(ctx, st, private) })
}
