package keyring

import (
	"fmt"
	"slices"
)

// State of a key, after NIST SP 800-57 part 1 section 7.
type State string

// The states; a key is sealed to only while Active.
const (
	PreActive   State = "PreActive"
	Active      State = "Active"
	Suspended   State = "Suspended"
	Deactivated State = "Deactivated"
	Compromised State = "Compromised"
	Destroyed   State = "Destroyed"
)

// States lists all states, in the order of a key's life.
func States() []State {
	return []State{PreActive, Active, Suspended, Deactivated, Compromised, Destroyed}
}

// Opens says whether a key in this state may open what was sealed to it.
func (s State) Opens() bool {
	return s == Active || s == Deactivated || s == Compromised
}

// Known says whether s is one of States.
func (s State) Known() bool { return slices.Contains(States(), s) }

// next lists the legal steps out of a state. SP 800-57 lets some types of key go from active or suspended straight to destroyed; keys that open what was
// sealed to them are not among those types: what they protect outlives their use for sealing, so they pass through deactivated.
func (s State) next() []State {
	switch s {
	case PreActive:
		return []State{Active, Compromised, Destroyed}
	case Active:
		return []State{Suspended, Deactivated, Compromised}
	case Suspended:
		return []State{Active, Deactivated, Compromised}
	case Deactivated:
		return []State{Compromised, Destroyed}
	case Compromised:
		return []State{Destroyed}
	}
	return nil
}

// Step says whether a key may go from one state to another; nil means that it may. Staying is not a step.
func Step(from, to State) error {
	if !from.Known() || !to.Known() {
		return fmt.Errorf("a key cannot go from %q to %q: not both are states of a key", from, to)
	}
	next := from.next()
	if slices.Contains(next, to) {
		return nil
	}
	if len(next) == 0 {
		return fmt.Errorf("a key cannot go from %s to %s: %s is the end", from, to, from)
	}
	return fmt.Errorf("a key cannot go from %s to %s: from %s it can go to %v", from, to, from, next)
}
