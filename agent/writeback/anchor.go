package writeback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// AnchorEvery is how often the checkpoints of an audit log are put into Git: each commit makes records, so that there would be no end otherwise.
const AnchorEvery = 24 * time.Hour

// UnreadRest is how long a log that could not be read is left alone.
const UnreadRest = 5 * time.Minute

// AuditLog is an audit log of the cluster, as it is now.
type AuditLog struct {
	// Anchor is what is anchored in the cluster.
	Anchor audit.Anchor
	// Dir has the log's parts, for the proof that it has only grown; nil: they are not here. Open then gives them, where something is due, and release lets go of them; nil: they
	// cannot be read, and nothing is put into Git that has something there already.
	Dir  fs.FS
	Open func(ctx context.Context) (dir fs.FS, release func(), err error)
}

// ErrUnread is of a log whose tiles cannot be read, so that nothing proves that it has only grown. That may change by itself, unlike what they prove.
var ErrUnread = errors.New("the log's tiles cannot be read, so that nothing proves that it has only grown")

// errNoAnchor is of what stands in Git in the place of an anchor.
var errNoAnchor = errors.New("it holds no anchor of this log: remove it, or put back what was there")

// errNoFile is of a log that nothing is kept of.
var errNoFile = errors.New("the log's name cannot be a file's")

// unread says whether an error is one of reading a log, and not of what was read.
func unread(err error) bool {
	var path *fs.PathError
	return errors.Is(err, ErrUnread) || errors.As(err, &path) || errors.Is(err, fs.ErrNotExist)
}

// Kept is an anchor in Git, which `seal audit verify --anchor` reads.
type Kept struct {
	// At is when it was put there.
	At time.Time `json:"at"`
	audit.Anchor
}

var originRE = regexp.MustCompile(`^[0-9A-Za-z][-0-9A-Za-z]{0,62}/[0-9a-z][-.0-9a-z]{0,252}$`)

// maxKept is the size of a file with an anchor, in bytes.
const maxKept = MaxFile

// Keep gives the content of the file that a log's checkpoints are kept in; nil: nothing is due. old is what it holds now; nil: there is no file. The error says why the file
// has to stay as it is: above all, that the log does not contain what it holds.
func Keep(old []byte, log AuditLog, now time.Time) ([]byte, error) {
	a := log.Anchor
	a.Restart = nil
	before, due, err := dueFor(old, a, now)
	if err != nil || !due {
		return nil, err
	}
	if err := genuine(a, log.Dir); err != nil {
		return nil, err
	}
	if old != nil {
		if err := grown(before.Anchor, a, log.Dir); err != nil {
			return nil, err
		}
	}
	closed, err := closedParts(before.Anchor, a)
	if err != nil {
		return nil, err
	}
	a.Closed = closed
	b, err := json.MarshalIndent(Kept{now.UTC().Truncate(time.Second), a}, "", "  ")
	return append(b, '\n'), err
}

// dueFor says whether something is to be kept of an anchor, and what the file holds now.
func dueFor(old []byte, a audit.Anchor, now time.Time) (before Kept, due bool, err error) {
	switch {
	case a.Checkpoint == "":
		return before, false, nil
	case old == nil:
		return before, true, nil
	}
	if err := json.Unmarshal(old, &before); err != nil || before.Origin != a.Origin {
		return before, false, errNoAnchor
	}
	return before, before.Checkpoint != a.Checkpoint && (before.At.After(now) || now.Sub(before.At) >= AnchorEvery), nil
}

// genuine makes sure that what is anchored in the cluster is of the log.
func genuine(a audit.Anchor, dir fs.FS) error {
	if dir != nil {
		return verify.Contains(dir, []byte(a.Checkpoint), a.Key)
	}
	_, err := verify.OpenCheckpoint([]byte(a.Checkpoint), a.Key)
	return err
}

// grown makes sure that a log contains what was kept of it.
func grown(before, now audit.Anchor, dir fs.FS) error {
	switch {
	case before.Key != now.Key:
		return fmt.Errorf("the log has another key, %s, than the one that is kept: if it was begun anew with one, remove the file", now.Key)
	case dir == nil:
		return ErrUnread
	}
	had := checkpoints(before)
	for _, signed := range had {
		if slices.Contains(now.Closed, signed) {
			continue // nothing was added, and the part may have been put away
		}
		if err := verify.Contains(dir, []byte(signed), before.Key); err != nil {
			return err
		}
	}
	older, err := verify.ParseCheckpoint([]byte(before.Checkpoint))
	if err != nil {
		return err
	}
	newer, err := verify.ParseCheckpoint([]byte(now.Checkpoint))
	if err != nil {
		return err
	}
	if now.Part < before.Part || now.Part == before.Part && newer.Size < older.Size {
		return errors.New("what is anchored in the cluster is older than what is kept")
	}
	return nil
}

// checkpoints are all of an anchor, oldest first.
func checkpoints(a audit.Anchor) []string {
	all := slices.Clone(a.Closed)
	if a.Checkpoint != "" {
		all = append(all, a.Checkpoint)
	}
	return all
}

// closedParts joins the last checkpoints of the parts before the present one.
func closedParts(before, now audit.Anchor) ([]string, error) {
	last := map[string]string{} // by origin of the part, which sorts as the parts do
	size := map[string]uint64{}
	for _, signed := range slices.Concat(checkpoints(before), now.Closed) {
		c, err := verify.ParseCheckpoint([]byte(signed))
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(c.Origin, now.Origin+"/") && c.Origin < now.Origin+"/"+audit.PartDir(now.Part) && (last[c.Origin] == "" || c.Size > size[c.Origin]) {
			last[c.Origin], size[c.Origin] = signed, c.Size
		}
	}
	var all []string
	for _, origin := range slices.Sorted(maps.Keys(last)) {
		all = append(all, last[origin])
	}
	return all[max(0, len(all)-audit.MaxClosed):], nil
}
