package audit

import (
	"context"
	"time"
)

// Version of the record's schema.
const Version = 1

// Phase tells an intent from its outcome and from a record that stands alone.
type Phase string

// The phases of an operation.
const (
	PhaseIntent  Phase = "intent"
	PhaseOutcome Phase = "outcome"
	PhaseNote    Phase = "note" // something observed: nothing was touched, or it cannot be undone
)

// Object names what an operation is about; fields that do not apply are empty.
type Object struct {
	Kind            string `json:"kind,omitempty"`
	Namespace       string `json:"namespace,omitempty"`
	Name            string `json:"name,omitempty"`
	UID             string `json:"uid,omitempty"`
	Generation      int64  `json:"generation,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// Key names a key and the envelope that it is used for.
type Key struct {
	Keyring  string `json:"keyring,omitempty"`
	ID       string `json:"id,omitempty"`
	Envelope string `json:"envelope,omitempty"`
}

// Unattributed is the user of an Actor whom nothing has vouched for.
const Unattributed = "unattributed"

// Actor is who is behind an operation, as far as something else than the object itself says so.
type Actor struct {
	// User is the Kubernetes user whom admission has stamped, or Unattributed.
	User string `json:"user"`
	// Manager is the field manager that wrote the sealed part last. Whoever writes chooses it.
	Manager string `json:"manager,omitempty"`
	// Signer is the fingerprint of the verified signature of the object.
	Signer string `json:"signer,omitempty"`
	Git    *Git   `json:"git,omitempty"`
}

// Git says where in Git an object came from.
type Git struct {
	Commit string `json:"commit,omitempty"`
	Author string `json:"author,omitempty"`
}

// Operation is what the caller knows before it acts.
type Operation struct {
	Action Action   `json:"action"`
	Object Object   `json:"object"`
	Keys   []Key    `json:"keys,omitempty"`
	Items  []string `json:"items,omitempty"` // item names, never values
	Actor  Actor    `json:"actor"`
	// Term is set in ActionTermBegan.
	Term *Term `json:"term,omitempty"`
	// Log is set in the actions about the log itself.
	Log *LogState `json:"log,omitempty"`
}

// Term is a time in which one replica leads.
type Term struct {
	// Number counts the changes of leaders; 0 without leader election.
	Number int64  `json:"number"`
	Holder string `json:"holder"`
	// Others are the last known signed checkpoints of the other replicas' logs.
	Others []string `json:"others,omitempty"`
}

// LogState is what a log says of itself.
type LogState struct {
	Origin string `json:"origin"`
	Part   int    `json:"part"`
	// Cites is the signed checkpoint that a part goes on from, or that was anchored.
	Cites string `json:"cites,omitempty"`
	// Unmatched are ids of intents of the process before this one that have no outcome, at most MaxUnmatched of them; More counts the others.
	Unmatched []string `json:"unmatched,omitempty"`
	More      int      `json:"more,omitempty"`
}

// MaxUnmatched is how many intents without outcome a record lists.
const MaxUnmatched = 256

// Outcome is what came of it.
type Outcome struct {
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
	// Message must not carry values; it is one of the texts that the status shows.
	Message string `json:"message,omitempty"`
	// Secret is the written object, where there is one.
	Secret *Object `json:"secret,omitempty"`
	Keys   []Key   `json:"keys,omitempty"`
	// VaultRequest is Vault's id of the request that the operation needed.
	VaultRequest string `json:"vaultRequest,omitempty"`
}

// Standing is a record that stands alone.
type Standing struct {
	Operation Operation
	Outcome   Outcome
}

// Log takes the records. Implementations are safe for concurrent use.
type Log interface {
	// Intent makes the operation durable and gives the id that its outcome cites; the notes become durable with it, before it. The caller must not perform the operation if an
	// error is returned.
	Intent(ctx context.Context, op Operation, notes ...Standing) (id string, err error)
	// Outcome records what came of the intent id. It is called also when the operation failed.
	Outcome(ctx context.Context, id string, out Outcome) error
	// Note records something that stands alone, durable like an intent.
	Note(ctx context.Context, op Operation, out Outcome) error
}

// Record is one entry of the log.
type Record struct {
	Version int       `json:"v"`
	ID      string    `json:"id"` // of an outcome: that of its intent
	Time    time.Time `json:"time"`
	// ClockOffset is how far the API server's clock was ahead of ours when it was last compared, in milliseconds; nil when it never was.
	ClockOffset *int64 `json:"clockOffsetMillis,omitempty"`
	Replica     string `json:"replica,omitempty"`
	// Term is the number of the term in which the record was made; nil before the first.
	Term  *int64 `json:"term,omitempty"`
	Phase Phase  `json:"phase"`
	// Operation is set in intents and notes, Outcome in outcomes and notes.
	Operation *Operation `json:"operation,omitempty"`
	Outcome   *Outcome   `json:"outcome,omitempty"`
	// Omitted says what was left out to keep the record at MaxRecord.
	Omitted *Omitted `json:"omitted,omitempty"`
}

// Omitted counts what a record has no room for. Intents without outcome are counted by LogState.More.
type Omitted struct {
	Items  int `json:"items,omitempty"`
	Keys   int `json:"keys,omitempty"`
	Others int `json:"others,omitempty"` // checkpoints of other logs
}
