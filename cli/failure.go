package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo"
)

// Exit codes. The table in the root command's help says the same.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoIdentity  = 3
	exitTampered    = 4
	exitFindings    = 5
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

// findings ends a command with exitFindings. There is nothing to say: the command has written its report.
func findings() error { return &failure{code: exitFindings} }

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
		r *repo.Error
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
	case errors.As(err, &r):
		return r.Hint
	}
	return ""
}

// report writes err to w: one line for each error, hints after it. A hint that repeats is written once, where it comes last.
func report(w io.Writer, err error) {
	all := split(err)
	for i, e := range all {
		if e.Error() == "" {
			continue
		}
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

// maxMessage bounds a message, in bytes: a file or a server may bring more than anybody reads.
const maxMessage = 4 << 10

// message writes one line with a prefix. Line breaks in text become semicolons, so that what a file or a server brings cannot pass for another message;
// characters that a terminal does not just print, such as those that turn the direction of writing, are shown as such.
func message(w io.Writer, prefix, text string) {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "; ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	_, _ = fmt.Fprintf(w, "%s%s\n", prefix, strings.Map(visible, text))
}

func visible(r rune) rune {
	if !unicode.IsPrint(r) {
		return unicode.ReplacementChar
	}
	return r
}

// maxShown is how much of a name from a document goes into a message, in bytes.
const maxShown = 64

// shown is a name from a document, for messages: as it is where it is what Kubernetes allows, else cut and quoted.
func shown(name string) string {
	switch {
	case len(name) > maxShown:
		return fmt.Sprintf("%q…", strings.ToValidUTF8(name[:maxShown], ""))
	case strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(plainChars, r) }):
		return fmt.Sprintf("%q", name)
	}
	return name
}

const plainChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/"

// withWayOut adds to errors of replacing a file what else can be done.
func withWayOut(err error) error {
	if err == nil {
		return nil
	}
	var all []error
	for _, e := range split(err) {
		hint := ""
		switch {
		case errors.Is(e, syscall.EBUSY):
			hint = "a file that is mounted by itself cannot be replaced: print the result with --out - (without -w), and copy it there"
		case errors.Is(e, fs.ErrPermission), errors.Is(e, syscall.EROFS):
			hint = "the new file is written beside the old one, and that folder is not writable: print the result with --out - (without -w)"
		}
		if hint != "" {
			e = failed(hint, "%v", e)
		}
		all = append(all, e)
	}
	return errors.Join(all...)
}
