package source

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	userAgent = "waxwing-agent"
	refsPath  = "/info/refs"
	// connecting is how long a connection may take to come about.
	connecting = 30 * time.Second
	// maxPage is how much of an answer that is none is read.
	maxPage = 4 << 10
)

// httpService is Git's smart HTTP protocol, version 0 (gitprotocol-http). Redirects are followed for the first request, within one server only.
type httpService struct {
	service string
	base    string // of the repository, without a / at its end
	auth    Auth
	client  *http.Client
	idle    func()
}

func dialHTTP(a address, auth Auth, service string) (*httpService, error) {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: connecting}).DialContext,
		TLSHandshakeTimeout: connecting,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        1,
	}
	if len(auth.CA) > 0 {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(auth.CA) {
			return nil, fail(HostUnknown, "ca.crt of the credentials has no certificate in it")
		}
	}
	if auth.Proxy != "" {
		proxy, err := url.Parse(auth.Proxy)
		if err != nil || proxy.Host == "" {
			return nil, fail(FetchFailed, "the proxy's address is none")
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	h := &httpService{service: service, base: strings.TrimRight(a.url.String(), "/"), auth: auth, idle: t.CloseIdleConnections}
	h.client = &http.Client{Transport: t, CheckRedirect: h.checkRedirect}
	return h, nil
}

// checkRedirect keeps requests, and with them credentials, on the server that they are for.
func (h *httpService) checkRedirect(next *http.Request, before []*http.Request) error {
	first := before[0].URL
	switch {
	case before[0].Method != http.MethodGet:
		return fail(FetchFailed, "it redirects where it should answer")
	case next.URL.Scheme != first.Scheme || !strings.EqualFold(next.URL.Host, first.Host) || next.URL.User != nil:
		return fail(FetchFailed, "it redirects to another server (%s): give the address there", h.auth.show(next.URL.Scheme+"://"+next.URL.Host))
	case len(before) >= 5:
		return fail(FetchFailed, "it redirects in a circle")
	default:
		return nil
	}
}

func (h *httpService) advertised(ctx context.Context) (io.Reader, error) {
	res, err := h.do(ctx, http.MethodGet, h.base+refsPath+"?service="+h.service, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if want := "application/x-" + h.service + "-advertisement"; res.Header.Get("Content-Type") != want {
		return nil, fail(FetchFailed, "it answers, but does not speak Git's smart protocol: is this the address of a repository?")
	}
	if at := res.Request.URL; at.Path != "" {
		base := *at
		base.RawQuery, base.RawPath, base.Path = "", "", strings.TrimSuffix(at.Path, refsPath)
		h.base = base.String()
	}
	content, err := io.ReadAll(io.LimitReader(res.Body, maxAdvertised+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxAdvertised {
		return nil, fail(RepositoryTooLarge, "the list of its branches and tags is larger than %d MiB", maxAdvertised/mib)
	}
	return bytes.NewReader(content), nil
}

func (h *httpService) ask(ctx context.Context, request []byte) (io.ReadCloser, error) {
	res, err := h.do(ctx, http.MethodPost, h.base+"/"+h.service, request)
	if err != nil {
		return nil, err
	}
	if want := "application/x-" + h.service + "-result"; res.Header.Get("Content-Type") != want {
		_ = res.Body.Close()
		return nil, fail(FetchFailed, "it does not speak Git's smart protocol")
	}
	return res.Body, nil
}

func (h *httpService) Close() error {
	h.idle()
	return nil
}

func (h *httpService) do(ctx context.Context, method, address string, body []byte) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return nil, fail(FetchFailed, "the address of the repository is none")
	}
	req.Header.Set("User-Agent", userAgent)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-"+h.service+"-request")
		req.Header.Set("Accept", "application/x-"+h.service+"-result")
	}
	username, password := h.auth.basic()
	if username != "" || password != "" {
		req.SetBasicAuth(username, password)
	}
	res, err := h.client.Do(req)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			// The address is known, and only makes the message longer.
			err = of.Err
		}
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer func() { _ = res.Body.Close() }()
		return nil, h.refused(res)
	}
	return res, nil
}

// refused is the Error for an answer that is none.
func (h *httpService) refused(res *http.Response) error {
	said := ""
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		page, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
		if text := h.auth.show(h.auth.whole(string(page), maxPage)); err == nil && text != "" {
			said = ": " + text
		}
	}
	switch res.StatusCode {
	case http.StatusUnauthorized:
		if username, password := h.auth.basic(); username == "" && password == "" {
			return fail(AuthenticationFailed, "it wants credentials%s", said)
		}
		return fail(AuthenticationFailed, "it does not take the credentials%s", said)
	case http.StatusForbidden:
		return fail(AuthenticationFailed, "it does not let these credentials do this%s", said)
	case http.StatusNotFound, http.StatusGone:
		return fail(FetchFailed, "it has no such repository, or does not show it to these credentials%s", said)
	default:
		return fail(FetchFailed, "it answers %s%s", fmt.Sprint(res.StatusCode, " ", http.StatusText(res.StatusCode)), said)
	}
}
