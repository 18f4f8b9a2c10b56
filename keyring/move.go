package keyring

import (
	"slices"
	"strings"
)

// ReasonMoveBlocked is the reason of a keyring whose keys cannot be moved on; a person must act. The keys open all the same, wherever they are.
const ReasonMoveBlocked = "MoveBlocked"

// The things that DecideMove can ask for, one at a time.
const (
	DoCopyStatement Do = "copy the statement key"
	DoCopySet       Do = "copy the recipient set"
	DoCopyKey       Do = "copy a key"
	DoCopyState     Do = "copy the state of a key"
	DoMarkKey       Do = "mark the copy of a key that has lain in the clear"
	DoDropKey       Do = "prove the copy of a key and delete the original"
	DoDropStatement Do = "delete the original of the statement key"
)

// Side is what one of the two sources of a move holds.
type Side struct {
	Keys   []Key
	Faults []Problem
	// Statement names the place of the statement key; empty: there is none. Verifier is its public half.
	Statement, Verifier string
	// Set is the number of the stored recipient set, 0 before the first, and Note the set itself.
	Set  uint64
	Note string
	// Clear says that private keys lie there as they are.
	Clear bool
}

// Left says what is left in a source, for people; empty: nothing is.
func (s Side) Left() string {
	var parts []string
	if len(s.Keys) > 0 {
		parts = append(parts, "keys "+displays(ids(s.Keys)))
	}
	if len(s.Faults) > 0 {
		parts = append(parts, "what cannot be used and stays until somebody mends or deletes it: "+describe(s.Faults))
	}
	if s.Statement != "" {
		parts = append(parts, "the statement key")
	}
	return strings.Join(parts, ", ")
}

func (s Side) key(id string) (Key, bool) {
	i := slices.IndexFunc(s.Keys, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return Key{}, false
	}
	return s.Keys[i], true
}

// DecideMove says what the move of a keyring needs next. Done again and again on what both sources then hold, it ends in DoNothing or DoStop, from wherever a crash or
// another controller has left it. DoNothing leaves to Decide what comes next; where something is left in from then, only a person can say what becomes of it.
//
//	copy the statement key ──> for each key: copy ──> prove the copy, delete the original ──> delete the original of the statement key
//
// The statement key comes first and goes last: so the new source never has keys without the recipient set that names them, and the old one always has a record by which to
// find out, before anything is deleted, that both are not one and the same place under two names.
func DecideMove(from, to Side) Next {
	switch {
	case from.Statement != "" && to.Statement == "":
		return Next{Do: DoCopyStatement}
	case from.Statement == "" && to.Statement == "" && len(from.Keys) > 0:
		return Next{Do: DoMakeStatement}
	case from.Statement != "" && from.Verifier != to.Verifier:
		return stop(ReasonMoveBlocked, "%s in source has another statement key than %s in moveFrom, so they are not of the same keyring: "+
			"name an empty place in source, or delete the one that is wrong", to.Statement, from.Statement)
	case from.Statement != "" && from.Set > to.Set:
		return Next{Do: DoCopySet}
	case from.Statement != "" && from.Set == to.Set && from.Note != to.Note:
		return stop(ReasonMoveBlocked, "%s and %s have different recipient sets of number %d: delete the one that is wrong", to.Statement, from.Statement, from.Set)
	}
	for _, k := range slices.SortedFunc(slices.Values(from.Keys), older) {
		return decideKey(k, from.Clear, to)
	}
	if from.Statement != "" && len(from.Faults) == 0 {
		return Next{Do: DoDropStatement}
	}
	return Next{Do: DoNothing}
}

func decideKey(k Key, clear bool, to Side) Next {
	// Also beside a copy that can be used: it is in memory alone, or will not stay.
	for _, f := range to.Faults {
		if f.KeyID != "" && display(f.KeyID) == k.Display() {
			return stop(ReasonMoveBlocked, "key %s cannot be moved: %s: mend it or delete it", k.Display(), f.Error())
		}
	}
	moved, ok := to.key(k.ID)
	if !ok {
		return Next{Do: DoCopyKey, Key: k.ID}
	}
	// What is left of a destroyed key proves nothing of the original, which may have been put back on purpose.
	if moved.State == Destroyed && k.State != Destroyed {
		return stop(ReasonMoveBlocked, "key %s is destroyed in source, and %s in moveFrom: delete the one that is wrong", k.Display(), k.State)
	}
	// Another controller may have taken the original a step further after it was copied.
	if slices.Index(States(), k.State) > slices.Index(States(), moved.State) {
		if err := Step(moved.State, k.State); err != nil {
			return stop(ReasonMoveBlocked, "key %s is %s in source and %s in moveFrom: %s", k.Display(), moved.State, k.State, err)
		}
		return Next{Do: DoCopyState, Key: k.ID}
	}
	// The copy is older than the original where a move into the clear was taken back half way.
	if (clear || k.WasClear) && !moved.WasClear && !to.Clear {
		return Next{Do: DoMarkKey, Key: k.ID}
	}
	return Next{Do: DoDropKey, Key: k.ID}
}
