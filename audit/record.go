package audit

import (
	"context"
	"time"
)

// Version of the record's schema.
const Version = 1

// Action is what was done, or tried.
type Action string

// The actions that are recorded.
const (
	ActionUnseal      Action = "unseal"          // open a GitSecret and write its Secret
	ActionRefuse      Action = "refuse"          // a GitSecret was not opened; Reason says why
	ActionKeyGenerate Action = "key.generate"    // make a sealing key or a statement key
	ActionKeyActivate Action = "key.activate"    // a proved key becomes the one to seal to
	ActionKeyLoad     Action = "key.load"        // read private keys from their source into memory
	ActionPublish     Action = "keyring.publish" // sign and publish a recipient set
	ActionLogStarted  Action = "log.started"
	ActionLogStopped  Action = "log.stopped"
)

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

// Operation is what the caller knows before it acts.
type Operation struct {
	Action Action   `json:"action"`
	Object Object   `json:"object"`
	Keys   []Key    `json:"keys,omitempty"`
	Items  []string `json:"items,omitempty"` // item names, never values
	Actor  string   `json:"actor,omitempty"` // who is behind the object, or "unattributed"
}

// Outcome is what came of it.
type Outcome struct {
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
	// Message must not carry values; it is one of the texts that the status shows.
	Message string `json:"message,omitempty"`
	// Secret is the written object, where there is one.
	Secret *Object `json:"secret,omitempty"`
	Keys   []Key   `json:"keys,omitempty"`
}

// Log takes the records. Implementations are safe for concurrent use.
type Log interface {
	// Intent makes the operation durable and gives the id that its outcome cites. The caller must not perform the operation if an error is returned.
	Intent(ctx context.Context, op Operation) (id string, err error)
	// Outcome records what came of the intent id. It is called also when the operation failed.
	Outcome(ctx context.Context, id string, out Outcome) error
	// Note records something that stands alone, durable like an intent.
	Note(ctx context.Context, op Operation, out Outcome) error
}

// Record is one line of the log.
type Record struct {
	Version int       `json:"v"`
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Replica string    `json:"replica,omitempty"`
	Phase   Phase     `json:"phase"`
	// Operation is set in intents and notes, Outcome in outcomes and notes.
	Operation *Operation `json:"operation,omitempty"`
	Outcome   *Outcome   `json:"outcome,omitempty"`
	// Omitted says what was left out to keep the record at MaxRecord.
	Omitted *Omitted `json:"omitted,omitempty"`
}

// Omitted counts what a record has no room for.
type Omitted struct {
	Items int `json:"items,omitempty"`
	Keys  int `json:"keys,omitempty"`
}
