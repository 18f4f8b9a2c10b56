package secret

import (
	"fmt"
	"strings"
)

// Error is a refusal of a Secret. It names fields and keys, never values.
type Error struct {
	Msg  string // lower case, no full stop
	Hint string // what the user can do about it; may be empty
}

// Error is the message without the hint.
func (e *Error) Error() string { return e.Msg }

func refuse(hint, msg string, args ...any) error {
	return &Error{Msg: fmt.Sprintf(msg, args...), Hint: hint}
}

// shown quotes a name for an error, shortened.
func shown(name string) string {
	const most = 64
	if len(name) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(name[:most], ""))
	}
	return fmt.Sprintf("%q", name)
}
