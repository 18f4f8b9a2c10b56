package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"k8s.io/client-go/rest"
)

// ErrNoToken says that the kubeconfig's user has no token, but a certificate for example.
var ErrNoToken = errors.New("the kubeconfig's user has no token")

// TLS says whose certificates are taken.
type TLS struct {
	Authorities []byte // PEM; empty for those of the system
	ServerName  string // the name in the certificate; empty for the URL's host
	Insecure    bool
}

func (t TLS) config() rest.TLSClientConfig {
	return rest.TLSClientConfig{CAData: t.Authorities, ServerName: t.ServerName, Insecure: t.Insecure}
}

// PlainClient is a client without credentials that follows no redirect.
func PlainClient(t TLS) (*http.Client, error) {
	return httpClient(&rest.Config{TLSClientConfig: t.config(), UserAgent: "seal"})
}

// UserClient is a client that sends the token of the kubeconfig's user to the server at base, which is not the API server.
func UserClient(c Config, base *url.URL, t TLS) (*http.Client, error) {
	config, err := c.load()
	if err != nil {
		return nil, err
	}
	if config.BearerToken == "" && config.BearerTokenFile == "" && config.ExecProvider == nil && config.AuthProvider == nil {
		return nil, ErrNoToken
	}
	return httpClient(&rest.Config{
		Host: base.Host, TLSClientConfig: t.config(), UserAgent: c.UserAgent,
		BearerToken: config.BearerToken, BearerTokenFile: config.BearerTokenFile, ExecProvider: config.ExecProvider, AuthProvider: config.AuthProvider,
	})
}

func httpClient(config *rest.Config) (*http.Client, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	// A redirect would carry the token to wherever it leads.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}
