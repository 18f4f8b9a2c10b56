package keyring

import (
	"context"
	"fmt"
	"slices"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// Restores has what people want to be taken into keyrings from backups.
type Restores interface {
	// Restore gives what was asked for; nil: nothing was. A *Problem says that it cannot be read.
	Restore(ctx context.Context, keyring string) (*Restore, error)
	// RefuseRestore notes why it is not done, for who has asked; FinishRestore takes it away, because it is done. ErrConflict if it is not the same any more.
	RefuseRestore(ctx context.Context, r *Restore, why string) error
	FinishRestore(ctx context.Context, r *Restore) error
}

// Restore asks for the keys of a backup to be taken into a keyring.
type Restore struct {
	Keyring string
	// Backup is the signed backup, and Contents what is inside of it, which whoever asks has opened with a break-glass identity.
	Backup   []byte
	Contents Private
	// Recipients is the newest signed recipient set that is known, from the repository; may be empty.
	Recipients []byte
	// KeysOnly leaves the statement key out.
	KeysOnly bool
	// Refused is why it was not done, as noted by RefuseRestore.
	Refused string
	// Request names it for who waits for its end.
	Request string
	// Where and Version are as in Stored.
	Where, Version string
}

// The things that DecideRestore can ask for, one at a time.
const (
	DoRestoreStatement Do = "take the statement key from a backup"
	DoDropFresh        Do = "delete a statement key that nobody knows"
	DoRestoreKey       Do = "take a key from a backup"
	DoRestoreState     Do = "take from a backup that others know a key"
	DoRestoreSet       Do = "go on with the number of the recipient set"
	DoFinishRestore    Do = "prove the keys that were taken from a backup, and end that"
)

// ReasonRestoreRefused is the reason of a DoStop of DecideRestore: what is asked for is not done, and the keyring goes on without.
const ReasonRestoreRefused = "RestoreRefused"

// Restoring is what is to be taken from a backup, and what there is.
type Restoring struct {
	// Keys are as they are to be in the source.
	Keys []Key
	// Verifier is the statement key that is to be taken; empty: none.
	Verifier string
	// Floor is the highest number of a recipient set that is known under it.
	Floor uint64
	// FloorNote is that set; empty where it is not known.
	FloorNote string
	// Doomed are the ids of the keys that spec.requests has destroyed.
	Doomed []string
	// There is what the source holds, and Published the ids of the keys of its stored recipient set.
	There     Side
	Published []string
	// Fresh says that There's statement key is one that nobody can know: it has published one set at the most, and no use of its keys is known.
	Fresh bool
	// Others are keyrings that have a key, by its id.
	Others map[string]string
	// Moving says that spec.moveFrom is set.
	Moving bool
}

// DecideRestore says what is left to do. Done again and again on what the source then holds, it ends in DoFinishRestore or DoStop, from wherever a crash has left it. What is in
// the source stays as it is, but for a key that the backup says others know.
//
//	statement key ──> each key ──> the set's number ──> prove the keys, end
//
// The statement key comes first, so that no other is made for keys that have one.
func DecideRestore(s Restoring) Next {
	switch {
	case s.doomed() != "":
		return stop(ReasonRestoreRefused, "spec.requests asks for key %s to be destroyed, which the backup has: take that request out of the Keyring first. Nothing may need the key before Git is applied", display(s.doomed()))
	case s.Moving:
		return stop(ReasonRestoreRefused, "the keyring's keys are being moved: take spec.moveFrom out first (seal keys move --finish)")
	case s.shared() != "":
		return stop(ReasonRestoreRefused, "key %s is in keyring %s of this cluster, and a key belongs to one keyring: it would not be plain whose namespaces and whose state count for it", display(s.shared()), s.Others[s.shared()])
	case s.Verifier != "" && s.There.Statement == "":
		return Next{Do: DoRestoreStatement}
	case s.Verifier != "" && s.There.Verifier != s.Verifier && s.Fresh:
		return Next{Do: DoDropFresh}
	case s.Verifier != "" && s.There.Verifier != s.Verifier:
		return stop(ReasonRestoreRefused, "the keyring has another statement key (%s) than the backup (%s), and has published under it: `seal keys restore --keys-only` takes the keys alone, and everyone "+
			"pins the present one; to go back to the old one, delete this Keyring and %s first", s.There.Verifier, s.Verifier, s.There.Statement)
	}
	for _, k := range slices.SortedFunc(slices.Values(s.Keys), older) {
		if next := s.key(k); next.Do != DoNothing {
			return next
		}
	}
	if s.There.Statement != "" && len(s.There.Keys) > 0 && (s.lost() || s.There.Verifier == s.Verifier && s.passed()) {
		return Next{Do: DoRestoreSet, Key: s.heir()}
	}
	return Next{Do: DoFinishRestore}
}

func (s Restoring) key(k Key) Next {
	for _, f := range s.There.Faults {
		if f.KeyID != "" && display(f.KeyID) == k.Display() {
			return stop(ReasonRestoreRefused, "key %s cannot be restored: %s: mend it or delete it", k.Display(), f.Error())
		}
	}
	there, ok := s.There.key(k.ID)
	switch {
	case !ok:
		return Next{Do: DoRestoreKey, Key: k.ID}
	case k.learned(there):
		return Next{Do: DoRestoreState, Key: k.ID}
	}
	return Next{Do: DoNothing}
}

// shared is the id of a key that is not here, and that another keyring has; empty: there is none.
func (s Restoring) shared() string {
	for _, k := range slices.SortedFunc(slices.Values(s.Keys), older) {
		if _, there := s.There.key(k.ID); !there && s.Others[k.ID] != "" {
			return k.ID
		}
	}
	return ""
}

// lost says that a key of the published set is nowhere.
func (s Restoring) lost() bool {
	return slices.ContainsFunc(s.Published, func(id string) bool { _, ok := s.There.key(id); return !ok })
}

// doomed is a key that would come back to be destroyed at once; empty: there is none.
func (s Restoring) doomed() string {
	for _, k := range slices.SortedFunc(slices.Values(s.Keys), older) {
		if _, there := s.There.key(k.ID); !there && k.State != Destroyed && slices.Contains(s.Doomed, k.ID) {
			return k.ID
		}
	}
	return ""
}

// passed says that the number of There's set is too low, or was given to another set, too.
func (s Restoring) passed() bool {
	return s.There.Set < s.Floor || s.There.Set == s.Floor && s.FloorNote != "" && s.FloorNote != s.There.Note
}

// heir is the key whose set has the next number: the active one, else the newest. Where it is not active, the set is not published; the next one is.
func (s Restoring) heir() string {
	if active := inState(s.There.Keys, Active); len(active) == 1 {
		return active[0]
	}
	return slices.MaxFunc(s.There.Keys, older).ID
}

// asked is a Restore that was read and held against the keyring.
type asked struct {
	*Restore
	backup   statement.Backup
	contents statement.Contents
	keys     []Key // as they are to be
	// floor is the highest number of a recipient set that is known, and note that set.
	floor uint64
	note  string
}

// knows takes a recipient set into account that was published. Where two have one number, that and the next are passed over.
func (a *asked) knows(set uint64, note string) {
	switch {
	case set > a.floor:
		a.floor, a.note = set, note
	case set == a.floor && note != a.note:
		a.floor, a.note = set+1, ""
	}
}

// checked reads a request. That the backup is one that people trust was checked by whoever asked, who knows the pinned statement key; here all of it has to belong together, and
// to fit the keyring. The error is for people.
func (r *run) checked(q *Restore) (*asked, error) {
	claimed, err := statement.ReadBackup(q.Backup)
	if err != nil {
		return nil, err
	}
	a := &asked{Restore: q}
	if a.backup, err = statement.OpenBackup(q.Backup, claimed.StatementKey); err != nil {
		return nil, err
	}
	if a.contents, err = statement.ParseContents(a.backup, q.Contents.Text()); err != nil {
		return nil, err
	}
	if a.backup.Holder != r.kr.Name && !q.KeysOnly {
		return nil, fmt.Errorf("the backup is of keyring %s; only its keys can be taken into another one (seal keys restore --keys-only)", a.backup.Holder)
	}
	set, err := a.backup.Set()
	if err != nil {
		return nil, err
	}
	if set != nil {
		a.knows(set.Set, string(a.backup.Recipients))
	}
	if len(q.Recipients) > 0 {
		newest, err := statement.OpenRecipients(q.Recipients, a.backup.StatementKey)
		if err != nil {
			return nil, fmt.Errorf("the newest recipient set: %w", err)
		}
		a.knows(newest.Set, string(q.Recipients))
	}
	// The source may be older than the status.
	if shown, err := statement.OpenRecipients([]byte(r.kr.Status.Recipients), a.backup.StatementKey); err == nil && shown.Holder == r.kr.Name {
		a.knows(shown.Set, r.kr.Status.Recipients)
	}
	a.keys, err = r.restorable(a)
	return a, err
}

// restorable are the keys of a backup as they are to be in the source: none is sealed to, or held back, for having been before.
func (r *run) restorable(a *asked) ([]Key, error) {
	identities := a.contents.Identities()
	var keys []Key
	for _, k := range a.backup.Keys {
		if k.Recipient.Class() != r.class() {
			return nil, fmt.Errorf("key %s of the backup is of class %s, and the keyring of class %s", display(k.Recipient.KeyID()), k.Recipient.Class(), r.class())
		}
		state := State(k.State)
		if !state.Known() {
			return nil, fmt.Errorf("key %s of the backup has no state that is known", display(k.Recipient.KeyID()))
		}
		key := Key{Keyring: r.kr.Name, ID: k.Recipient.KeyID(), Recipient: k.Recipient.String(), State: Destroyed, Created: k.Created, Activated: k.Activated, Since: k.Since, WasClear: k.WasClear, WasCompromised: k.WasCompromised}
		switch k.Private {
		case statement.Elsewhere:
			continue
		case statement.Inside:
			id, err := seal.ParseIdentity(identities[0])
			if err != nil {
				return nil, err
			}
			identities = identities[1:]
			to := state
			if state != Compromised {
				to = Deactivated
			}
			// The time of destroyAfter begins now: nothing needs the key before Git is applied.
			since := r.m.cfg.Now()
			if to == Compromised {
				since = k.Since
			}
			key = NewKey(r.kr.Name, id, to, k.Created, k.Activated)
			// What asks for a restore lies in a Secret as it is.
			key.Since, key.WasClear = since, k.WasClear || !r.kr.Spec.Source.Clear()
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// doomed are the ids of the keys that requests have destroyed.
func doomed(requests []v1alpha1.KeyRequest) (ids []string) {
	for _, q := range requests {
		if q.Do == v1alpha1.RequestDestroy {
			ids = append(ids, q.Key)
		}
	}
	return ids
}
