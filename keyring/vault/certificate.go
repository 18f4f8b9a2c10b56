package vault

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"
)

// certificate is the controller's own for Vault, from a Secret.
type certificate struct {
	cfg Config

	mu   sync.Mutex
	held *tls.Certificate
	read time.Time
}

const (
	// soonOver is how long before its end a certificate is read again; notAgain how often at most.
	soonOver, notAgain = time.Hour, 10 * time.Second
)

func newCertificate(cfg Config) *certificate { return &certificate{cfg: cfg} }

// get is tls.Config.GetClientCertificate. The server's list of authorities is not looked at: it tells by itself what it does not take.
func (c *certificate) get(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	if c.held != nil && (now.Sub(c.read) < notAgain || c.held.Leaf.NotAfter.Sub(now) > soonOver) {
		return c.held, nil
	}
	cert, err := c.load(info.Context())
	if err != nil {
		if c.held != nil && now.Before(c.held.Leaf.NotAfter) {
			return c.held, nil
		}
		return nil, err
	}
	c.held, c.read = cert, now
	return cert, nil
}

func (c *certificate) load(ctx context.Context) (*tls.Certificate, error) {
	name := c.cfg.Connection.ClientCertificate.Name
	fail := func(msg string) error {
		return &Error{Kind: NoLogin, Doing: "reaching Vault", Msg: msg, Hint: "clientCertificate in the Keyring names a Secret of type kubernetes.io/tls in the controller's namespace", at: place(c.cfg.Connection)}
	}
	data, err := c.cfg.Secret(ctx, name)
	if err != nil {
		return nil, fail(fmt.Sprintf("the controller's certificate cannot be read: %v", err))
	}
	cert, err := tls.X509KeyPair(data["tls.crt"], data["tls.key"])
	if err != nil {
		return nil, fail(fmt.Sprintf("Secret %s has no pair of tls.crt and tls.key that belong together", name))
	}
	return &cert, nil
}

// forget has the Secret read again after Vault has refused what there is, and says whether that may help.
func (c *certificate) forget() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil || c.cfg.Now().Sub(c.read) < notAgain {
		return false
	}
	c.held = nil
	return true
}
