package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

var (
	// ErrTooLarge says that a file is larger than what is read, or takes too much work to be put together.
	ErrTooLarge = errors.New("is too large to be read")
	// ErrNoBlob says that there is no such file in what was fetched.
	ErrNoBlob = errors.New("its content was not fetched")
	// ErrNothingChanged says that a commit would change nothing.
	ErrNothingChanged = errors.New("nothing would change")
	// ErrNotTaken is behind the Error of a push that a server has understood and does not take, for a reason that is not known.
	ErrNotTaken = errors.New("it does not take the push")
	// ErrHistory says that the history that was fetched does not reach so far.
	ErrHistory = errors.New("the history that was fetched does not reach so far")

	// errCache says that what is in the cache does not fit together; it is made anew then.
	errCache = errors.New("the cache is broken")
)

// maxSaid bounds what is shown of a text from outside, in runes.
const maxSaid = 300

func fail(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Msg: fmt.Sprintf(format, args...)}
}

// clean makes one line of a text from outside.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		default:
			return r
		}
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxSaid {
		text = string(runes[:maxSaid]) + "…"
	}
	return text
}

// explain is the Error for whatever went wrong on the way to a server and back. Only ends of contexts stay behind it, so that what a server has said is shown in one form alone.
func explain(err error, auth Auth, limits Limits) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return &Error{Reason: known.Reason, Msg: auth.scrub(known.Msg), Err: known.Err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Reason: TimedOut, Msg: fmt.Sprintf("it took longer than %s", limits.Timeout), Err: context.DeadlineExceeded}
	case errors.Is(err, context.Canceled):
		return &Error{Reason: FetchFailed, Msg: "the agent is ending", Err: context.Canceled}
	case errors.Is(err, pack.ErrLimit):
		return fail(RepositoryTooLarge, "what it sends is %v", err)
	case errors.Is(err, pack.ErrMalformed):
		return fail(RepositoryUnsafe, "what it sends is %v", err)
	case errors.Is(err, pack.ErrTorn), errors.Is(err, pack.ErrNoObject), errors.Is(err, errCache):
		return &Error{Reason: FetchFailed, Msg: fmt.Sprintf("what it sends is not whole: %v", err), Err: errCache}
	case untrusted(err):
		return fail(HostUnknown, "its certificate is not one of those that are trusted: %s%s", clean(err.Error()), remedy(err))
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		return fail(TimedOut, "it does not answer: %s", clean(auth.scrub(err.Error())))
	}
	return fail(FetchFailed, "%s", clean(auth.scrub(err.Error())))
}

// remedy is what to do about a certificate, if something is known to help.
func remedy(err error) string {
	if authority := (x509.UnknownAuthorityError{}); errors.As(err, &authority) {
		return "; the file ca.crt of the credentials can name its authority"
	}
	return ""
}

// untrusted says whether an error is about a certificate.
func untrusted(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid)
}
