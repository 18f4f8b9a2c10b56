// Package vault is one Vault (or OpenBao) as one keyring sees it: reached, logged in to and asked as the Keyring says, and nothing else says.
//
// A Client makes no request before it is asked something. It logs in when it has to, one login at a time, renews its token while Vault lets it, and logs in again when
// that ends or the token is gone. While Vault is away it is asked once in a few seconds, however many want something of it; they get the last error at once.
// Tokens live in memory only. The environment counts for nothing: no VAULT_… and no proxy from there.
package vault

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
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
	// Timeout is how long an answer is waited for; 0: 10 seconds. The caller's context may be shorter.
	Timeout time.Duration
	Now     func() time.Time
	// Jitter gives numbers in [0, 1).
	Jitter func() float64
	Log    *slog.Logger
}

// Answer is what Vault has answered.
type Answer struct {
	// Data is the member `data` of the answer; empty where it has none.
	Data json.RawMessage
	// RequestID is the id by which Vault's audit log knows the request.
	RequestID string
	Warnings  []string
}

const (
	defaultTimeout = 10 * time.Second
	// revokeTimeout bounds the goodbye of Close.
	revokeTimeout = 2 * time.Second
)

// Client asks one Vault. It is safe for concurrent use. Every request's id goes to keyring.NoteRequest.
type Client struct {
	cfg    Config
	http   *http.Client
	certs  *certificate
	broken *Error // what is wrong with cfg
	reach  gate   // whether Vault answers at all
	logins gate
	turn   chan struct{} // who has it in hand may log in

	mu     sync.Mutex
	now    *session
	closed bool
}

// New gives a Client. It makes no request; what is wrong with cfg is told when the Client is used.
func New(cfg Config) *Client {
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	c := &Client{cfg: cfg, turn: make(chan struct{}, 1)}
	c.reach, c.logins = newGate(cfg, maxReachPause, func(e *Error) bool { return e.away }), newGate(cfg, maxLoginPause, func(e *Error) bool { return e.Kind == NoLogin })
	c.certs = newCertificate(cfg)
	c.http, c.broken = newTransport(cfg, c.certs)
	if c.broken == nil {
		_, c.broken = c.newAPI("")
	}
	return c
}

// Check says what is wrong with the connection as the Keyring has it; nil where that can only be found out by asking.
func (c *Client) Check() *Error { return c.broken }

// Read reads path, which may end in a query such as `?version=3`. A *Error of kind Missing may come with an Answer: what Vault still knows, such as when it was deleted.
func (c *Client) Read(ctx context.Context, path string) (*Answer, error) {
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, c.error(Refused, "reading "+path, "the query of the path is malformed", "")
	}
	return c.do(ctx, request{doing: "reading " + path, again: true, ask: func(l *api.Logical, ctx context.Context) (*api.Response, error) {
		return l.ReadRawWithDataWithContext(ctx, path, values)
	}})
}

// List gives the names in the folder path, those of folders with a slash at their end; none where there is nothing.
func (c *Client) List(ctx context.Context, path string) ([]string, error) {
	doing := "listing " + path
	a, err := c.do(ctx, request{doing: doing, again: true, ask: func(l *api.Logical, ctx context.Context) (*api.Response, error) {
		return l.ReadRawWithDataWithContext(ctx, path, url.Values{"list": {"true"}})
	}})
	if e := (*Error)(nil); asError(err, &e) && e.Kind == Missing && e.silent {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names struct {
		Keys []string `json:"keys"`
	}
	if err := json.Unmarshal(a.Data, &names); err != nil {
		return nil, c.error(Unreachable, doing, "the answer is not that of a Vault", hintNoVault)
	}
	return names.Keys, nil
}

// Write writes body to path, which also is how Vault is asked to encrypt, decrypt or sign.
func (c *Client) Write(ctx context.Context, path string, body map[string]any) (*Answer, error) {
	doing := "writing " + path
	raw, err := json.Marshal(body)
	if err != nil {
		// Not the error, which may quote.
		return nil, c.error(Refused, doing, "the request cannot be put into JSON", "")
	}
	return c.do(ctx, request{doing: doing, hide: texts(raw), ask: func(l *api.Logical, ctx context.Context) (*api.Response, error) {
		return l.WriteRawWithContext(ctx, path, raw)
	}})
}

// Delete deletes path.
func (c *Client) Delete(ctx context.Context, path string) error {
	_, err := c.do(ctx, request{doing: "deleting " + path, ask: func(l *api.Logical, ctx context.Context) (*api.Response, error) {
		return l.DeleteRawWithContext(ctx, path)
	}})
	return err
}

// Close ends the session, and tells Vault so if that is possible at once. The Client answers nothing any more.
func (c *Client) Close() {
	c.mu.Lock()
	s := c.now
	c.now, c.closed = nil, true
	c.mu.Unlock()
	if s != nil {
		s.revoke()
		s.stop()
	}
	c.http.CloseIdleConnections()
}

// request is one question to Vault, which may be asked twice.
type request struct {
	doing string
	// again says that asking twice does no harm, where it is not known whether Vault has heard it.
	again bool
	// hide are texts that Vault's words are not quoted with, nor with parts of them.
	hide []string
	ask  func(*api.Logical, context.Context) (*api.Response, error)
}

// do asks, and once more with a new login if the token is gone.
func (c *Client) do(ctx context.Context, r request) (*Answer, error) {
	if c.broken != nil {
		return nil, c.broken.while(r.doing)
	}
	s, err := c.session(ctx, r.doing)
	if err != nil {
		return nil, err
	}
	r.hide = append(r.hide, s.token)
	a, err := c.ask(ctx, s.logical(), r)
	e := (*Error)(nil)
	if !asError(err, &e) || e.Kind != Denied || !s.gone(e, c.cfg.Now()) {
		return a, err
	}
	c.drop(s)
	again, loginErr := c.session(ctx, r.doing)
	if loginErr != nil {
		return nil, loginErr
	}
	if again == s { // the token in the file is the one that was refused
		return a, err
	}
	if !e.badToken() {
		s.giveBack()
	}
	r.hide = append(r.hide, again.token)
	return c.ask(ctx, again.logical(), r)
}

// ask asks once, and again if Vault has refused a client certificate that may have been renewed.
func (c *Client) ask(ctx context.Context, l *api.Logical, r request) (*Answer, error) {
	if err := c.reach.pass(r.doing); err != nil {
		return nil, err
	}
	a, err := c.once(ctx, l, r)
	if e := (*Error)(nil); asError(err, &e) && (e.handshake || e.cut) && c.certs.forget() {
		c.http.CloseIdleConnections()
		if e.handshake || r.again {
			a, err = c.once(ctx, l, r)
		}
	}
	c.reach.report(err)
	return a, err
}

func (c *Client) once(ctx context.Context, l *api.Logical, r request) (*Answer, error) {
	limited, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	resp, err := r.ask(l, limited)
	if resp == nil || resp.Response == nil {
		return nil, c.noAnswer(ctx, r, err)
	}
	defer resp.Body.Close()
	a, err := c.read(ctx, r, resp)
	if a != nil {
		keyring.NoteRequest(ctx, a.RequestID)
	}
	return a, err
}

// newAPI gives the library's client with a token.
func (c *Client) newAPI(token string) (*api.Client, *Error) {
	// The library's own retries are off, and a redirect is not followed, because the token would go with it.
	client, err := api.NewClient(&api.Config{Address: c.cfg.Connection.Address, HttpClient: c.http, DisableRedirects: true})
	if err != nil {
		return nil, c.error(Refused, "reaching Vault", "the library for Vault cannot be set up: "+clean(err.Error()), "take variables VAULT_… out of the controller's environment: they count for nothing, but the library reads them")
	}
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if ns := c.cfg.Connection.Namespace; ns != "" {
		client.SetNamespace(string(ns))
	}
	client.SetToken(token)
	return client, nil
}
