package process

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// ownCertificateLife is how long the certificate of a process that was given none is valid: longer than the process lives.
const ownCertificateLife = 10 * 365 * 24 * time.Hour

// off as an address switches the endpoint off, as controller-runtime has it.
const off = "0"

// Server is how the log is served.
type Server struct {
	// Address is HOST:PORT; "0" switches it off. CertFile and KeyFile are the TLS certificate, read again when they change; empty for one that the process makes itself.
	Address, CertFile, KeyFile string
	// Files serves the files of the log below /v1/audit/.
	Files http.Handler
	// Replica names the process in a certificate of its own.
	Replica string
	Now     func() time.Time
	Rand    io.Reader
}

// Serve serves this replica's own log, on every replica.
func Serve(mgr ctrl.Manager, cfg Server) error {
	if cfg.Address == off {
		return nil
	}
	clients, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("serving the audit log: %w", err)
	}
	get, err := certificate(mgr, cfg)
	if err != nil {
		return fmt.Errorf("serving the audit log: %w", err)
	}
	listener, err := net.Listen("tcp", cfg.Address)
	if err != nil {
		return fmt.Errorf("serving the audit log: %w", err)
	}
	patience := 10 * time.Second
	return mgr.Add(&manager.Server{
		Name:     "audit",
		Listener: tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get}), ShutdownTimeout: &patience,
		Server: &http.Server{
			Handler:        newGate(clients.AuthenticationV1().TokenReviews(), clients.AuthorizationV1().SubjectAccessReviews(), cfg.Files),
			MaxHeaderBytes: 32 << 10, ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		},
	})
}

type certificates = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// certificate reads the files that were given, again when they change, or makes a certificate that nobody vouches for.
func certificate(mgr ctrl.Manager, cfg Server) (certificates, error) {
	if cfg.CertFile != "" {
		watcher, err := certwatcher.New(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return nil, err
		}
		return watcher.GetCertificate, mgr.Add(watcher)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), cfg.Rand)
	if err != nil {
		return nil, err
	}
	now := cfg.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: cfg.Replica}, DNSNames: []string{cfg.Replica, "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:   now.Add(-time.Hour), NotAfter: now.Add(ownCertificateLife), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(cfg.Rand, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	own := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own, nil }, nil
}
