package tiles

import (
	"fmt"
	"strings"

	"github.com/waxwing-io/waxwing/audit"
)

// facts are what is known of a log before it is opened. A part without a record counts as one that is not there: the process died when it had made its folder.
type facts struct {
	origin, key string // of the log that is to be opened
	ephemeral   bool
	anchor      audit.Anchor
	// granted says that a part behind anchor.Part was begun on request.
	granted bool
	// latest is the highest number of a part in the folder, 0 for none.
	latest int
	// local says why part latest cannot be gone on with, or what is missing when there is none; anchored why part anchor.Part is not the one that the anchor knows; nil for no reason.
	local, anchored error
}

// verdict is what is to be done: refuse, or append to part, whose first record is begin if it has one of its own.
type verdict struct {
	refuse error
	part   int
	begin  audit.Action // "" or ActionLogRestarted
	reason string
}

// RefusedError is the error of a log that is not the one that it has to be. It stays until the log is restored, or given up with a restart.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// decide says what is done with a log. It refuses whatever could make two trees of one origin.
func decide(f facts) verdict {
	known := f.anchor.Part > 0
	pending := f.anchor.Restart != nil && f.anchor.Restart.Part == f.anchor.Part
	next := min(max(f.latest, f.anchor.Part), maxPart) + 1
	if f.anchor.Origin != "" && f.anchor.Origin != f.origin {
		return verdict{refuse: &RefusedError{fmt.Sprintf("the anchor is that of the log %s, and this is %s", f.anchor.Origin, f.origin)}}
	}
	if f.latest == 0 && !known && f.local == nil {
		return verdict{part: 1}
	}
	problem := trouble(f)
	// A request that was granted before a crash could take it back: the part that it asked for is there.
	granted := pending && known && f.granted && f.latest > f.anchor.Part && f.local == nil && sameKey(f)
	switch {
	case granted:
		return verdict{part: f.latest}
	case pending && next > maxPart, problem != "" && f.latest == 0 && f.ephemeral && next > maxPart:
		return verdict{refuse: lastPart(next - 1)}
	case pending:
		return verdict{part: next, begin: audit.ActionLogRestarted, reason: f.anchor.Restart.Reason}
	case problem == "":
		return verdict{part: max(f.latest, 1)}
	case f.latest == 0 && f.ephemeral:
		return verdict{part: next, begin: audit.ActionLogRestarted, reason: "the folder went with the pod (--audit-ephemeral)"}
	}
	if !known { // seal audit restart writes into the anchor
		return verdict{refuse: &RefusedError{problem + "; nothing is opened until the folder is as it was; there is no anchor to ask for a restart in: keep what is in the folder elsewhere, and begin with an empty one and a new process"}}
	}
	_, replica, _ := strings.Cut(f.origin, "/")
	return verdict{refuse: &RefusedError{fmt.Sprintf(
		"%s; nothing is opened until the folder is as it was, or is given up for a new part: seal audit restart --replica %s --reason TEXT", problem, replica)}}
}

// maxPart is the greatest number of a part: endpoint and readers take folders of four digits, and would pass over what comes behind.
const maxPart = 9999

func lastPart(number int) error {
	return &RefusedError{fmt.Sprintf("the log has part %s, and parts are numbered up to %d: if it is not the anchor that was altered, begin a new log, with another replica's name", audit.PartDir(number), maxPart)}
}

func sameKey(f facts) bool { return f.anchor.Key == "" || f.anchor.Key == f.key }

// trouble says what is wrong with a log, in words that a person reads.
func trouble(f facts) string {
	switch {
	case !sameKey(f):
		return fmt.Sprintf("the log's key is %s, and the anchored log was signed by %s", f.key, f.anchor.Key)
	case f.latest == 0 && f.anchored != nil:
		return fmt.Sprintf("the folder is empty, and part %s of this log is anchored", audit.PartDir(f.anchor.Part))
	case f.anchored != nil:
		return fmt.Sprintf("part %s does not contain what is anchored of it, as if the volume had been rolled back or replaced: %v", audit.PartDir(f.anchor.Part), f.anchored)
	case f.local != nil:
		return fmt.Sprintf("part %s cannot be gone on with: %v", audit.PartDir(max(f.latest, 1)), f.local)
	case f.latest < f.anchor.Part:
		return fmt.Sprintf("part %s is anchored, and the newest in the folder is %s", audit.PartDir(f.anchor.Part), audit.PartDir(f.latest))
	}
	return ""
}
