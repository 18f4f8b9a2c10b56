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
	maxHeader  = 64 << 10
	maxMessage = 300 // bytes of what a server says of an error
)

// client sends requests to one server.
type client struct {
	base   string // without a / at its end
	http   *http.Client
	header http.Header
	token  string
}

func newClient(a Access) (*client, error) {
	u, err := url.Parse(a.URL)
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
	h := &http.Client{Transport: t, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &client{base: strings.TrimRight(a.URL, "/"), http: h, header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"waxwing-agent"}}, token: a.Token}, nil
}

func (c *client) below(path string) { c.base += path }

func (c *client) host() string {
	u, err := url.Parse(c.base)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// answerError is an answer that says no.
type answerError struct {
	status int
	msg    string
}

// Error is what was asked, and what the server says.
func (e *answerError) Error() string { return e.msg }

// do sends a request and reads the answer into out, if that is not nil.
func (c *client) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	to := c.base + path
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return fmt.Errorf("%s %s: cannot be asked", method, c.base+path)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, c.base+path, c.cause(err))
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: the answer ended early", method, c.base+path)
	case len(b) > maxAnswer:
		return fmt.Errorf("%s %s: the answer has more than %d MiB", method, c.base+path, maxAnswer>>20)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return c.refused(method+" "+c.base+path, res, b)
	case out == nil:
		return nil
	}
	if json.Unmarshal(b, out) != nil {
		return fmt.Errorf("%s %s: the answer is none of such a forge: look at spec.writeBack.forge", method, c.base+path)
	}
	return nil
}

// cause is why a request failed, without the address, which is said already.
func (c *client) cause(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
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
