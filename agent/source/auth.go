package source

import (
	"encoding/base64"
	"fmt"
	"io"
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

// scrub takes out of a text from outside what must not be shown: a server may say back what it was sent.
func (a Auth) scrub(text string) string {
	username, password := a.basic()
	// As HTTP sends it, too.
	for _, secret := range []string{base64.StdEncoding.EncodeToString([]byte(username + ":" + password)), a.Password, a.Token} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	return text
}
