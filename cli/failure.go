package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// Exit codes. The table in the root command's help says the same.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoIdentity  = 3
	exitTampered    = 4
	exitInterrupted = 130
)

// failure is an error with a way out, and with an exit code where it is not exitFailed.
type failure struct {
	msg, hint string
	code      int
}

func (f *failure) Error() string { return f.msg }

func failed(hint, format string, args ...any) error {
	return &failure{msg: fmt.Sprintf(format, args...), hint: hint, code: exitFailed}
}

func usage(hint, format string, args ...any) error {
	return &failure{msg: fmt.Sprintf(format, args...), hint: hint, code: exitUsage}
}

// exitCode is the exit code for err; for several errors the highest of theirs.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	for _, e := range split(err) {
		var f *failure
		switch {
		case errors.As(e, &f):
			code = max(code, f.code)
		case errors.Is(e, seal.ErrNoKey):
			code = max(code, exitNoIdentity)
		case errors.Is(e, seal.ErrTampered), errors.Is(e, seal.ErrScope), errors.Is(e, seal.ErrSignature):
			code = max(code, exitTampered)
		}
	}
	return code
}

// split takes apart what errors.Join has joined.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, split(e)...)
	}
	return all
}

// hint is what the user can do about err; empty where nobody said.
func hint(err error) string {
	var (
		f *failure
		s *secret.Error
		k *seal.Error
		m *manifest.Error
	)
	switch {
	case errors.As(err, &f):
		return f.hint
	case errors.As(err, &s):
		return s.Hint
	case errors.As(err, &k):
		return k.Hint
	case errors.As(err, &m):
		return m.Hint
	}
	return ""
}

// report writes err to w: one line for each error, hints after it. A hint that repeats is written once, where it comes last.
func report(w io.Writer, err error) {
	all := split(err)
	for i, e := range all {
		message(w, "seal: ", e.Error())
		h := hint(e)
		again := slices.ContainsFunc(all[i+1:], func(later error) bool { return hint(later) == h })
		if h != "" && !again {
			message(w, "hint: ", h)
		}
	}
}

// warn writes warnings to w.
func warn(w io.Writer, warnings ...string) {
	for _, text := range warnings {
		message(w, "seal: warning: ", text)
	}
}

// message writes lines with a prefix. Control characters, which a file name or a server may bring, are shown as such.
func message(w io.Writer, prefix, text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		_, _ = fmt.Fprintf(w, "%s%s\n", prefix, strings.Map(visible, line))
	}
}

func visible(r rune) rune {
	if unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}
