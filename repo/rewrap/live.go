package rewrap

import (
	"errors"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Live is what a cluster has of an envelope, as far as it tells why nothing is offered for it.
type Live struct {
	Closed string              // why the controller has not opened the object; empty where it has
	Keys   map[string][]string // which keys its wraps are for, by holder
}

// Why nothing is offered for an envelope, besides NotOpenedError.
var (
	ErrNotThere   = errors.New("no object of the cluster has it")
	ErrHasNewKeys = errors.New("the cluster has it with the new keys already")
	ErrNotYet     = errors.New("not offered yet")
)

// NotOpenedError says that the controller has not opened the object.
type NotOpenedError struct{ Reason string }

// Error gives the reason.
func (e *NotOpenedError) Error() string { return "the cluster has not opened it: " + e.Reason }

// Unoffered says why the cluster offers no wrap of h, its present recipients, for an envelope. live is what it has of it; nil: nothing.
func Unoffered(live *Live, h seal.Holder) error {
	switch {
	case live == nil:
		return ErrNotThere
	case slices.Equal(slices.Sorted(slices.Values(live.Keys[h.Name])), KeyIDs(h)):
		return ErrHasNewKeys
	case live.Closed != "":
		return &NotOpenedError{live.Closed}
	}
	return ErrNotYet
}

// KeyIDs are the key ids of a holder, in byte order.
func KeyIDs(h seal.Holder) []string {
	ids := make([]string, len(h.Recipients))
	for i, r := range h.Recipients {
		ids[i] = r.KeyID()
	}
	slices.Sort(ids)
	return ids
}

// Condition is one of an object's status.
type Condition struct{ Type, Status, Reason string }

// What the controller says of an object that it has opened.
const (
	conditionReady  = "Ready"
	statusTrue      = "True"
	reasonUnsealed  = "Unsealed"
	notLookedAt     = "the controller has not looked at it yet"
	isBeingDeleted  = "it is being deleted"
	withoutAnyWords = "Unknown"
)

// Closed says why the controller has not opened an object of the cluster as it is; empty where it has. observed is the generation that conditions speak of.
func Closed(deleting bool, generation, observed int64, conditions []Condition) string {
	if deleting {
		return isBeingDeleted
	}
	for _, c := range conditions {
		switch {
		case c.Type != conditionReady || observed != generation:
		case c.Status == statusTrue && c.Reason == reasonUnsealed:
			return ""
		case c.Reason == "":
			return withoutAnyWords
		default:
			return c.Reason
		}
	}
	return notLookedAt
}
