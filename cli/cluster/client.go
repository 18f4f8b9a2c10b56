package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

const (
	// timeout bounds one request, so that a cluster that is away is an error and not a hang.
	timeout = 30 * time.Second
	// maxAnswer bounds what the API server may send.
	maxAnswer = 4 << 20
)

// ErrNoCluster says that no kubeconfig names a cluster and the process does not run in one.
var ErrNoCluster = errors.New("no cluster: there is no kubeconfig")

// Config says how to reach the API server.
type Config struct {
	Kubeconfig string   // explicit file; empty for Paths
	Paths      []string // files to merge, as from KUBECONFIG
	Context    string   // empty for the current one
	UserAgent  string
}

// Client reads objects of one cluster, and changes two kinds: see SetData and PatchKeyring. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	base      *url.URL
	namespace string
}

// Namespace is that of the kubeconfig's context; "default" where it names none.
func (c *Client) Namespace() string { return c.namespace }

// StatusError is the API server's refusal.
type StatusError struct {
	Code int
	metav1.Status
}

// Error is the server's own message.
func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the API server answered %d %s", e.Code, http.StatusText(e.Code))
	}
	return e.Message
}

// loader reads the kubeconfig.
func (c Config) loader() clientcmd.ClientConfig {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig, Precedence: c.Paths, WarnIfAllMissing: false}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.Context, ClusterDefaults: api.Cluster{}})
}

func (c Config) load() (*rest.Config, error) {
	config, err := c.loader().ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, ErrNoCluster
	case err != nil:
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return config, nil
}

// NewClient loads the kubeconfig. It makes no request.
func NewClient(c Config) (*Client, error) {
	config, err := c.load()
	if err != nil {
		return nil, err
	}
	config.Timeout = timeout
	config.UserAgent = c.UserAgent
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	// A redirect would carry the user's credentials to wherever it leads.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	namespace, _, err := c.loader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return &Client{http: client, base: base, namespace: namespace}, nil
}

// get decodes the object at path into v. A refusal is a *StatusError.
func (c *Client) get(ctx context.Context, v any, path ...string) error {
	return c.ask(ctx, v, c.base.JoinPath(path...), "application/json")
}

// ask is get for a whole URL, and for an answer in the form that accept names.
func (c *Client) ask(ctx context.Context, v any, from *url.URL, accept string) error {
	resp, err := c.send(ctx, http.MethodGet, from, accept, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return c.answer(resp, v)
}

// send makes a request, with a body of JSON if there is one; the caller closes the body of its answer.
func (c *Client) send(ctx context.Context, method string, to *url.URL, accept string, body io.Reader) (*http.Response, error) {
	return c.sendAs(ctx, method, to, accept, "application/json", body)
}

// sendAs is send for a body of that type.
func (c *Client) sendAs(ctx context.Context, method string, to *url.URL, accept, bodyType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, to.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	if body != nil {
		req.Header.Set("Content-Type", bodyType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the API server %s: %w", c.base.Host, transportCause(err))
	}
	return resp, nil
}

// answer decodes what was answered into v. A refusal is a *StatusError.
func (c *Client) answer(resp *http.Response, v any) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("asking the API server %s: %w", c.base.Host, err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return refusalOf(resp.StatusCode, bytes.NewReader(body))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("asking the API server %s: the answer is not the JSON expected", c.base.Host)
	}
	return nil
}

// refusalOf reads a refusal. What is no Status (a proxy's page) leaves the code to speak.
func refusalOf(code int, body io.Reader) error {
	refusal := &StatusError{Code: code}
	b, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err == nil {
		_ = json.Unmarshal(b, &refusal.Status)
	}
	refusal.Message = strings.TrimSpace(refusal.Message)
	return refusal
}

// transportCause strips the URL, which the message has already.
func transportCause(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		if e.Timeout() {
			return fmt.Errorf("it does not answer in time (%w)", e.Err)
		}
		return e.Err
	}
	return err
}
