package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// stepsPerRestore is how many steps a restore takes besides those for its keys, without conflicts.
const stepsPerRestore = 8

// askRestore looks whether somebody wants keys to be taken from a backup. It is asked once in a run.
func (r *run) askRestore(ctx context.Context) error {
	if r.m.cfg.Restores == nil || r.src == nil {
		return nil
	}
	q, err := r.m.cfg.Restores.Restore(ctx, r.kr.Name)
	if problem := (*Problem)(nil); errors.As(err, &problem) {
		r.refused = problem.Error()
		return nil
	}
	if err != nil {
		return &refusal{ReasonKeySourceUnavailable, false, fmt.Errorf("looking for keys to restore: %w", err)}
	}
	if q == nil {
		return nil
	}
	a, err := r.checked(q)
	if err != nil {
		r.refused = q.Where + ": " + err.Error()
		return r.noteRefusal(ctx, q)
	}
	if _, ok := r.src.(Mover); !ok {
		r.refused = "keys cannot be brought into this source"
		return r.noteRefusal(ctx, q)
	}
	r.asked = a
	return nil
}

// restoreSteps is how many steps a restore takes at the most, without conflicts.
func (r *run) restoreSteps() int {
	if r.asked == nil {
		return 0
	}
	return stepsPerRestore + 2*len(r.asked.keys)
}

// next asks for what a restore needs first, and then decide.
func (r *run) next(ctx context.Context) (Next, error) {
	next, err := r.decideRestore(ctx)
	if err == nil && next.Do == DoNothing {
		next = r.decide()
	}
	return next, err
}

// decideRestore asks DecideRestore, where a restore is asked for and was not refused.
func (r *run) decideRestore(ctx context.Context) (Next, error) {
	if r.asked == nil {
		return Next{Do: DoNothing}, nil
	}
	if from := r.asked.backup.Holder; from != r.kr.Name && r.m.unread(from) {
		// This keyring's own work goes on meanwhile: the other's source may be what was lost.
		r.waits, r.asked = fmt.Sprintf("keyring %s was not read yet, and may have the keys that are to be restored into this one; it is tried again", from), nil
		return Next{Do: DoNothing}, nil
	}
	s := Restoring{Keys: r.asked.keys, Floor: r.asked.floor, There: r.inv.side(), Published: r.inv.situation().Published, Others: r.m.others(r.kr.Name), Moving: r.move != nil}
	if !r.asked.KeysOnly && r.asked.backup.StatementPrivate == statement.Inside {
		s.Verifier = r.asked.backup.StatementKey
	}
	if s.Verifier != "" && s.There.Statement != "" && s.There.Verifier != s.Verifier {
		fresh, err := r.fresh(ctx)
		if err != nil {
			return Next{}, err
		}
		s.Fresh = fresh
	}
	s.FloorNote, s.Doomed = r.asked.note, doomed(r.kr.Spec.Requests)
	next := DecideRestore(s)
	if next.Do != DoStop {
		return next, nil
	}
	r.refused = next.Message
	q := r.asked.Restore
	r.asked = nil
	return Next{Do: DoNothing}, r.noteRefusal(ctx, q)
}

// fresh says that the keyring's present statement key can be given up without anybody having counted on it. Nothing that was sealed is lost by it in any case: the keys stay.
func (r *run) fresh(ctx context.Context) (bool, error) {
	if r.inv.set != nil && r.inv.set.Set > 1 {
		return false, nil
	}
	if r.m.cfg.Uses == nil {
		return true, nil
	}
	uses, err := r.m.cfg.Uses(ctx, r.kr.Name)
	if err != nil {
		return false, &refusal{ReasonKeySourceUnavailable, false, fmt.Errorf("asking who needs the keys that there are, before others are restored: %w", err)}
	}
	for _, k := range r.inv.keys {
		if u := uses.Keys[k.ID]; u.Objects > 0 || u.Gone > 0 || len(u.Git) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// noteRefusal tells who has asked, once.
func (r *run) noteRefusal(ctx context.Context, q *Restore) error {
	if q.Refused == r.refused {
		return nil
	}
	if err := r.m.cfg.Restores.RefuseRestore(ctx, q, r.refused); err != nil && !errors.Is(err, ErrConflict) {
		return &refusal{ReasonKeySourceUnavailable, false, fmt.Errorf("noting that keys are not restored: %w", err)}
	}
	return nil
}

// restoreStep does one step of a restore. What a person has to mend refuses the restore and not the keyring.
func (r *run) restoreStep(ctx context.Context, next Next) error {
	kind, keys := "StatementKey", []audit.Key(nil)
	if next.Do == DoRestoreKey || next.Do == DoRestoreState {
		kind, keys = "Keyring", r.keys(next.Key)
	}
	if next.Do == DoFinishRestore {
		kind, keys = "Keyring", r.keys(ids(r.asked.keys)...)
	}
	err := r.recorded(ctx, audit.ActionKeyRestore, kind, keys, func(ctx context.Context) ([]audit.Key, error) {
		switch next.Do {
		case DoRestoreStatement:
			return nil, r.restoreStatement(ctx)
		case DoDropFresh:
			return nil, r.dropFresh(ctx)
		case DoRestoreKey:
			return nil, r.restoreKey(ctx, next.Key)
		case DoRestoreState:
			return nil, r.restoreState(ctx, next.Key)
		case DoRestoreSet:
			return nil, r.restoreSet(ctx, next.Key)
		case DoFinishRestore:
			return nil, r.finishRestore(ctx)
		}
		return nil, fmt.Errorf("a restore cannot %s", next.Do)
	})
	if problem := (*Problem)(nil); errors.As(err, &problem) {
		q := r.asked.Restore
		r.asked, r.refused = nil, problem.Error()
		return r.noteRefusal(ctx, q)
	}
	return err
}

// Restored is what has become of a request to take keys from a backup.
type Restored struct {
	// Done says that all was taken; Refused that somebody has to change something. Otherwise it goes on by itself.
	Done, Refused bool
	Message       string
}

// restored is what a Result says of a restore; nil where none was asked for.
func (r *run) restored(err error) *Restored {
	switch {
	case r.refused != "":
		return &Restored{Refused: true, Message: bounded("keys are not taken from the backup: " + r.refused)}
	case r.waits != "":
		return &Restored{Message: bounded("keys are not taken from the backup yet: " + r.waits)}
	case r.restoredAll != "":
		return &Restored{Done: true, Message: r.restoredAll}
	case r.asked != nil:
		return &Restored{Message: bounded("keys are being taken from the backup of " + r.asked.made() + ": " + errorText(err))}
	}
	return nil
}

// restores is an error of a source as a restore gives it: what a person has to mend stays a *Problem.
func restores(err error) error {
	if problem := (*Problem)(nil); err == nil || errors.Is(err, ErrConflict) || errors.As(err, &problem) {
		return err
	}
	return unavailable(err)
}

func (r *run) restoreStatement(ctx context.Context) error {
	st := &Statement{Keyring: r.kr.Name, VerifierKey: r.asked.backup.StatementKey, Note: r.asked.backup.Recipients}
	err := r.src.(Mover).ImportStatement(ctx, st, NewPrivate(r.asked.contents.Signer()))
	return r.did("StatementKeyRestored", "took the statement key from the backup of "+r.asked.made(), restores(err))
}

// made says of when a backup is.
func (a *asked) made() string { return a.backup.At.UTC().Format("2006-01-02 15:04:05 UTC") }

func (r *run) dropFresh(ctx context.Context) error {
	st := *r.inv.statement
	err := restores(r.src.(Mover).RemoveStatement(ctx, &st))
	if problem := (*Problem)(nil); errors.As(err, &problem) {
		return &Problem{Where: st.Where, Msg: "is a new statement key that has to make room for that of the backup, and cannot be deleted: give the controller the right to for as long as this takes (Vault: the policy kv-remove.hcl), " +
			"or take the keys alone (seal keys restore --keys-only)"}
	}
	return r.did("StatementKeyDropped", "deleted the statement key "+st.VerifierKey+", which nobody can have counted on: that of the backup takes its place", err)
}

// wanted is a key of the backup.
func (a *asked) wanted(id string) Key {
	return a.keys[slices.IndexFunc(a.keys, func(k Key) bool { return k.ID == id })]
}

func (r *run) restoreKey(ctx context.Context, id string) error {
	k := r.asked.wanted(id)
	if k.State == Destroyed {
		return r.did("KeyRestored", "took from the backup that key "+k.Display()+" is destroyed", restores(r.src.(Mover).Import(ctx, k, Private{})))
	}
	if err := Probe(k, r.m.cfg.Now, r.m.cfg.Rand); err != nil {
		return &Problem{Where: r.asked.Where, Msg: err.Error(), KeyID: k.ID}
	}
	private, err := k.export()
	if err != nil {
		return err
	}
	return r.did("KeyRestored", fmt.Sprintf("took key %s from the backup of %s: it is %s", k.Display(), r.asked.made(), k.State), restores(r.src.(Mover).Import(ctx, k, private)))
}

func (r *run) restoreState(ctx context.Context, id string) error {
	there, err := r.inv.key(id)
	if err != nil {
		return err
	}
	return r.did("KeyCompromised", "key "+there.Display()+" is Compromised, as the backup of "+r.asked.made()+" says", restores(r.src.SetState(ctx, there, Compromised, r.m.cfg.Now())))
}

// restoreSet stores a set whose number is above all that are known, so that the next one is above that.
func (r *run) restoreSet(ctx context.Context, id string) error {
	k, err := r.inv.key(id)
	if err != nil {
		return err
	}
	recipient, err := seal.ParseRecipient(k.Recipient)
	if err != nil {
		return err
	}
	st := *r.inv.statement
	set := statement.Recipients{Holder: r.kr.Name, At: r.m.cfg.Now(), Recipients: []seal.Recipient{recipient}}
	if st.VerifierKey == r.asked.backup.StatementKey {
		set.Set = r.asked.floor
	}
	if r.inv.set != nil {
		set.Set = max(set.Set, r.inv.set.Set)
	}
	set.Set++
	st.Claim = ""
	if st.Note, err = set.Sign(st.Signer); err != nil {
		return err
	}
	return r.did("RecipientsPassedOver", fmt.Sprintf("recipient sets up to number %d are passed over: they were published before", set.Set), restores(r.src.SaveStatement(ctx, &st)))
}

// finishRestore proves all keys as the source has them, and takes the request away. A key that is destroyed here stays so: what is left of it says that it was wanted.
func (r *run) finishRestore(ctx context.Context) error {
	opens := 0
	var dead []string
	for _, wanted := range r.asked.keys {
		k, err := r.inv.key(wanted.ID)
		if err != nil {
			return err
		}
		if wanted.State != Destroyed && k.State == Destroyed {
			dead = append(dead, k.Display()+" ("+k.Where+")")
		}
		if wanted.State == Destroyed || !k.State.Opens() {
			continue
		}
		if err := Probe(k.Key, r.m.cfg.Now, r.m.cfg.Rand); err != nil {
			return &Problem{Where: k.Where, Msg: err.Error(), KeyID: k.ID}
		}
		opens++
	}
	err := restores(r.m.cfg.Restores.FinishRestore(ctx, r.asked.Restore))
	if err == nil {
		text := fmt.Sprintf("all %d keys of the backup of %s are there and were proved", opens, r.asked.made())
		if len(dead) > 0 {
			text = fmt.Sprintf("%d keys of the backup of %s are there and were proved; without keys %s: they are destroyed here, and stay so. To have one back, delete what is left of it, and restore again",
				opens, r.asked.made(), strings.Join(dead, ", "))
		}
		r.restoredAll = bounded(text) + " (request " + r.asked.Request + ")"
		r.asked = nil
		return r.did("KeysRestored", text, nil)
	}
	return err
}
