package vault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// connectTimeout is the least that a connection, and then its handshake, is waited for.
	connectTimeout = 5 * time.Second
	idleTimeout    = 90 * time.Second
	// maxAnswer is how long an answer may be, in bytes: far more than a batch of keys.
	maxAnswer = 4 << 20
)

var errTooLong = errors.New("the answer is longer than that of a Vault")

// newTransport gives the way to Vault that the Keyring says, and what is wrong with that.
func newTransport(cfg Config, certs *certificate) (*http.Client, *Error) {
	conn := cfg.Connection
	bad := func(msg, hint string) *Error {
		return &Error{Kind: Refused, Doing: "reaching Vault", Msg: msg, Hint: hint, at: place(conn)}
	}
	// Who waits longer for an answer waits longer for a connection, too.
	connect := max(connectTimeout, cfg.Timeout/2)
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: conn.ServerName}
	// HTTP/1.1 alone: over HTTP/2 a refusal during the handshake has no words.
	// Proxy stays nil without one in the Keyring: the environment's does not count.
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: connect}).DialContext,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: connect,
		IdleConnTimeout:     idleTimeout,
		MaxIdleConnsPerHost: 4,
	}
	client := &http.Client{
		Transport:     bounded{transport},
		Timeout:       cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	address, err := url.Parse(conn.Address)
	switch {
	case err != nil || address.Host == "" || address.User != nil || (address.Scheme != "https" && address.Scheme != "http"):
		return client, bad("its address is none", "write it as https://HOST:PORT")
	case address.Scheme == "http" && !conn.AllowHTTP:
		return client, bad("its address begins with http://, which shows tokens and keys to the network", "use https://, or set allowHTTP in the Keyring if the network is trusted")
	}
	if conn.CABundle != "" {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM([]byte(conn.CABundle)) {
			return client, bad("caBundle has no certificate in PEM", "write the certificates themselves into the Keyring, not the path of a file and not base64 of PEM")
		}
	}
	if conn.ClientCertificate != nil {
		tlsConfig.GetClientCertificate = certs.get
	}
	if conn.Proxy != "" {
		proxy, err := url.Parse(strings.TrimSuffix(conn.Proxy, "/"))
		if err != nil || proxy.Host == "" {
			return client, bad("proxy is not the address of one", "write it as http://HOST:PORT")
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	return client, nil
}

// bounded bounds the length of answers, also of those that the library reads by itself.
type bounded struct{ next *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		resp.Body = &limited{ReadCloser: resp.Body, left: maxAnswer}
	}
	return resp, err
}

// CloseIdleConnections is for http.Client's.
func (b bounded) CloseIdleConnections() { b.next.CloseIdleConnections() }

type limited struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.left -= n; l.left < 0 {
		return 0, errTooLong
	}
	return n, err
}
