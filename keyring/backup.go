package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// Backups keeps the newest backup of each keyring in a place where people can fetch it. What is in it is public, but for what only break glass opens.
type Backups interface {
	// Backup gives what is stored, nil where nothing is, and its version.
	Backup(ctx context.Context, keyring string) (signed []byte, version string, err error)
	// SaveBackup stores a backup in the place of the one of that version; ErrConflict if another one is there by now.
	SaveBackup(ctx context.Context, keyring string, signed []byte, version string) error
}

// Reasons of a Backed.
const (
	ReasonBackedUp         = "BackedUp"         // all that can be in a backup is in it
	ReasonKeysElsewhere    = "KeysElsewhere"    // private keys are missing in it, because they cannot leave the place where they are kept
	ReasonNoBreakGlass     = "NoBreakGlass"     // there is nobody to encrypt it to
	ReasonBackupHasMore    = "BackupHasMore"    // it has keys that the source has lost, and stays as it is
	ReasonBackupIncomplete = "BackupIncomplete" // keys that should be in it cannot be read
	ReasonBackupFailed     = "BackupFailed"     // it is tried again
	ReasonBackupNotWanted  = "BackupNotWanted"  // keys are on their way from one place to another
)

// Backed is how the backup of a keyring does.
type Backed struct {
	// Current says that it has all keys that can be in one. Reason is one of the constants; Message is for people.
	Current         bool
	Reason, Message string
}

// backUp makes a backup anew if keys, their states, the recipient set or break glass have changed since the last one; nil where nobody keeps backups, or where the source was
// not read. That none can be made is no fault of the keys.
func (r *run) backUp(ctx context.Context) *Backed {
	if r.m.cfg.Backups == nil || !r.inv.complete() || r.inv.statement == nil || r.inv.situation().behind() {
		return nil
	}
	if r.asked != nil || (r.move != nil && r.move.inv.side().Left() != "") {
		return &Backed{Reason: ReasonBackupNotWanted, Message: "keys are on their way: the backup is made when all are where they belong"}
	}
	glass, _ := BreakGlassOf(&r.kr.Spec)
	if len(glass) == 0 {
		return &Backed{Reason: ReasonNoBreakGlass, Message: "there is no backup of the keys: it would be encrypted to spec.breakGlass.recipients, and there are none"}
	}
	stored, version, err := r.m.cfg.Backups.Backup(ctx, r.kr.Name)
	if err != nil {
		return failedBackup(fmt.Errorf("reading the backup: %w", err))
	}
	b := r.backupHead(glass)
	if lost := onlyStored(stored, b); len(lost) > 0 {
		return &Backed{Reason: ReasonBackupHasMore, Message: "the backup has the private halves of keys " + displays(lost) + ", and the source does not: it is not replaced by one without them. " +
			"Bring them back with `seal keys restore`; if they are not needed, keep a copy of the backup (`seal keys backup`) and delete the ConfigMap that it is in"}
	}
	b.Keys = withoutLongGone(b.Keys)
	if !isCurrent(stored, b) {
		if err := r.saveBackup(ctx, b, version); err != nil {
			return failedBackup(err)
		}
	}
	return r.incomplete(b)
}

// incomplete is backed, unless a key that should be in b is not: one that cannot be read, or that is sealed to and is not there.
func (r *run) incomplete(b statement.Backup) *Backed {
	var without []string
	if r.inv.set != nil {
		for _, to := range r.inv.set.Recipients {
			if !slices.ContainsFunc(b.Keys, func(k statement.BackupKey) bool {
				return k.Private != statement.Gone && k.Recipient.String() == to.String()
			}) {
				without = append(without, to.KeyID())
			}
		}
	}
	said := backed(b)
	switch {
	case !said.Current:
	case len(r.inv.faults) > 0:
		said = &Backed{Reason: ReasonBackupIncomplete, Message: "the backup is without what cannot be read: " + describe(r.inv.faults)}
	case len(without) > 0:
		said = &Backed{Reason: ReasonBackupIncomplete, Message: "the backup is without keys " + displays(without) + ", which are sealed to: they are not there"}
	}
	return said
}

func failedBackup(err error) *Backed {
	return &Backed{Reason: ReasonBackupFailed, Message: "the backup of the keys could not be made: " + err.Error()}
}

// backed says what a backup that was made has in it.
func backed(b statement.Backup) *Backed {
	var glass, elsewhere []string
	inside := 0
	for _, r := range b.BreakGlass {
		glass = append(glass, r.KeyID())
	}
	for _, k := range b.Keys {
		switch k.Private {
		case statement.Inside:
			inside++
		case statement.Elsewhere:
			elsewhere = append(elsewhere, k.Recipient.KeyID())
		}
	}
	if len(elsewhere) > 0 {
		return &Backed{Reason: ReasonKeysElsewhere, Message: fmt.Sprintf("the private halves of keys %s cannot leave the place where they are kept, and are in no backup: back that place up. Without it, break glass opens (keys %s)", displays(elsewhere), displays(glass))}
	}
	what := fmt.Sprintf("the backup has all %d private keys", inside)
	if inside == 1 {
		what = "the backup has the private key"
	}
	return &Backed{Current: true, Reason: ReasonBackedUp, Message: what + " and the statement key; break glass opens it (keys " + displays(glass) + ")"}
}

// backupHead is what a backup says in public.
func (r *run) backupHead(glass []seal.Recipient) statement.Backup {
	st := r.inv.statement
	b := statement.Backup{Holder: r.kr.Name, At: r.m.cfg.Now(), StatementKey: st.VerifierKey, StatementPrivate: statement.Inside, Recipients: st.Note, BreakGlass: glass}
	for _, k := range slices.SortedFunc(slices.Values(r.inv.plain()), older) {
		recipient, err := seal.ParseRecipient(k.Recipient)
		if err != nil {
			continue // usable has seen to it
		}
		b.Keys = append(b.Keys, statement.BackupKey{
			Recipient: recipient, State: string(k.State), Created: k.Created, Activated: k.Activated, Since: k.Since, WasClear: k.WasClear, WasCompromised: k.WasCompromised, Private: k.whereabouts(),
		})
		// A place that keeps keys for itself keeps the statement key, too.
		if k.whereabouts() == statement.Elsewhere {
			b.StatementPrivate = statement.Elsewhere
		}
	}
	return b
}

// whereabouts of the private half, as a backup names them: what export gives is inside.
func (k Key) whereabouts() string {
	if k.State == Destroyed || k.identity == nil {
		return statement.Gone
	}
	switch k.identity.(type) {
	case *age.X25519Identity, *age.HybridIdentity:
		return statement.Inside
	}
	return statement.Elsewhere
}

// maxGone is how many destroyed keys a backup names, and how many that others knew besides. They never end; those that went last are what an older backup may still have inside.
const maxGone = 64

// withoutLongGone leaves out the destroyed keys beyond maxGone that went first.
func withoutLongGone(keys []statement.BackupKey) []statement.BackupKey {
	var gone []statement.BackupKey
	for _, k := range keys {
		if k.Private == statement.Gone {
			gone = append(gone, k)
		}
	}
	slices.SortStableFunc(gone, func(a, b statement.BackupKey) int { return wentAt(b).Compare(wentAt(a)) })
	named := map[string]bool{}
	left, leaked := maxGone, maxGone
	for _, k := range gone {
		if left > 0 {
			left--
		} else if k.WasCompromised && leaked > 0 {
			leaked--
		} else {
			continue
		}
		named[k.Recipient.KeyID()] = true
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k statement.BackupKey) bool { return k.Private == statement.Gone && !named[k.Recipient.KeyID()] })
}

// wentAt is when a key was destroyed, or, where that is not known, made.
func wentAt(k statement.BackupKey) time.Time {
	if k.Since.IsZero() {
		return k.Created
	}
	return k.Since
}

// onlyStored lists the keys that only the stored backup has inside, by whomever it is signed. now names all keys that are known.
func onlyStored(stored []byte, now statement.Backup) (lost []string) {
	old, err := statement.ReadBackup(stored)
	if err != nil {
		return nil
	}
	for _, k := range old.Keys {
		known := slices.ContainsFunc(now.Keys, func(o statement.BackupKey) bool { return o.Recipient.String() == k.Recipient.String() })
		if k.Private == statement.Inside && !known {
			lost = append(lost, k.Recipient.KeyID())
		}
	}
	return lost
}

// isCurrent says whether a stored backup says what one would say now, under the same signature.
func isCurrent(stored []byte, now statement.Backup) bool {
	old, err := statement.OpenBackup(stored, now.StatementKey)
	return err == nil && old.Says() == now.Says()
}

// saveBackup puts the private halves into b and stores it in the place of the one of that version.
func (r *run) saveBackup(ctx context.Context, b statement.Backup, version string) error {
	var inside []string
	for _, k := range b.Keys {
		if k.Private == statement.Inside {
			inside = append(inside, k.Recipient.KeyID())
		}
	}
	return r.recorded(ctx, audit.ActionKeyBackup, "Keyring", r.keys(inside...), func(ctx context.Context) ([]audit.Key, error) {
		contents, err := r.contents(ctx, b, inside)
		if err != nil {
			return nil, err
		}
		locked, err := b.Lock(contents)
		if err != nil {
			return nil, err
		}
		signed, err := locked.Sign(r.inv.statement.Signer)
		if err != nil {
			return nil, err
		}
		if err := r.m.cfg.Backups.SaveBackup(ctx, r.kr.Name, signed, version); err != nil {
			return nil, fmt.Errorf("storing it: %w", err)
		}
		return nil, r.did("KeysBackedUp", backed(b).Message, nil)
	})
}

// contents are the private halves that go into b.
func (r *run) contents(ctx context.Context, b statement.Backup, inside []string) (statement.Contents, error) {
	var identities []string
	for _, id := range inside {
		k, err := r.inv.key(id)
		if err != nil {
			return statement.Contents{}, err
		}
		private, err := k.export()
		if err != nil {
			return statement.Contents{}, err
		}
		identities = append(identities, private.Text())
	}
	if b.StatementPrivate != statement.Inside {
		return statement.NewContents("", identities), nil
	}
	src, ok := r.src.(Mover)
	if !ok {
		return statement.Contents{}, errors.New("the statement key cannot leave its source")
	}
	st := *r.inv.statement
	private, err := src.ExportStatement(ctx, &st)
	if err != nil {
		return statement.Contents{}, err
	}
	return statement.NewContents(strings.TrimSpace(private.Text()), identities), nil
}
