package keyring

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/waxwing-io/waxwing/audit"
)

// stepsPerKey is how many steps the move of one key can take at the most, without conflicts.
const stepsPerKey = 3

// move is the part of a run that is about spec.moveFrom.
type move struct {
	src    Mover
	dest   Mover
	inv    *inventory // of src
	target *inventory // of the run's own source
	apart  bool       // the two are not the same place
}

// Move is what has become of spec.moveFrom.
type Move struct {
	// Done says that nothing is left in it; Message says what is.
	Done    bool
	Message string
}

// open opens the keyring's source, and the one to move from, if there is one. With an error one of them may be there all the same, and its keys open.
func (r *run) open(ctx context.Context) error {
	src, err := r.m.cfg.Source(ctx, r.kr.Name, r.kr.Spec.Source)
	switch {
	case err != nil:
		err = unavailable(err)
	case src == nil:
		err = &refusal{ReasonUnsupportedSource, true, errors.New("this controller does not have the source that spec.source names")}
	default:
		r.src = src
	}
	if merr := r.openMove(ctx); err == nil {
		err = merr
	}
	return err
}

// openMove opens the source to move from.
func (r *run) openMove(ctx context.Context) error {
	spec := r.kr.Spec.MoveFrom
	if spec == nil {
		return nil
	}
	blocked := func(why string) error { return &refusal{ReasonMoveBlocked, true, errors.New("spec.moveFrom: " + why)} }
	if why := moveRefusal(*spec, r.kr.Spec.Source); why != "" {
		return blocked(why)
	}
	src, err := r.m.cfg.Source(ctx, r.kr.Name, *spec)
	switch {
	case err != nil:
		return unavailable(fmt.Errorf("spec.moveFrom: %w", err))
	case src == nil:
		return &refusal{ReasonUnsupportedSource, true, errors.New("this controller does not have the source that spec.moveFrom names")}
	}
	r.from = src
	from, leaves := src.(Mover)
	dest, enters := r.src.(Mover)
	if r.src != nil && (!leaves || !enters) {
		return blocked("keys of these sources cannot be moved")
	}
	r.move = &move{src: from, dest: dest, inv: &inventory{}, target: &inventory{}}
	return nil
}

// glance reads what could be opened of two sources where nothing can be done about them.
func (r *run) glance(ctx context.Context) {
	found := [2]*inventory{{}, {}}
	for i, src := range []Source{r.from, r.src} {
		if src != nil {
			found[i], _ = take(ctx, src, r.kr.Name, r.class())
		}
	}
	r.inv = union(found[0], found[1])
	r.inv.partly, r.inv.keysRead = r.inv.partly || r.inv.keysRead, false
}

// moveSteps is how many steps a move takes at the most, without conflicts.
func (r *run) moveSteps() int {
	if r.move == nil {
		return 0
	}
	return stepsPerKey * len(r.move.inv.keys)
}

// take reads the source, and the one that keys are moved from. The latter comes first: a key that has left it is in the other by then.
func (r *run) take(ctx context.Context) error {
	if r.move == nil {
		inv, err := take(ctx, r.src, r.kr.Name, r.class())
		r.inv = inv
		return err
	}
	from, ferr := take(ctx, r.move.src, r.kr.Name, r.class())
	to, terr := take(ctx, r.src, r.kr.Name, r.class())
	r.move.inv, r.move.target, r.inv = from, to, union(from, to)
	if terr != nil {
		return terr
	}
	return ferr
}

// union is what a keyring has in two sources together. What both have counts as the second one has it.
func union(from, to *inventory) *inventory {
	all := &inventory{
		keysRead: from.keysRead && to.keysRead, partly: from.keysRead != to.keysRead, statementRead: from.statementRead && to.statementRead,
		keys: append([]Stored(nil), to.keys...), statement: to.statement, set: to.set,
	}
	all.faults = append(append([]Problem(nil), to.faults...), from.faults...)
	for _, k := range from.keys {
		if _, err := to.key(k.ID); err != nil {
			all.keys = append(all.keys, k)
		}
	}
	if to.statement == nil || (to.set == nil && from.set != nil) {
		all.statement, all.set = from.statement, from.set
	}
	return all
}

// side is an inventory as DecideMove sees it.
func (inv *inventory) side() Side {
	s := Side{Keys: inv.plain(), Faults: inv.faults}
	if inv.statement != nil {
		s.Statement, s.Verifier, s.Note = inv.statement.Where, inv.statement.VerifierKey, string(inv.statement.Note)
	}
	if inv.set != nil {
		s.Set = inv.set.Set
	}
	return s
}

// decide asks DecideMove, where a move is under way, and then Decide.
func (r *run) decide() Next {
	situation := r.inv.situation()
	situation.Shown = r.kr.Status.ActiveKey
	if r.move == nil {
		return Decide(situation)
	}
	if next := DecideMove(r.move.inv.side(), r.move.target.side()); next.Do != DoNothing {
		return next
	}
	next := Decide(situation)
	if next.Do == DoMakeKey && r.move.inv.side().Left() != "" {
		return stop(ReasonMoveBlocked, "no key is made while others are left in spec.moveFrom: %s", r.move.inv.side().Left())
	}
	return next
}

// moved is what a Result says of the move; nil where there is none.
func (r *run) moved(err error) *Move {
	if r.kr.Spec.MoveFrom == nil {
		return nil
	}
	if r.move == nil || !r.move.inv.complete() || !r.move.target.complete() {
		return &Move{Message: "keys are not moved: " + errorText(err)}
	}
	left := r.move.inv.side().Left()
	switch {
	case left == "":
		return &Move{Done: true, Message: "nothing is left in spec.moveFrom: take it out of the Keyring (seal keys move " + r.kr.Name + " --finish)"}
	case err != nil:
		return &Move{Message: "left in spec.moveFrom: " + left + "; " + err.Error()}
	}
	return &Move{Message: "left in spec.moveFrom: " + left}
}

func errorText(err error) string {
	if err == nil {
		return "the sources were not read"
	}
	return err.Error()
}

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
	private, err := k.export()
	if err != nil {
		return &refusal{ReasonMoveBlocked, true, fmt.Errorf("key %s of %s: %w", k.Display(), k.Where, err)}
	}
	carried := k.Key
	carried.WasClear = k.WasClear || inClear(*r.kr.Spec.MoveFrom)
	return r.did("KeyCopied", "copied key "+k.Display()+" of "+k.Where, moveError(r.move.dest.Import(ctx, carried, private)))
}

func (r *run) copyState(ctx context.Context, k Stored) error {
	copied, err := r.move.target.key(k.ID)
	if err != nil {
		return err
	}
	at := r.m.cfg.Now()
	if k.State == Active {
		at = k.Activated
	}
	return moveError(r.src.SetState(ctx, copied, k.State, at))
}

// dropKey deletes the original of a key whose copy, as it was read back just now, opens what is sealed to it.
func (r *run) dropKey(ctx context.Context, k Stored) error {
	copied, err := r.move.target.key(k.ID)
	if err != nil {
		return err
	}
	if err := Probe(copied.Key, r.m.cfg.Now, r.m.cfg.Rand); err != nil {
		return &refusal{ReasonProbeFailed, true, fmt.Errorf("%s: %w", copied.Where, err)}
	}
	if err := r.setApart(ctx); err != nil {
		return err
	}
	return r.did("KeyMoved", fmt.Sprintf("key %s is proved in %s, and deleted in %s", k.Display(), copied.Where, k.Where), moveError(r.move.src.Remove(ctx, k)))
}

func (r *run) dropStatement(ctx context.Context) error {
	if err := r.setApart(ctx); err != nil {
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
	return r.did("StatementKeyMoved", "the statement key is in "+r.move.target.statement.Where+", and deleted in "+st.Where, moveError(r.move.src.RemoveStatement(ctx, st)))
}

// setApart makes sure, before the first deletion of a run, that the two sources are not one and the same place, such as a Vault with two addresses: what is "already there"
// would be deleted as its own original. It writes a random claim into the statement's record in the old place, and looks whether the new one has it then.
func (r *run) setApart(ctx context.Context) error {
	if r.move.apart {
		return nil
	}
	if r.move.inv.statement == nil {
		// A place with a statement key and one without are two.
		if st, err := r.move.src.LoadStatement(ctx, r.kr.Name); err != nil {
			return moveError(err)
		} else if st != nil {
			return ErrConflict
		}
		r.move.apart = true
		return nil
	}
	random := make([]byte, 16)
	if _, err := io.ReadFull(r.m.cfg.Rand, random); err != nil {
		return err
	}
	st := *r.move.inv.statement
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
		return &refusal{ReasonMoveBlocked, true, errors.New("spec.moveFrom names the same place as spec.source in other words: take it out. Nothing was deleted")}
	}
	r.move.apart = true
	return nil
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
