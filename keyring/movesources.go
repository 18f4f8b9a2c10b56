package keyring

import (
	"context"
	"errors"
	"fmt"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// stepsPerKey is how many steps the move of one key can take at the most, without conflicts.
const stepsPerKey = 4

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
	from := r.kr.Spec.MoveFrom
	if from == nil {
		return err
	}
	if why := v1alpha1.MoveRefusal(*from, r.kr.Spec.Source); why != "" {
		return blocked(why)
	}
	if merr := r.openMove(ctx, *from); err == nil {
		err = merr
	}
	return err
}

func blocked(why string) error {
	return &refusal{ReasonMoveBlocked, true, errors.New("spec.moveFrom: " + why)}
}

// openMove opens the source to move from.
func (r *run) openMove(ctx context.Context, spec v1alpha1.KeySource) error {
	src, err := r.m.cfg.Source(ctx, r.kr.Name, spec)
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

// look reads what there is. Keys that were seen earlier in this run count where they cannot be read any more.
func (r *run) look(ctx context.Context) error {
	before := r.inv
	err := r.take(ctx)
	if !r.inv.keysRead && (before.keysRead || before.partly) {
		for _, k := range before.keys {
			if _, missing := r.inv.key(k.ID); missing != nil {
				r.inv.keys = append(r.inv.keys, k)
			}
		}
		r.inv.partly = true
	}
	return err
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

// situation is what there is to decide by.
func (r *run) situation() Situation {
	s := r.inv.situation()
	s.Shown, s.Now, s.Rotation, s.Requests, s.Uses = r.kr.Status.ActiveKey, r.m.cfg.Now(), RotationOf(&r.kr.Spec), r.kr.Spec.Requests, r.uses
	s.Undestroyed = r.undestroyed
	if shown := r.shown(); shown != nil {
		s.ShownSet, s.ShownKeys = shown.Set, keysOf(shown)
	}
	s.Moving = r.move != nil && r.move.inv.side().Left() != ""
	return s
}

// decide asks DecideMove, where a move is under way, and then Decide.
func (r *run) decide() Next {
	situation := r.situation()
	if r.move == nil {
		return Decide(situation)
	}
	from, to := r.move.inv.side(), r.move.target.side()
	from.Clear, to.Clear = r.kr.Spec.MoveFrom.Clear(), r.kr.Spec.Source.Clear()
	if next := DecideMove(from, to); next.Do != DoNothing {
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
