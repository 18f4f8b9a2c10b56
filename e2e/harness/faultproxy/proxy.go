package faultproxy

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Proxy is a running proxy. Safe for concurrent use.
type Proxy struct {
	server  *httptest.Server
	forward *httputil.ReverseProxy

	mu      sync.Mutex
	faults  []*Active
	streams map[*stream]struct{}
	holds   []*hold
	down    bool
	number  int
	records []*Record
}

// Record is a request and what became of it.
type Record struct {
	Request
	At time.Time
	// Code is the API server's; 0 if it never answered, or was never asked.
	Code int
	// Fault says that a fault answered, or cut the connection.
	Fault bool
}

// exchange is one request on its way.
type exchange struct {
	request Request
	hit     []*Active
	record  *Record
}

type exchangeKey struct{}

// cutBody ends with an error where the body that it is of goes on.
type cutBody struct {
	io.Reader
	io.Closer
}

// Read implements io.Reader.
func (c *cutBody) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if errors.Is(err, io.EOF) {
		err = errCut
	}
	return n, err
}

// errCut ends a connection from within the forwarding.
var errCut = errors.New("a fault cuts the connection")

// New starts a proxy before the API server of cfg, of which only the address and the certificate authority are used. The caller closes it.
func New(cfg *rest.Config) (*Proxy, error) {
	to, err := url.Parse(cfg.Host)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's address: %w", err)
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(cfg))
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	quiet := log.New(io.Discard, "", 0)
	p := &Proxy{streams: map[*stream]struct{}{}}
	p.forward = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:      transport,
		FlushInterval:  -1,
		ErrorLog:       quiet,
		ModifyResponse: p.answered,
		// An API server that does not answer has no connection to show for it.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = httptest.NewUnstartedServer(p)
	p.server.Config.ErrorLog = quiet
	p.server.StartTLS() // clients send no token over plain HTTP
	return p, nil
}

// Start is New for a test, with which the proxy goes, and a copy of a kubeconfig that leads through it.
func Start(t testing.TB, cfg *rest.Config, kubeconfig string) (p *Proxy, through string) {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	through = filepath.Join(t.TempDir(), "kubeconfig")
	if err := p.Kubeconfig(kubeconfig, through); err != nil {
		t.Fatal(err)
	}
	return p, through
}

// Close ends all connections and the proxy.
func (p *Proxy) Close() {
	p.Down()
	p.server.Close()
}

// URL of the proxy, for clients that take no kubeconfig.
func (p *Proxy) URL() string { return p.server.URL }

// CA vouches for the certificate of URL, in PEM.
func (p *Proxy) CA() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw}))
}

// Kubeconfig writes a copy of a kubeconfig whose clusters are all behind the proxy.
func (p *Proxy) Kubeconfig(from, to string) error {
	k, err := clientcmd.LoadFromFile(from)
	if err != nil {
		return fmt.Errorf("reading %s: %w", from, err)
	}
	for _, c := range k.Clusters {
		c.Server, c.CertificateAuthority, c.TLSServerName = p.server.URL, "", ""
		c.CertificateAuthorityData = []byte(p.CA())
	}
	if err := clientcmd.WriteToFile(*k, to); err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	return nil
}

// Add puts a fault in force. A request can be hit by several: the first verdict that is not Pass counts.
func (p *Proxy) Add(f Fault) *Active {
	a := &Active{fault: f, proxy: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, a)
	return a
}

func (p *Proxy) remove(a *Active) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = slices.DeleteFunc(p.faults, func(b *Active) bool { return a == b })
}

// Down cuts all connections, and each new one at its first request, until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	p.DropWatches()
	p.server.CloseClientConnections()
}

// Up ends Down.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// Records are the requests so far that match, in the order in which they came; all for nil.
func (p *Proxy) Records(match func(Request) bool) []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Record
	for _, r := range p.records {
		if match == nil || match(r.Request) {
			all = append(all, *r)
		}
	}
	return all
}

// Count is the number of requests so far that match; all for nil.
func (p *Proxy) Count(match func(Request) bool) int { return len(p.Records(match)) }

// begin numbers and notes a request, and finds the faults that hit it.
func (p *Proxy) begin(r Request) (*exchange, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number++
	r.Number = p.number
	x := &exchange{request: r, record: &Record{Request: r, At: time.Now(), Fault: p.down}}
	p.records = append(p.records, x.record)
	if p.down {
		return x, false
	}
	for _, a := range p.faults {
		if a.takes(r) {
			x.hit = append(x.hit, a)
		}
	}
	return x, true
}

func (p *Proxy) note(x *exchange, change func(*Record)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(x.record)
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	x, up := p.begin(classify(req))
	if !up {
		panic(http.ErrAbortHandler)
	}
	for _, a := range x.hit {
		if a.fault.Before == nil {
			continue
		}
		switch v := a.fault.Before(x.request); {
		case v.cut:
			p.note(x, func(r *Record) { r.Fault = true })
			panic(http.ErrAbortHandler)
		case v.answer != nil:
			p.note(x, func(r *Record) { r.Fault = true })
			maps.Copy(w.Header(), v.answer.header)
			w.WriteHeader(v.answer.code)
			_, _ = w.Write(v.answer.body) // the client may be gone
			return
		}
	}
	ctx := context.WithValue(req.Context(), exchangeKey{}, x)
	if x.request.Write() {
		// What has reached the network arrives. The cancel keeps ReverseProxy from watching the client's connection in its own way.
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
	}
	if x.request.Verb == "watch" {
		req.Header.Set("Accept", jsonOnly(req.Header.Get("Accept")))
		req.Header.Set("Accept-Encoding", "identity") // the first events of a watch would come as gzip
	}
	p.forward.ServeHTTP(w, req.WithContext(ctx))
}

// answered is called with each answer of the API server.
func (p *Proxy) answered(resp *http.Response) error {
	x, _ := resp.Request.Context().Value(exchangeKey{}).(*exchange)
	p.note(x, func(r *Record) { r.Code = resp.StatusCode })
	for _, a := range x.hit {
		if a.fault.After == nil {
			continue
		}
		switch v := a.fault.After(x.request, resp.StatusCode); {
		case v.cut:
			p.note(x, func(r *Record) { r.Fault = true })
			return errCut
		case v.bytes != nil:
			p.note(x, func(r *Record) { r.Fault = true })
			resp.Body = &cutBody{Reader: io.LimitReader(resp.Body, *v.bytes), Closer: resp.Body}
			return nil
		case v.answer != nil:
			p.note(x, func(r *Record) { r.Fault = true })
			_ = resp.Body.Close()
			resp.StatusCode, resp.Status, resp.Header = v.answer.code, "", v.answer.header.Clone()
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(v.answer.body)), int64(len(v.answer.body))
			return nil
		}
	}
	if x.request.Verb == "watch" && resp.StatusCode == http.StatusOK {
		resp.Body = p.open(x.request, resp.Body)
	}
	return nil
}
