package keyring

import (
	"context"
	"time"
)

// UsesFunc tells what is known of who needs the keys of a keyring. It may take a moment; an error says that it cannot be told now.
type UsesFunc func(ctx context.Context, keyring string) (Uses, error)

// Uses is what is known of who needs the keys of one keyring.
type Uses struct {
	// Unseen says what was not looked at, for people; empty: everything was. While something is unseen no key is destroyed, except by a request that says so.
	Unseen string
	// Soon says that what is unseen is looked at by itself, soon, as after a start.
	Soon bool
	// Since is when the memory of uses began: what needed a key before then, and is not in the cluster now, is not known. Zero: nobody says.
	Since time.Time
	// Again is when the memory went on after its last gap, in which nobody knows what has come and gone. Zero: there was none.
	Again time.Time
	// Keys are the uses by full key id. A key that is not among them has no use that is known.
	Keys map[string]KeyUses
}

// KeyUses are the known uses of one key.
type KeyUses struct {
	// Objects of the cluster that need it.
	Objects int
	// Gone are objects, or earlier versions of them, that are not in the cluster any more; LastGone is when the last of them went.
	Gone     int
	LastGone time.Time
	// Examples are up to 10 of Objects, NAMESPACE/NAME, sorted.
	Examples []string
	// Git are the SecretSyncs, NAMESPACE/NAME, sorted, that follow files which are wrapped for it, as the agent says.
	Git []string
}
