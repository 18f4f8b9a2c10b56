// Package vault is one Vault (or OpenBao) as one keyring sees it: reached, logged in to and asked as the Keyring says, and nothing else says.
package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// Config is what a Client needs. Nothing of it comes from a GitSecret or from Git.
type Config struct {
	Connection v1alpha1.VaultConnection
	// ServiceAccountToken makes a token of the controller's ServiceAccount for an audience.
	ServiceAccountToken func(ctx context.Context, audience string) (string, error)
	// Secret reads the data of a Secret of the controller's namespace.
	Secret func(ctx context.Context, name string) (map[string][]byte, error)
	// TokenDir is the folder of auth.tokenFile; empty: there is none.
	TokenDir string
	Now      func() time.Time
	Jitter   func() float64
	Log      *slog.Logger
}

// Answer is what Vault has answered.
type Answer struct {
	Data json.RawMessage
	// RequestID is the id by which Vault's audit log knows the request.
	RequestID string
	Warnings  []string
}

// Kind says what can be done about an Error.
type Kind string

// The kinds. All but Refused are worth trying again as they are.
const (
	Unreachable Kind = "unreachable" // no connection, no TLS, no answer in time, or a 5xx
	Locked      Kind = "locked"      // sealed, in Vault's words, or a standby without a leader
	Throttled   Kind = "throttled"   // 429, or a rate limit quota
	Denied      Kind = "denied"      // 403, also after a new login
	NoLogin     Kind = "no login"    // the login was refused, or what it takes is missing
	Missing     Kind = "missing"     // 404: no such mount, key or secret
	Conflict    Kind = "conflict"    // check-and-set did not match
	Refused     Kind = "refused"     // any other 4xx: the request makes no sense to Vault as it is set up
)

// Error is why Vault gave no answer. It prints no token, no request body and no response body but Vault's own list of errors, cut.
type Error struct {
	Kind Kind
	// Doing is the request, such as "reading transit/keys/waxwing".
	Doing  string
	Status int // of HTTP; 0 where there was no answer
	Msg    string
	// Hint says what to look at.
	Hint      string
	RequestID string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: Vault: %s", e.Doing, e.Msg) }
