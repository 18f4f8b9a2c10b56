package keyring

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// moveStep does one step of a move.
func (r *run) moveStep(ctx context.Context, next Next) error {
	switch next.Do {
	case DoCopyStatement:
		return r.recorded(ctx, audit.ActionKeyMove, "StatementKey", nil, func(ctx context.Context) ([]audit.Key, error) { return nil, r.copyStatement(ctx) })
	case DoCopySet:
		return r.recorded(ctx, audit.ActionKeyMove, "StatementKey", nil, func(ctx context.Context) ([]audit.Key, error) { return nil, r.copySet(ctx) })
	case DoDropStatement:
		return r.recorded(ctx, audit.ActionKeyMove, "StatementKey", nil, func(ctx context.Context) ([]audit.Key, error) { return nil, r.dropStatement(ctx) })
	}
	return r.recorded(ctx, audit.ActionKeyMove, "Keyring", r.keys(next.Key), func(ctx context.Context) ([]audit.Key, error) {
		k, err := r.move.inv.key(next.Key)
		if err != nil {
			return nil, err
		}
		switch next.Do {
		case DoCopyKey:
			return nil, r.copyKey(ctx, k)
		case DoCopyState:
			return nil, r.copyState(ctx, k)
		case DoMarkKey:
			return nil, r.markKey(ctx, k)
		case DoDropKey:
			return nil, r.dropKey(ctx, k)
		}
		return nil, fmt.Errorf("a move cannot %s", next.Do)
	})
}

func (r *run) copyStatement(ctx context.Context) error {
	st := *r.move.inv.statement
	private, err := r.move.src.ExportStatement(ctx, &st)
	if err != nil {
		return moveError(err)
	}
	st.Claim = ""
	return moveError(r.move.dest.ImportStatement(ctx, &st, private))
}

// copySet is for the one case in which a set was published in the old place after the statement key was copied.
func (r *run) copySet(ctx context.Context) error {
	st := *r.move.target.statement
	st.Note = r.move.inv.statement.Note
	return moveError(r.src.SaveStatement(ctx, &st))
}

func (r *run) copyKey(ctx context.Context, k Stored) error {
	var private Private // none of a key that is destroyed
	if k.State != Destroyed {
		var err error
		if private, err = k.export(); err != nil {
			return &refusal{ReasonMoveBlocked, true, fmt.Errorf("key %s of %s: %w", k.Display(), k.Where, err)}
		}
	}
	carried := k.Key
	carried.WasClear = k.WasClear || r.kr.Spec.MoveFrom.Clear()
	return r.did("KeyCopied", "copied key "+k.Display()+" of "+k.Where, moveError(r.move.dest.Import(ctx, carried, private)))
}

func (r *run) copyState(ctx context.Context, k Stored) error {
	copied, err := r.move.target.key(k.ID)
	if err != nil {
		return err
	}
	at := k.Since
	if k.State == Active {
		at = k.Activated
	}
	if at.IsZero() {
		at = r.m.cfg.Now()
	}
	to := k.State
	if k.learned(copied.Key) {
		to = Compromised // and then destroyed: what is left is to say so
	}
	return moveError(r.src.SetState(ctx, copied, to, at))
}

func (r *run) markKey(ctx context.Context, k Stored) error {
	copied, err := r.move.target.key(k.ID)
	if err != nil {
		return err
	}
	return moveError(r.move.dest.MarkClear(ctx, copied))
}

// dropKey deletes the original of a key whose copy, as it was read back just now, opens what is sealed to it, unless the key is destroyed.
func (r *run) dropKey(ctx context.Context, k Stored) error {
	copied, err := r.move.target.key(k.ID)
	if err != nil {
		return err
	}
	if copied.State != Destroyed {
		if err := Probe(copied.Key, r.m.cfg.Now, r.m.cfg.Rand); err != nil {
			return &refusal{ReasonProbeFailed, true, fmt.Errorf("%s: %w", copied.Where, err)}
		}
	}
	if err := r.setApart(ctx); err != nil {
		return err
	}
	if copied.Version == k.Version {
		return samePlace()
	}
	proved := "is proved"
	if copied.State == Destroyed {
		proved = "is destroyed, as is said"
	}
	return r.did("KeyMoved", fmt.Sprintf("key %s %s in %s, and deleted in %s", k.Display(), proved, copied.Where, k.Where), moveError(r.move.src.Remove(ctx, k)))
}

func (r *run) dropStatement(ctx context.Context) error {
	if err := r.setApart(ctx); err != nil {
		return err
	}
	if err := r.proveStatement(ctx); err != nil {
		return err
	}
	st, err := r.move.src.LoadStatement(ctx, r.kr.Name)
	if err != nil || st == nil {
		return moveError(err)
	}
	// The set may have gone on since it was decided that this record is not needed any more.
	if string(st.Note) != string(r.move.inv.statement.Note) {
		return ErrConflict
	}
	return r.did("StatementKeyMoved", "the statement key is in "+r.move.target.statement.Where+", and deleted in "+st.Where+": nothing is left in spec.moveFrom", moveError(r.move.src.RemoveStatement(ctx, st)))
}

// proveStatement reads the private half of the copy back: LoadStatement need not, where that costs a request.
func (r *run) proveStatement(ctx context.Context) error {
	st := *r.move.target.statement
	private, err := r.move.dest.ExportStatement(ctx, &st)
	if err != nil {
		return moveError(err)
	}
	signer, err := statement.NewSigner(private.Text())
	if err == nil {
		var verifier note.Verifier
		if verifier, err = statement.NewVerifier(st.VerifierKey); err == nil && (signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash()) {
			err = errors.New("another key")
		}
	}
	if err != nil {
		// Not the error, which is about a private key.
		return moveError(&Problem{Where: st.Where, Msg: "has another private half than the statement key that is to be moved: the original stays; delete the copy, and it is made anew"})
	}
	return nil
}

// setApart makes sure, before the first deletion of a run, that the two sources are not one and the same place, such as a Vault with two addresses: what is "already there"
// would be deleted as its own original. One place cannot show two claims in the record of the statement key, so the old place is given one that the new one does not have.
func (r *run) setApart(ctx context.Context) error {
	if r.move.apart {
		return nil
	}
	from, to := r.move.inv.statement, r.move.target.statement
	// A replica of a Vault may show a claim only later. No two entries of any place have one version: it has the time in it, or is the cluster's.
	if from != nil && to != nil && from.Version == to.Version {
		return samePlace()
	}
	if from != nil && to != nil && from.Claim == to.Claim {
		return r.claimApart(ctx, *from)
	}
	// The old place was read first. If it has not changed since, it has two claims at one time with the new one, or none.
	again, err := r.move.src.LoadStatement(ctx, r.kr.Name)
	if err != nil {
		return moveError(err)
	}
	if (from == nil) != (again == nil) || (from != nil && again.Version != from.Version) {
		return ErrConflict
	}
	r.move.apart = true
	return nil
}

// claimApart writes a random claim into the old place, and looks whether the new one has it then.
func (r *run) claimApart(ctx context.Context, st Statement) error {
	random := make([]byte, 16)
	if _, err := io.ReadFull(r.m.cfg.Rand, random); err != nil {
		return err
	}
	st.Claim = hex.EncodeToString(random)
	if err := r.move.src.SaveStatement(ctx, &st); err != nil {
		return moveError(err)
	}
	other, err := r.src.LoadStatement(ctx, r.kr.Name)
	switch {
	case err != nil:
		return moveError(err)
	case other == nil:
		return ErrConflict
	case other.Claim == st.Claim:
		return samePlace()
	}
	r.move.apart = true
	return nil
}

func samePlace() error {
	return blocked("it names the same place as spec.source in other words: take it out. Nothing was deleted")
}

// moveError is an error of a source as a run gives it.
func moveError(err error) error {
	if err == nil || errors.Is(err, ErrConflict) {
		return err
	}
	if problem := (*Problem)(nil); errors.As(err, &problem) {
		return &refusal{ReasonMoveBlocked, true, err}
	}
	return unavailable(err)
}
