package source

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Auth is what a server is shown, and what it has to show. Nothing comes from anywhere else: no environment, no SSH agent, no files of a user. It prints as [redacted].
type Auth struct {
	// Username and Password are for HTTPS. Token is a password that needs no name: where there is no Username, "x-access-token" is sent, which GitHub wants and others pass over.
	Username, Password, Token string
	// CA is what certificates of HTTPS servers have to be signed by, in PEM. Empty: the authorities of the system.
	CA []byte
	// Proxy is the address of a proxy for HTTPS, with user and password if it wants them.
	Proxy string
	// Identity is an SSH private key without a passphrase; KnownHosts are lines of known_hosts. SSH needs both.
	Identity, KnownHosts []byte
	// InsecureHTTP lets http:// be used.
	InsecureHTTP bool
}

// Format prints nothing of it.
func (Auth) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalJSON is for loggers.
func (Auth) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

// basic is what HTTPS servers are sent; empty without credentials.
func (a Auth) basic() (username, password string) {
	switch {
	case a.Token != "" && a.Username == "":
		return "x-access-token", a.Token
	case a.Token != "":
		return a.Username, a.Token
	default:
		return a.Username, a.Password
	}
}

// secrets are what a server is sent and must not be shown, the longest first: one may be the beginning of another.
func (a Auth) secrets() []string {
	var all []string
	username, password := a.basic()
	if username != "" || password != "" {
		// As HTTP sends it.
		all = append(all, base64.StdEncoding.EncodeToString([]byte(username+":"+password)))
	}
	all = slices.DeleteFunc(append(all, a.Password, a.Token), func(s string) bool { return s == "" })
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

// scrub takes out of a text from outside what must not be shown: a server may say back what it was sent.
func (a Auth) scrub(text string) string {
	for _, secret := range a.secrets() {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	return text
}

// show makes one line of what a server says, without secrets. It is cut last of all, so that no beginning of a secret is left.
func (a Auth) show(text string) string {
	// As one line it may have a secret in it again, whose spaces were other ones.
	return cut(a.scrub(oneLine(a.scrub(text))))
}

// whole scrubs a text of which no more than some bytes were read: where there may have been more, it takes off as much of the end as the beginning of a secret may have.
func (a Auth) whole(text string, most int) string {
	more := len(text) >= most
	text = a.scrub(text)
	if secrets := a.secrets(); more && len(secrets) > 0 {
		text = text[:max(0, len(text)-len(secrets[0]))]
	}
	return text
}
