package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/remote"
)

// Peers say where the audit logs of other replicas are served, the controller's above all, so that their checkpoints can grow in Git. The zero value: nowhere.
type Peers struct {
	// URL is that of a replica's endpoint, https only. In it {replica} stands for the replica's name, and {set} for that without its number: the Service of a StatefulSet has it.
	URL string
	// CAFile has the authorities that vouch for the endpoints; required with a URL, because the agent's token goes there. It is read again on each use.
	CAFile string
	// ServerName is what the endpoints' certificates are for; empty: the URL's host.
	ServerName string
}

const (
	// peerPatience bounds all requests about one log, peerAnswer a single one: a worker must not wait for a controller that has gone.
	peerPatience, peerAnswer = 20 * time.Second, 5 * time.Second
	// peerTries is how often a request is made that fails on the way: a log that could not be read is left alone for minutes, which one late answer should not bring about.
	peerTries = 2
	// maxAuthorities and maxBearer bound files, in bytes.
	maxAuthorities, maxBearer = 1 << 20, 64 << 10
)

// ordinal is what a StatefulSet adds to its name for a replica.
var ordinal = regexp.MustCompile(`-[0-9]+$`)

func (p Peers) check() error {
	if p.URL == "" {
		return nil
	}
	if p.CAFile == "" {
		return errors.New("--audit-peers needs --audit-peers-ca-file: the agent's token is sent to nobody whose certificate cannot be checked")
	}
	if _, err := p.at("replica-0"); err != nil {
		return fmt.Errorf("--audit-peers: %w", err)
	}
	return nil
}

// at is where a replica serves its log.
func (p Peers) at(replica string) (*url.URL, error) {
	// What is in an anchor becomes a part of a host's name: it must not lead to another one.
	if len(validation.IsDNS1123Label(replica)) > 0 {
		return nil, errors.New("the log's name has no replica that can be a part of a host's name")
	}
	return remote.ParseURL(strings.NewReplacer("{replica}", replica, "{set}", ordinal.ReplaceAllString(replica, "")).Replace(p.URL))
}

// open gives the log that an anchor is of, as a folder. release lets go of the connections.
func (p Peers) open(ctx context.Context, a audit.Anchor, as *rest.Config) (dir fs.FS, release func(), err error) {
	_, replica, _ := strings.Cut(a.Origin, "/")
	base, err := p.at(replica)
	if err != nil {
		return nil, nil, err
	}
	authorities, err := readSmall(p.CAFile, maxAuthorities)
	if err != nil {
		return nil, nil, fmt.Errorf("the endpoints' authorities cannot be read: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, nil, fmt.Errorf("%s: there is no certificate in it", p.CAFile)
	}
	token, err := bearer(as)
	if err != nil {
		return nil, nil, err
	}
	// Nothing comes from the environment, not a proxy either.
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: p.ServerName}, TLSHandshakeTimeout: peerAnswer, MaxResponseHeaderBytes: 64 << 10}
	e := &remote.Endpoint{Base: base, Token: token, Tries: peerTries, Client: &http.Client{
		Transport: transport, Timeout: peerAnswer,
		// A redirect would carry the token to wherever it leads.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	ctx, cancel := context.WithTimeout(ctx, peerPatience)
	return e.FS(ctx), func() { cancel(); transport.CloseIdleConnections() }, nil
}

// bearer is the token that the agent has for the API server: the endpoints ask that who it is.
func bearer(as *rest.Config) (string, error) {
	token := as.BearerToken
	if as.BearerTokenFile != "" { // it is renewed there
		b, err := readSmall(as.BearerTokenFile, maxBearer)
		if err != nil {
			return "", fmt.Errorf("the agent's own token cannot be read: %w", err)
		}
		token = strings.TrimSpace(string(b))
	}
	if token == "" {
		return "", errors.New("the agent has no token to show to the endpoints of the other audit logs")
	}
	return token, nil
}

// readSmall reads a file of a bounded size.
func readSmall(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s: no regular file, or more than %d bytes", name, limit)
	}
	return os.ReadFile(name)
}

// auditLogs are the agent's own log, whose tiles are here, and what is anchored of others, whose tiles their replicas serve.
func auditLogs(ctx context.Context, cfg Config) ([]writeback.AuditLog, error) {
	own, _, err := cfg.AuditAnchors.Load(ctx)
	if err != nil {
		return nil, err
	}
	mine := writeback.AuditLog{Anchor: own}
	if cfg.AuditDir != "" {
		mine.Dir = os.DirFS(cfg.AuditDir)
	}
	all := []writeback.AuditLog{mine}
	// Where it may not read them, its own is all.
	others, _ := cfg.AuditAnchors.Others(ctx)
	for _, a := range others {
		log := writeback.AuditLog{Anchor: a}
		if cfg.Peers.URL != "" {
			log.Open = func(ctx context.Context) (fs.FS, func(), error) { return cfg.Peers.open(ctx, a, cfg.REST) }
		}
		all = append(all, log)
	}
	return all, nil
}
