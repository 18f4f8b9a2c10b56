package writeback

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/waxwing-io/waxwing/agent/source"
)

// maxMessage is how long a text is that is shown, in bytes.
const maxMessage = 1024

// shown is a path as messages have it: quoted where it has unusual characters.
func shown(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) || r == '"' || r == '\\' }) {
		path = strconv.QuoteToASCII(path)
	}
	return cut(path)
}

// clean takes out of a text what is not to be shown: parts of it may come from outside.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return cut(text)
}

func cut(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "…"
}

// Trailers of commits.
const (
	trailerKeyring = "Waxwing-Keyring"
	trailerSet     = "Waxwing-Set"
	trailerKeys    = "Waxwing-Keys"
	trailerSync    = "Waxwing-Sync"
	trailerMark    = "Waxwing-Mark"
)

// maxOld is how many ids of keys a trailer names.
const maxOld = 16

// Subject is the first line of the commit (Conventional Commits).
func (d *Due) Subject() string {
	if d.Objects == 0 {
		return fmt.Sprintf("chore(seal): renew the note of %s, recipient set %d", d.Holder, d.Set.Number)
	}
	objects := "objects"
	if d.Objects == 1 {
		objects = "object"
	}
	return fmt.Sprintf("chore(seal): rewrap %d %s for %s's recipient set %d", d.Objects, objects, d.Holder, d.Set.Number)
}

// message is that of the commit, without its mark.
func (d *Due) message(sync string) string {
	var b strings.Builder
	b.WriteString(d.Subject() + "\n\n")
	if d.Objects > 0 {
		fmt.Fprintf(&b, "The wraps are those that keyring %s has offered and signed.\nNo value and no other holder's wrap has changed.\n\n", d.Holder)
	} else {
		fmt.Fprintf(&b, "The note is the one that keyring %s has signed.\n\n", d.Holder)
	}
	fmt.Fprintf(&b, "%s: %s\n%s: %d\n", trailerKeyring, d.Holder, trailerSet, d.Set.Number)
	if len(d.Old) > 0 {
		old := d.Old
		more := ""
		if len(old) > maxOld {
			old, more = old[:maxOld], fmt.Sprintf(" and %d more", len(d.Old)-maxOld)
		}
		fmt.Fprintf(&b, "%s: %s%s -> %s\n", trailerKeys, strings.Join(old, " "), more, strings.Join(d.Set.Keys, " "))
	}
	fmt.Fprintf(&b, "%s: %s\n", trailerSync, sync)
	return b.String()
}

// marked is a message with a mark, by which a commit is known again: it holds for this parent and this time alone, so that one which a person has amended or rebased, message and
// all, is not taken for one of ours.
func marked(message, sync, parent string, when int64) string {
	return fmt.Sprintf("%s%s: %s\n", message, trailerMark, markOf(sync, parent, when))
}

func markOf(sync, parent string, when int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n", sync, parent, when))
	return hex.EncodeToString(sum[:16])
}

// Made says whether a commit is one that write-back of the SecretSync NAMESPACE/NAME has made, if the agent has signed it: whoever else writes commits can write that into them, too.
func Made(c source.Commit, sync string) bool { return ours(c, sync) }

// ours says whether a commit is one that write-back of this SecretSync has made, as it was made.
func ours(c source.Commit, sync string) bool {
	if len(c.Parent) != 1 {
		return false
	}
	want := trailerMark + ": " + markOf(sync, c.Parent[0], c.When.Unix())
	for line := range strings.Lines(c.Message) {
		if strings.TrimRight(line, "\n") == want {
			return true
		}
	}
	return false
}
