package manifest

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrNotFound is what Delete returns, wrapped, for a path that names no entry.
var ErrNotFound = errors.New("no such entry")

// errLayout marks text whose layout this package cannot map to its nodes; an
// edit then falls back to rendering, or is refused.
var errLayout = errors.New("layout not understood")

// Error is a refusal to parse, read or edit a document. It names places and
// keys and never holds a scalar value of the document.
type Error struct {
	File string // as given to Parse
	Line int    // counted from 1 in the file; 0 when the whole file is meant
	Doc  int    // counted from 1; 0 when the whole file is meant
	Msg  string // lower case, no full stop
	Hint string // what to do about it; may be empty

	cause error
}

// Error returns "FILE:LINE: msg", or "FILE: msg" without a line. The hint is
// not part of it.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// Unwrap returns the sentinel behind the refusal (ErrNotFound), or nil.
func (e *Error) Unwrap() error { return e.cause }

// problem is a refusal inside one document: an Error before its file and line
// are known.
type problem struct {
	off   int // byte offset in the document's text
	msg   string
	hint  string
	cause error
}

func problemf(off int, format string, args ...any) *problem {
	return &problem{off: off, msg: fmt.Sprintf(format, args...)}
}

// maxShownName bounds the key names that errors show.
const maxShownName = 80

// shown quotes the name of a key for an error, shortened.
func shown(name string) string {
	if len(name) <= maxShownName {
		return fmt.Sprintf("%q", name)
	}
	cut := maxShownName
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return fmt.Sprintf("%q...", name[:cut])
}
