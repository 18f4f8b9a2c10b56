package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/hashicorp/vault/api"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

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
	Refused     Kind = "refused"     // any other 4xx: the request makes no sense to Vault as it is set up; or the Keyring's connection makes none
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

	at        string // address and namespace
	silent    bool   // a 404 without a word: the mount is there
	handshake bool   // TLS was refused by the other side
	cut       bool   // the connection ended before the answer, which may be such a refusal too
	away      bool   // Vault as a whole does not answer
	wait      string // header Retry-After
	cause     error  // of the caller's context
}

// KindOf is the kind of an Error; empty for any other.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: Vault at %s: %s", e.Doing, e.at, e.Msg)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap gives the error of the caller's context, if that has ended.
func (e *Error) Unwrap() error { return e.cause }

// while is e for another request that ran into the same.
func (e *Error) while(doing string) *Error {
	same := *e
	same.Doing = doing
	return &same
}

func asError(err error, e **Error) bool { return errors.As(err, e) }

func (c *Client) error(kind Kind, doing, msg, hint string) *Error {
	return &Error{Kind: kind, Doing: doing, Msg: msg, Hint: hint, at: place(c.cfg.Connection)}
}

// place is how a Vault is named.
func place(conn v1alpha1.VaultConnection) string {
	if conn.Namespace == "" {
		return conn.Address
	}
	return conn.Address + ", namespace " + string(conn.Namespace)
}

// The hints.
const (
	hintAway      = "see that Vault runs, that the Keyring has its address, and that the network lets the controller's pod reach it"
	hintSlow      = "see how Vault and its storage do, and what lies between"
	hintNoVault   = "see that address is that of Vault, and not of something in front of it"
	hintRedirect  = "that is a standby that does not forward: have address name the active node or a load balancer, because a token does not follow a redirect"
	hintLocked    = "unlock it: vault operator unseal"
	hintNew       = "set it up: vault operator init"
	hintStandby   = "it has no active node: see how its other nodes do"
	hintThrottled = "raise the rate limit quota of the controller in Vault (vault read sys/quotas/rate-limit/NAME)"
	// Vault answers the same where there is no such mount.
	hintDenied    = "compare the policies of the controller's role with those in docs/vault.md (vault token capabilities shows what a token may), and mount in the Keyring with vault secrets list"
	hintMount     = "see that mount in the Keyring is the path of the engine (vault secrets list)"
	hintAuthMount = "see that mount in auth is the path of the auth method (vault auth list)"
	hintCA        = "set caBundle in the Keyring to the certificates of the CA that has signed Vault's"
	hintName      = "Vault's certificate is for another name: have address or serverName in the Keyring say one that it has"
	hintExpired   = "renew Vault's certificate, or set the clock"
	hintClient    = "Vault wants, or does not take, the controller's certificate: see clientCertificate in the Keyring and its Secret"
	hintCut       = "see that Vault runs and what lies between; one that wants a certificate of its clients, or does not take the one in clientCertificate, may end a connection like this"
	hintPlain     = "address begins with https:// and Vault speaks HTTP there"
	hintTLS       = "address begins with http:// and Vault speaks TLS there"
)

// noAnswer is the error of a request without an answer.
func (c *Client) noAnswer(ctx context.Context, r request, err error) error {
	doing := r.doing
	if ours := (*Error)(nil); asError(err, &ours) { // from the making of a connection
		return ours.while(doing)
	}
	if ctx.Err() != nil {
		e := c.error(Unreachable, doing, "no answer in the time that there was", "")
		e.cause = ctx.Err()
		return e
	}
	msg, hint := explain(err)
	e := c.error(Unreachable, doing, hidden(msg, r.hide), hint)
	e.handshake, e.cut, e.away = hint == hintClient, hint == hintCut, true
	return e
}

// explain puts an error of the network into words. The library's text also has the address, and everything below it.
func explain(err error) (msg, hint string) {
	var (
		timeout   net.Error
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		operation *net.OpError
		resolving *net.DNSError
	)
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case errors.As(err, &authority):
		return "its certificate is signed by an unknown authority", hintCA
	case errors.As(err, &name):
		return "its certificate is not for " + clean(name.Host), hintName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet", hintExpired
	case errors.As(err, &invalid):
		return "its certificate cannot be used: " + clean(invalid.Error()), hintCA
	case errors.As(err, &alert), strings.Contains(text, "remote error: tls:"):
		return "it refused the TLS connection: " + clean(after(text, "remote error: ")), hintClient
	case errors.As(err, &record), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return "it does not speak TLS", hintPlain
	case errors.As(err, &resolving): // also where the resolver has not answered in time
		return "the name " + clean(resolving.Name) + " cannot be resolved", hintAway
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time", hintSlow
	case errors.Is(err, errTooLong):
		return errTooLong.Error(), hintNoVault
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return "the connection ended before the answer", hintCut
	case errors.As(err, &operation):
		return "cannot be reached: " + clean(operation.Err.Error()), hintAway
	}
	return "cannot be reached: " + clean(after(text, `": `)), hintAway
}

func after(text, mark string) string {
	if i := strings.LastIndex(text, mark); i >= 0 {
		return text[i+len(mark):]
	}
	return text
}

// answer is the part of Vault's answers that counts here.
type answer struct {
	RequestID string          `json:"request_id"`
	Data      json.RawMessage `json:"data"`
	Warnings  []string        `json:"warnings"`
	Errors    []string        `json:"errors"`
}

// read reads an answer.
func (c *Client) read(ctx context.Context, r request, resp *api.Response) (*Answer, error) {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, c.noAnswer(ctx, r, err)
	}
	var said answer
	decoded := json.Unmarshal(body, &said) == nil
	if string(said.Data) == "null" {
		said.Data = nil
	}
	if !requestID.MatchString(said.RequestID) || hidden(said.RequestID, r.hide) != said.RequestID {
		said.RequestID = "" // it would go into the audit log
	}
	a := &Answer{Data: said.Data, RequestID: said.RequestID, Warnings: said.Warnings}
	switch {
	case resp.StatusCode == http.StatusNoContent:
		return &Answer{}, nil
	case resp.StatusCode/100 == 2 && decoded:
		return a, nil
	}
	e := c.error("", r.doing, words(said.Errors, r.hide, resp.StatusCode), "")
	e.Status, e.RequestID, e.wait = resp.StatusCode, said.RequestID, resp.Header.Get("Retry-After")
	e.classify(said.Errors, decoded)
	if e.Kind == Missing && len(said.Data) > 0 {
		return a, e
	}
	return nil, e
}

// classify sets Kind and Hint by what Vault has said.
func (e *Error) classify(said []string, decoded bool) {
	text := strings.ToLower(strings.Join(said, "\n"))
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("vault is sealed"):
		e.Kind, e.Hint, e.Msg, e.away = Locked, hintLocked, "it is locked", true
	case e.Status == http.StatusNotImplemented, has("not initialized"):
		e.Kind, e.Hint, e.Msg, e.away = Locked, hintNew, "it was never set up", true
	case has("node not found", "node is not active", "no active"):
		e.Kind, e.Hint, e.away = Locked, hintStandby, true
	case e.Status == http.StatusTooManyRequests, has("rate limit quota exceeded"):
		e.Kind, e.Hint, e.away = Throttled, hintThrottled, true
	case e.Status/100 == 3:
		e.Kind, e.Hint, e.Msg, e.away = Unreachable, hintRedirect, fmt.Sprintf("it answers with a redirect (%d)", e.Status), true
	case e.Status == http.StatusForbidden && decoded:
		e.Kind, e.Hint = Denied, hintDenied
	case e.Status == http.StatusNotFound && has("no handler for route", "unsupported path", "route entry not found"):
		e.Kind, e.Hint = Missing, hintMount
	case e.Status == http.StatusNotFound && decoded:
		e.Kind, e.silent = Missing, len(said) == 0
	case has("check-and-set parameter did not match"):
		e.Kind = Conflict
	case e.Status == http.StatusPreconditionFailed:
		e.Kind, e.Hint = Unreachable, hintSlow // a standby that is behind
	case e.Status == http.StatusBadRequest && !decoded && strings.HasPrefix(e.at, "http:"):
		e.Kind, e.Hint = Refused, hintTLS
	case e.Status/100 == 4 && decoded:
		e.Kind = Refused
	case e.Status >= 500:
		e.Kind, e.Hint = Unreachable, hintSlow
		e.away = e.Status != http.StatusInternalServerError // that may be about this one request
	default:
		e.Kind, e.Hint, e.away = Unreachable, hintNoVault, true
	}
}
