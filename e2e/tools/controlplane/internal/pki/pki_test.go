package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/e2e/tools/controlplane/internal/pki"
)

func open(t *testing.T, dir string) *pki.Authority {
	t.Helper()
	a, err := pki.Open(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// certificate reads a certificate of the authority.
func certificate(t *testing.T, a *pki.Authority, name string) *x509.Certificate {
	t.Helper()
	raw, err := os.ReadFile(a.Path(name))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACertificate(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	if err := a.Server("server", []string{"kubernetes"}, []net.IP{net.IPv4(10, 96, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Client("client", pkix.Name{CommonName: "user", Organization: []string{"group"}}); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	pool := x509.NewCertPool()
	pool.AddCert(certificate(t, again, "ca.crt"))
	for name, c := range map[string]struct {
		file  string
		host  string
		usage x509.ExtKeyUsage
		ok    bool
	}{
		"of a server is good on loopback":                   {"server.crt", "127.0.0.1", x509.ExtKeyUsageServerAuth, true},
		"of a server is good at its other address":          {"server.crt", "10.96.0.1", x509.ExtKeyUsageServerAuth, true},
		"of a server is good under its name":                {"server.crt", "kubernetes", x509.ExtKeyUsageServerAuth, true},
		"of a server is bad elsewhere":                      {"server.crt", "127.0.0.2", x509.ExtKeyUsageServerAuth, false},
		"of a server is bad for a client":                   {"server.crt", "", x509.ExtKeyUsageClientAuth, false},
		"of a client is good for an authority opened later": {"client.crt", "", x509.ExtKeyUsageClientAuth, true},
		"of a client is bad for a server":                   {"client.crt", "", x509.ExtKeyUsageServerAuth, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := certificate(t, again, c.file).Verify(x509.VerifyOptions{
				Roots: pool, DNSName: c.host, KeyUsages: []x509.ExtKeyUsage{c.usage},
			})
			if (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheHTTPClientTrustsTheAuthorityAlone(t *testing.T) {
	a, other := open(t, t.TempDir()), open(t, t.TempDir())
	if err := a.Server("server", nil, nil); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(a.Path("server.crt"), a.Path("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	defer s.Close()
	resp, err := a.HTTPClient(time.Minute).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp, err := other.HTTPClient(time.Minute).Get(s.URL); err == nil {
		_ = resp.Body.Close()
		t.Error("another authority's client trusts the server")
	}
}

func TestAnAuthorityWithABrokenKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "ca.key"), []byte("-----BEGIN"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Open(dir, time.Now()); err == nil {
		t.Error("opened")
	}
}
