// Package pki is the certificate authority of one control plane: certificates, service account keys and kubeconfigs
// in one folder, valid for a month. A folder that holds an authority already is used again, so that a control plane
// started again with the same state is the same cluster to its clients. Private keys are files readable by the
// owner alone; nothing here is fit for anything but tests.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// lifetime of every certificate; they begin an hour early for clocks that differ.
const lifetime = 30 * 24 * time.Hour

// Authority issues certificates into its folder. Not safe for concurrent use.
type Authority struct {
	dir  string
	now  time.Time
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// Open makes the authority (ca.crt, ca.key) and the service account key (sa.key) in dir, or reads them from it.
func Open(dir string, now time.Time) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, now: now}
	crt, err := os.ReadFile(a.Path("ca.crt"))
	if err == nil {
		return a, a.load(crt)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := a.newKey("sa.key"); err != nil {
		return nil, err
	}
	if a.key, err = a.newKey("ca.key"); err != nil {
		return nil, err
	}
	self := a.template(pkix.Name{CommonName: "controlplane-ca"})
	self.IsCA, self.BasicConstraintsValid = true, true
	self.KeyUsage |= x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, self, self, a.key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("making the authority's certificate: %w", err)
	}
	crt = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := a.setCert(crt); err != nil {
		return nil, err
	}
	// Written last: its presence says that the other files are whole.
	return a, os.WriteFile(a.Path("ca.crt"), crt, 0o600)
}

func (a *Authority) load(crt []byte) error {
	raw, err := os.ReadFile(a.Path("ca.key"))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return errors.New("reading ca.key: not PEM")
	}
	if a.key, err = x509.ParseECPrivateKey(block.Bytes); err != nil {
		return fmt.Errorf("reading ca.key: %w", err)
	}
	return a.setCert(crt)
}

func (a *Authority) setCert(crt []byte) (err error) {
	block, _ := pem.Decode(crt)
	if block == nil {
		return errors.New("reading ca.crt: not PEM")
	}
	a.pem = crt
	a.cert, err = x509.ParseCertificate(block.Bytes)
	return err
}

// Path is the path of a file of the authority.
func (a *Authority) Path(name string) string { return filepath.Join(a.dir, name) }

// Server issues NAME.crt and NAME.key for a server on loopback that is also reached under the given names and addresses.
func (a *Authority) Server(name string, hosts []string, ips []net.IP) error {
	t := a.template(pkix.Name{CommonName: name})
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames = append([]string{"localhost"}, hosts...)
	t.IPAddresses = append([]net.IP{net.IPv4(127, 0, 0, 1)}, ips...)
	_, _, err := a.issue(name, t)
	return err
}

// Client issues NAME.crt and NAME.key for a client with the given user name and groups.
func (a *Authority) Client(name string, subject pkix.Name) (crt, key []byte, err error) {
	t := a.template(subject)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(name, t)
}

// Kubeconfig issues a client certificate and writes a kubeconfig that holds it to file.
func (a *Authority) Kubeconfig(file, server, name string, subject pkix.Name) error {
	crt, key, err := a.Client(name, subject)
	if err != nil {
		return err
	}
	c := clientcmdapi.NewConfig()
	c.Clusters["controlplane"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: a.pem}
	c.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: crt, ClientKeyData: key}
	c.Contexts["controlplane"] = &clientcmdapi.Context{Cluster: "controlplane", AuthInfo: name}
	c.CurrentContext = "controlplane"
	if err := clientcmd.WriteToFile(*c, file); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", name, err)
	}
	return nil
}

// HTTPClient trusts the authority and nothing else.
func (a *Authority) HTTPClient(timeout time.Duration) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}},
	}
}

func (a *Authority) template(subject pkix.Name) *x509.Certificate {
	return &x509.Certificate{
		Subject:   subject,
		NotBefore: a.now.Add(-time.Hour),
		NotAfter:  a.now.Add(lifetime),
		KeyUsage:  x509.KeyUsageDigitalSignature,
		// The serial number is left to CreateCertificate, which takes a random one.
	}
}

func (a *Authority) issue(name string, t *x509.Certificate) (crt, key []byte, err error) {
	k, err := a.newKey(name + ".key")
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, k.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("issuing the certificate of %s: %w", name, err)
	}
	crt = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(a.Path(name+".crt"), crt, 0o600); err != nil {
		return nil, nil, err
	}
	key, err = os.ReadFile(a.Path(name + ".key"))
	return crt, key, err
}

func (a *Authority) newKey(file string) (*ecdsa.PrivateKey, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", file, err)
	}
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", file, err)
	}
	return k, os.WriteFile(a.Path(file), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
