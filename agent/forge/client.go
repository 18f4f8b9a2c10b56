package forge

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

const (
	timeout    = 30 * time.Second
	maxAnswer  = 8 << 20 // bytes
	maxValues  = 1 << 14 // objects and elements of lists in it, each of which takes up to a kilobyte once it is read; a hundred requests of a forge have some thousands
	maxTokens  = 1 << 18 // words of it, names of members among them, which a library may keep in maps
	maxRefusal = 64 << 10
	maxHeader  = 64 << 10
	maxMessage = 300 // bytes of what a server says of an error
)

// client is what the libraries of forges send their requests by. They are given no token: it is put on here, where it is known which server it goes to.
type client struct {
	base   *url.URL // where the server's interface is
	http   *http.Client
	header http.Header // with the token
	token  string
}

func newClient(a Access) (*client, error) {
	u, err := url.Parse(strings.TrimRight(a.URL, "/"))
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the forge's address is none such as https://git.example.com")
	case u.Scheme == "http" && !a.InsecureHTTP:
		return nil, errors.New("the forge's address begins with http://, by which anyone on the way sees the token: use https://")
	case a.Token == "":
		return nil, errors.New("the credentials have no token for the forge: a file forge-token or token")
	case strings.ContainsFunc(a.Token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, errors.New("the credentials' token for the forge has characters that no token has")
	}
	t := &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout,
		MaxResponseHeaderBytes: maxHeader, MaxIdleConnsPerHost: 1, IdleConnTimeout: timeout, ForceAttemptHTTP2: true,
	}
	if len(a.CA) > 0 {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(a.CA) {
			return nil, errors.New("ca.crt of the credentials has no certificate")
		}
	}
	if a.Proxy != "" {
		proxy, err := url.Parse(a.Proxy)
		if err != nil {
			return nil, errors.New("the proxy's address is none such as http://proxy.example.com:3128")
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	c := &client{base: u, header: http.Header{"User-Agent": {"waxwing-agent"}}, token: a.Token}
	c.http = &http.Client{Transport: &carrier{c, t}, Timeout: timeout}
	return c, nil
}

// carrier carries requests to the one server, with the token. What it gives back is whole, bounded and an answer that says yes; all else is an *answerError or a *sendError.
type carrier struct {
	c    *client
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	asked := req.Method + " " + req.URL.Scheme + "://" + req.URL.Host + req.URL.EscapedPath()
	if req.URL.Scheme != t.c.base.Scheme || req.URL.Host != t.c.base.Host {
		return nil, &sendError{asked, errors.New("is not the server that the token is for")}
	}
	req = req.Clone(req.Context())
	for name, values := range t.c.header {
		req.Header[name] = values
	}
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, &sendError{asked, t.c.cause(err)}
	}
	defer func() { _ = res.Body.Close() }()
	yes := res.StatusCode >= 200 && res.StatusCode <= 299
	most := maxAnswer
	if !yes {
		most = maxRefusal
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, int64(most)+1))
	switch {
	case err != nil:
		err = errors.New("the answer ended early")
	case !yes:
		return nil, t.c.refused(asked, res, b)
	case len(b) > most:
		err = fmt.Errorf("the answer has more than %d MiB", most>>20)
	default:
		err = readable(b)
	}
	if err != nil {
		return nil, &sendError{asked, err}
	}
	res.Body = io.NopCloser(bytes.NewReader(b))
	return res, nil
}

// readable refuses an answer that the libraries would need much memory for, or have nil of: null for what was asked for, or for an element of a list of it. What is no JSON
// is left to them.
func readable(answer []byte) error {
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()           // a number that fits nowhere is no mistake to the libraries' decoders: they go on behind it
	var within []json.Delim // what the next token is in
	for values, tokens := 0, 0; ; tokens++ {
		token, err := d.Token()
		if err != nil {
			return nil
		}
		inList := len(within) > 0 && within[len(within)-1] == '['
		switch token {
		case json.Delim(']'), json.Delim('}'):
			within = within[:len(within)-1]
		case json.Delim('['), json.Delim('{'):
			within = append(within, token.(json.Delim))
			values++
		case nil:
			values++
			if len(within) == 0 || len(within) == 1 && inList {
				return errors.New("the answer has null for what was asked for, so it is none of such a forge: look at spec.writeBack.forge")
			}
		default:
			if inList {
				values++
			}
		}
		switch {
		case values > maxValues:
			return fmt.Errorf("the answer has more than %d values", maxValues)
		case tokens > maxTokens:
			return fmt.Errorf("the answer has more than %d words", maxTokens)
		}
		if len(within) == 0 {
			return nil
		}
	}
}

// sendError is a request that got no answer.
type sendError struct {
	asked string
	err   error
}

// Error is what was asked, and what came of it.
func (e *sendError) Error() string { return e.asked + ": " + e.err.Error() }

// Unwrap gives what is behind it.
func (e *sendError) Unwrap() error { return e.err }

// answerError is an answer that says no.
type answerError struct {
	status int
	msg    string
}

// Error is what was asked, and what the server says.
func (e *answerError) Error() string { return e.msg }

// explain is an error of a library without what it adds: parts of that may be from outside.
func (c *client) explain(err error) error {
	var answer *answerError
	var sent *sendError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return answer
	case errors.As(err, &sent):
		return sent
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", c.base, err)
	}
	return fmt.Errorf("%s: the answer is none of such a forge: look at spec.writeBack.forge", c.base)
}

// cause is why a request failed.
func (c *client) cause(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errors.New(c.clean(err.Error()))
}

// refused is the error for an answer that is none.
func (c *client) refused(asked string, res *http.Response, body []byte) error {
	var said struct {
		Message any `json:"message"`
		Error   any `json:"error"`
	}
	msg := fmt.Sprintf("%s: %d", asked, res.StatusCode)
	switch status := res.StatusCode; {
	case status >= 300 && status < 400:
		msg += ": it sends on to " + c.clean(redirectHost(res)) + ", where the token is not sent: name that server, or the repository's present name, in spec.writeBack.forge"
	case json.Unmarshal(body, &said) == nil && said.Message != nil:
		msg += ": " + c.clean(fmt.Sprint(said.Message))
	case said.Error != nil:
		msg += ": " + c.clean(fmt.Sprint(said.Error))
	}
	return &answerError{res.StatusCode, msg}
}

func redirectHost(res *http.Response) string {
	if at, err := res.Location(); err == nil {
		return at.Scheme + "://" + at.Host
	}
	return "elsewhere"
}

// clean is a text from outside as it may be shown: short, printable, and without the token, which a server may say back.
func (c *client) clean(text string) string {
	text = strings.ReplaceAll(text, c.token, "[redacted]")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}
