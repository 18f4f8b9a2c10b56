package keyring

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Reasons of a keyring's Ready condition.
const (
	ReasonKeyActive            = "KeyActive"            // Ready: values can be sealed and opened
	ReasonKeyUnreadable        = "KeyUnreadable"        // a key of the source cannot be used; Ready stays true while another is active
	ReasonSeveralActiveKeys    = "SeveralActiveKeys"    // a person must say which one it is
	ReasonKeyMissing           = "KeyMissing"           // the key of the published recipient set is gone, or all keys are
	ReasonNoActiveKey          = "NoActiveKey"          // there are keys, and none may be sealed to
	ReasonProbeFailed          = "ProbeFailed"          // a new key does not open what is sealed to it
	ReasonStatementInvalid     = "StatementInvalid"     // the statement key or the stored recipient set cannot be used
	ReasonSignerInvalid        = "SignerInvalid"        // a key of spec.signers cannot be used, and nobody signs with it; the keys open all the same
	ReasonUnsupportedSource    = "UnsupportedSource"    // this controller has no such source
	ReasonKeySourceUnavailable = "KeySourceUnavailable" // tried again
	ReasonAuditUnavailable     = "AuditUnavailable"     // tried again; nothing is done that cannot be recorded
)

// Do is what a keyring needs next.
type Do string

// The things that Decide can ask for, one at a time.
const (
	DoNothing       Do = "nothing"
	DoStop          Do = "stop" // a person must act; Reason and Message say how
	DoMakeStatement Do = "make the statement key"
	DoMakeKey       Do = "make the first key"
	DoClaim         Do = "claim the activation of a key"
	DoActivate      Do = "prove a key and activate it"
	DoPublish       Do = "publish the recipient set"
)

// Situation is what a source holds for one keyring.
type Situation struct {
	Keys []Key
	// Unreadable says that the source has keys that cannot be used; which ones they are is not known.
	Unreadable bool
	// Statement names the place of the statement key; empty: there is none.
	Statement string
	// Published are the ids of the keys in the stored recipient set; nil before the first.
	Published []string
	// Claim is the id of the key whose activation has begun; may be empty.
	Claim string
	// Shown is the key that the Keyring's status shows as active, for display; empty: none. It only ever holds back: what a status says is no proof of anything.
	Shown string
}

// Next is Decide's answer.
type Next struct {
	Do Do
	// Key is the id of the key that Do is about, where it is about one.
	Key string
	// Reason and Message say what is wrong, for DoStop.
	Reason, Message string
}

// Decide says what a keyring needs next. Done again and again on what the source then holds, it ends in DoNothing or DoStop, from wherever a crash has left it.
//
//	no statement key ──> make it ──┐
//	no key at all ──> make the first, pre-active ──┐
//	pre-active ──> claim ──> prove and activate ──> publish ──> nothing
//
// When the published key is gone it makes no other: a new key would silently take the place of the one that everything is sealed to. The same where the status
// shows a key and the source is as it was before the first: it is that of a controller in another namespace, somebody has deleted all of it, or it was restored as it was
// long ago.
func Decide(s Situation) Next {
	active := inState(s.Keys, Active)
	switch {
	case s.behind():
		return stop(ReasonKeyMissing, "the status shows key %s, and the source holds %s: it was deleted or restored as it was long ago, or a controller in another namespace has it. "+
			"Restore it from a newer backup, name the source that it is in as spec.moveFrom, or uninstall the controller that should not be; to begin anew with other keys, delete this Keyring and make it again", s.Shown, s.what())
	case s.Statement == "":
		return Next{Do: DoMakeStatement}
	case len(active) > 1:
		return stop(ReasonSeveralActiveKeys, "keys %s are active at once: set the state of all but one to %s", displays(active), Deactivated)
	case len(active) == 1 && !slices.Equal(s.Published, active):
		return Next{Do: DoPublish, Key: active[0]}
	case len(active) == 1:
		return Next{Do: DoNothing}
	case missing(s) != "" && s.Unreadable:
		return stop(ReasonKeyUnreadable, "key %s of the published recipient set is not among the keys that can be read", display(missing(s)))
	case missing(s) != "":
		return stop(ReasonKeyMissing, "key %s of the published recipient set is not in the source: restore it from a backup, "+
			"or delete %s too to begin anew with other keys", display(missing(s)), s.Statement)
	case len(s.Keys) == 0:
		return Next{Do: DoMakeKey}
	}
	return activation(s)
}

// behind says that the source is as it was before the first key, and the status shows one.
func (s Situation) behind() bool { return s.Shown != "" && len(s.Keys) == 0 && s.Published == nil }

// what is there where behind.
func (s Situation) what() string {
	switch {
	case s.Unreadable:
		return "no key that can be used"
	case s.Statement != "":
		return s.Statement + " and no key at all"
	}
	return "no key at all"
}

// activation chooses among pre-active keys: the claimed one, else the oldest. There is more than one only where two controllers have raced.
func activation(s Situation) Next {
	waiting := inState(s.Keys, PreActive)
	switch {
	case len(waiting) == 0:
		return stop(ReasonNoActiveKey, "none of the %d keys is active, and none waits to become it", len(s.Keys))
	case s.Claim == "" || !slices.Contains(waiting, s.Claim):
		return Next{Do: DoClaim, Key: waiting[0]}
	}
	return Next{Do: DoActivate, Key: s.Claim}
}

// missing is the id of a published key that the source does not have.
func missing(s Situation) string {
	for _, id := range s.Published {
		if !slices.ContainsFunc(s.Keys, func(k Key) bool { return k.ID == id }) {
			return id
		}
	}
	return ""
}

// inState lists the ids of the keys in a state, oldest first.
func inState(keys []Key, state State) []string {
	var ids []string
	for _, k := range slices.SortedFunc(slices.Values(keys), older) {
		if k.State == state {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

func ids(keys []Key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.ID
	}
	return out
}

func displays(ids []string) string {
	short := make([]string, len(ids))
	for i, id := range ids {
		short[i] = display(id)
	}
	return strings.Join(short, ", ")
}

func older(a, b Key) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) }

func stop(reason, message string, args ...any) Next {
	return Next{Do: DoStop, Reason: reason, Message: fmt.Sprintf(message, args...)}
}
