package keyring

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
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
	DoMakeKey       Do = "make a key"
	DoClaim         Do = "claim the activation of a key"
	DoActivate      Do = "prove a key and activate it"
	DoPublish       Do = "publish the recipient set"
	DoDeactivate    Do = "deactivate a key"
	DoSuspend       Do = "suspend a key"
	DoResume        Do = "resume a key"
	DoCompromise    Do = "note that others know a key"
	DoAskUses       Do = "ask who needs the keys"
	DoDestroy       Do = "destroy a key"
	DoUnbury        Do = "take back the destruction of a key that has not come to its end"
)

// Situation is what a source holds for one keyring, what is asked of it, and when.
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
	// Set is the number of the stored recipient set; 0 before the first. ShownSet is that of the one in the status, if the keyring's statement key has signed it, and ShownKeys are
	// its keys' ids: it only ever holds back, too.
	Set, ShownSet uint64
	ShownKeys     []string

	// Now is the time.
	Now time.Time
	// Rotation and Requests are those of the Keyring's spec.
	Rotation Rotation
	Requests []v1alpha1.KeyRequest
	// Moving says that something is left in spec.moveFrom.
	Moving bool
	// Uses is who needs the keys, as it was told after the last change; nil: nobody was asked.
	Uses *Uses
	// Buried are the ids of keys whose destruction has begun and has not come to its end.
	Buried []string
	// Undestroyed are keys that were to be destroyed and cannot be now: nothing is asked for them.
	Undestroyed []Undestroyed
}

// Next is Decide's answer.
type Next struct {
	Do Do
	// Key is the id of the key that Do is about, where it is about one.
	Key string
	// To is the state that it comes into, where that is not plain from Do.
	To State
	// Why is what it is done for, for the audit log; may be empty.
	Why string
	// Reason and Message say what is wrong, for DoStop.
	Reason, Message string
}

// Decide says what a keyring needs next. Done again and again on what the source then holds, it ends in DoNothing or DoStop, from wherever a crash has left it.
//
//	no statement key ──> make it ──┐
//	a state that was asked for ──> that, unless another key has to take its place first
//	no key, or one that is due ──> make one, pre-active ──┐
//	pre-active ──> claim ──> prove and activate ──> publish ──> deactivate the one before ──> destroy what may go ──> nothing
//
// When the published key is gone it makes no other: a new key would silently take the place of the one that everything is sealed to. The same where the status
// shows a key and the source is as it was before the first: it is that of a controller in another namespace, somebody has deleted all of it, or it was restored as it was
// long ago; and where the status shows a newer recipient set of another key.
func Decide(s Situation) Next {
	switch {
	case s.wentBack():
		return stop(ReasonKeyMissing, "the status shows recipient set %d of key %s, and the source has set %d of key %s: it was restored as it was before, or answers late. "+
			"Bring the newer keys back (seal keys restore, or a newer snapshot); to go on with what is there, delete this Keyring and make it again", s.ShownSet, displays(s.ShownKeys), s.Set, displays(s.Published))
	case s.behind():
		return stop(ReasonKeyMissing, "the status shows key %s, and the source holds %s: it was deleted or restored as it was long ago, or a controller in another namespace has it. "+
			"Restore it from a newer backup, name the source that it is in as spec.moveFrom, or uninstall the controller that should not be; to begin anew with other keys, delete this Keyring and make it again", s.Shown, s.what())
	case s.Statement == "":
		return Next{Do: DoMakeStatement}
	}
	if next, ok := s.asked(); ok {
		return next
	}
	if next := s.sealing(); next.Do != DoNothing {
		return next
	}
	return s.ending()
}

// behind says that the source is older than the status: as it was before the first key, or before the present one.
func (s Situation) behind() bool {
	return s.Shown != "" && len(s.Keys) == 0 && s.Published == nil || s.wentBack()
}

// wentBack says that the status shows a newer recipient set than the source has, of a key that is not the active one. What the source has is no more the truth: a key that is
// sealed to is missing, another may have been retired, and the next set would have a number that was given already.
func (s Situation) wentBack() bool {
	return s.Published != nil && s.passed() && !s.Moving && !slices.Equal(inState(s.Keys, Active), s.ShownKeys)
}

// passed says that the status shows a newer recipient set than the source has.
func (s Situation) passed() bool { return s.ShownSet > s.Set }

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

// missing is the id of a published key that the source does not have.
func missing(s Situation) string {
	for _, id := range s.Published {
		if _, ok := s.key(id); !ok {
			return id
		}
	}
	return ""
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

func stop(reason, message string, args ...any) Next {
	return Next{Do: DoStop, Reason: reason, Message: fmt.Sprintf(message, args...)}
}
