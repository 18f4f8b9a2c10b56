package unseal

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reason is the one word that says what became of a sealed object. It stands in the Ready condition, in events, in metrics and in the audit log.
type Reason string

// The reasons; Table says what each means.
const (
	Unsealed             Reason = "Unsealed"
	Pending              Reason = "Pending"
	Suspended            Reason = "Suspended"
	InvalidFormat        Reason = "InvalidFormat"
	UnsupportedType      Reason = "UnsupportedType"
	NoMatchingKey        Reason = "NoMatchingKey"
	KeyDestroyed         Reason = "KeyDestroyed"
	KeySourceUnavailable Reason = "KeySourceUnavailable"
	NamespaceNotAllowed  Reason = "NamespaceNotAllowed"
	ScopeMismatch        Reason = "ScopeMismatch"
	Tampered             Reason = "Tampered"
	PolicyDenied         Reason = "PolicyDenied"
	RollbackDenied       Reason = "RollbackDenied"
	TemplateError        Reason = "TemplateError"
	TargetConflict       Reason = "TargetConflict"
	ImmutableConflict    Reason = "ImmutableConflict"
	TooLarge             Reason = "TooLarge"
	ApplyFailed          Reason = "ApplyFailed"
	AuditUnavailable     Reason = "AuditUnavailable"
)

// Then says what happens after an outcome.
type Then string

// What happens after an outcome. A change of the object or of its Secret is looked at in every case.
const (
	Settled  Then = "settled"  // nothing is to be done
	Stalled  Then = "stalled"  // somebody has to act
	Retrying Then = "retrying" // the controller tries again by itself, for ever
)

// Exit codes of the command line for an object in a state; the CLI adds 2, usage.
const (
	ExitOK       = 0
	ExitFailed   = 1
	ExitNoKey    = 3
	ExitTampered = 4
	ExitFindings = 5
)

// Row is what the table says of one reason.
type Row struct {
	Reason Reason
	Ready  metav1.ConditionStatus
	Then   Then
	// Keys is true where a change of the keyrings may change the outcome.
	Keys bool
	// Exit is the exit code of the command line.
	Exit int
	// Text is one sentence for people.
	Text string
}

// Table is the table of reasons, in the order in which the documentation lists them.
func Table() []Row {
	const yes, no, unknown = metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown
	return []Row{
		{Unsealed, yes, Settled, false, ExitOK, "The Secret holds exactly the sealed values."},
		{Pending, unknown, Retrying, true, ExitFailed, "The controller waits for something that ends by itself: keys being loaded, marks that cannot be read or written, a namespace or an earlier Secret being deleted."},
		{Suspended, yes, Settled, false, ExitOK, "spec.suspend is set: nothing is opened, and an existing Secret stays as it is."},
		{InvalidFormat, no, Stalled, false, ExitFailed, "The object is not of the sealed format."},
		{UnsupportedType, no, Stalled, false, ExitFailed, "The Secret's type is refused, or needs keys that the object does not have."},
		{NoMatchingKey, no, Stalled, true, ExitNoKey, "No keyring has a key that the object was sealed for."},
		{KeyDestroyed, no, Stalled, true, ExitNoKey, "The key that the object was sealed for has been destroyed."},
		{KeySourceUnavailable, no, Retrying, true, ExitFailed, "A keyring's source cannot be read, and the key may be in it."},
		{NamespaceNotAllowed, no, Stalled, true, ExitFailed, "The keyring does not open objects of this namespace."},
		{ScopeMismatch, no, Stalled, false, ExitTampered, "The object was sealed for another namespace or name."},
		{Tampered, no, Stalled, false, ExitTampered, "A value, an envelope or the signed object was changed or moved after sealing."},
		{PolicyDenied, no, Stalled, true, ExitFailed, "A rule of the controller or of the keyring refuses the object."},
		{RollbackDenied, no, Stalled, true, ExitFailed, "An older version of the object was put back, and the keyring refuses that."},
		{TemplateError, no, Stalled, false, ExitFailed, "The template cannot be rendered from the object's items."},
		{TargetConflict, no, Stalled, false, ExitFailed, "A Secret of this name exists that belongs to somebody else."},
		{ImmutableConflict, no, Stalled, false, ExitFailed, "The existing Secret is immutable and would have to change."},
		{TooLarge, no, Stalled, false, ExitFailed, "The values or the object are larger than Kubernetes takes."},
		{ApplyFailed, no, Retrying, false, ExitFailed, "The API server did not take the Secret."},
		{AuditUnavailable, no, Retrying, false, ExitFailed, "The audit log cannot be written, so nothing is opened."},
	}
}

// Row finds the reason in the table; ok is false for a word that is no reason.
func (r Reason) Row() (row Row, ok bool) {
	rows := Table()
	i := slices.IndexFunc(rows, func(row Row) bool { return row.Reason == r })
	if i < 0 {
		return Row{}, false
	}
	return rows[i], true
}

// WokenByKeys says whether an object with this reason is looked at again when the keyrings have changed. An object without a reason is.
func (r Reason) WokenByKeys() bool {
	row, ok := r.Row()
	return row.Keys || !ok
}
