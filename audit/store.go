package audit

import (
	"context"
	"fmt"
	"strings"
)

// Store makes encoded records durable, in the order of the calls. One goroutine uses it.
type Store interface {
	// Ready opens what has to be open before records can be appended, and gives what the log has to say first: that it was started, goes on in a new part, or was restarted.
	// It gives the same notes again until an Append has succeeded, and none after that. It is called before every Append and is cheap when there is nothing to do.
	Ready(ctx context.Context) ([]Standing, error)
	// Append makes all records durable or fails; after an error some of them may be in the log. A record is at most MaxRecord bytes. The notes that Ready gave come first;
	// the others of one call may change places among themselves.
	Append(ctx context.Context, records [][]byte) error
	// Close publishes what is durable and lets go of the files.
	Close() error
}

// PartDir is the folder of a part in a log's folder, and the last element of its origin. Parts count from 1.
func PartDir(part int) string { return fmt.Sprintf("%04d", part) }

// IsPartDir says whether a name has the form of PartDir: four digits.
func IsPartDir(name string) bool {
	return len(name) == 4 && strings.Trim(name, "0123456789") == ""
}

// Anchor is what is known outside a log's volume about the log: a Kubernetes object holds it, and a log that does not contain it is not appended to.
type Anchor struct {
	// Origin is CLUSTER/REPLICA, Key the verifier key (golang.org/x/mod/sumdb/note) of that name.
	Origin string `json:"origin"`
	Key    string `json:"key"`
	// Part is the number of the part that is being written, from 1.
	Part int `json:"part"`
	// Checkpoint is the newest anchored signed checkpoint of that part, empty for none.
	Checkpoint string `json:"checkpoint"`
	// Closed are the last signed checkpoints of the parts before, oldest first, at most MaxClosed of them. Older ones need none: the first record of each part cites the one before.
	Closed []string `json:"closed,omitempty"`
	// Restart asks for a new part, because this one cannot be gone on with; nil for no request.
	Restart *Restart `json:"restart,omitempty"`
}

// MaxClosed keeps an anchor in a ConfigMap, which takes 1 MiB, also where replicas have names of 253 bytes.
const MaxClosed = 256

// Restart is somebody's request to go on in a new part.
type Restart struct {
	Reason string `json:"reason"`
	// Part is the part that is given up: a request for another is an old one.
	Part int `json:"part"`
}

// Anchors keeps a log's anchor. Implementations compare and swap: of two writers one fails.
type Anchors interface {
	// Load gives the anchor and the version that Save takes. A log without one has the zero Anchor.
	Load(ctx context.Context) (anchor Anchor, version string, err error)
	// Save replaces the anchor of that version and gives the new one. It fails with ErrConflict if the anchor has changed meanwhile.
	Save(ctx context.Context, anchor Anchor, version string) (string, error)
	// Others gives the anchors of the other replicas' logs.
	Others(ctx context.Context) ([]Anchor, error)
}
