package sources

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/sealed"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
	"github.com/waxwing-io/waxwing/keyring/vaultkv"
	"github.com/waxwing-io/waxwing/keyring/vaulttransit"
)

// Config is what Sources work with. All fields are required, but TokenDir.
type Config struct {
	// Secrets are those of the controller's namespace, uncached.
	Secrets secretsource.Secrets
	// Cluster gives the UID of the namespace kube-system, which names the cluster.
	Cluster func(ctx context.Context) (string, error)
	// ServiceAccountToken makes a token of the controller's ServiceAccount for an audience.
	ServiceAccountToken func(ctx context.Context, audience string) (string, error)
	// TokenDir is the folder of token files for Vault; empty: there is none.
	TokenDir string
	Now      func() time.Time
	Rand     io.Reader
	// Jitter gives numbers in [0, 1).
	Jitter func() float64
	Log    *slog.Logger
}

// Sources are the sources that were opened. It is safe for concurrent use.
type Sources struct {
	cfg   Config
	clear keyring.Source

	mu      sync.Mutex
	opened  map[string]map[string]opened // by keyring and spec
	clients map[string]*vault.Client     // by connection
}

// opened is a Source in use.
type opened struct {
	source keyring.Source
	vault  string // the connection; empty without a Vault
}

// New gives Sources of which none is open. It makes no request.
func New(cfg Config) *Sources {
	return &Sources{
		cfg: cfg, clear: secretsource.New(cfg.Secrets, cfg.Now, cfg.Rand),
		opened: map[string]map[string]opened{}, clients: map[string]*vault.Client{},
	}
}

// Open is a keyring.SourceFunc. It asks Vault nothing: a Source does when it is used.
func (s *Sources) Open(ctx context.Context, name string, spec v1alpha1.KeySource) (keyring.Source, error) {
	if spec.Secret != nil && spec.Secret.EncryptedBy == nil {
		return s.clear, nil
	}
	connection := connectionOf(spec)
	if connection == nil {
		return nil, nil
	}
	cluster := ""
	if spec.Secret != nil {
		var err error
		if cluster, err = s.cfg.Cluster(ctx); err != nil {
			return nil, fmt.Errorf("reading the UID of the cluster, which keys are sealed for: %w", err)
		}
	}
	text, reach := canonical(spec), canonical(connection)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.opened[name][text]; ok {
		return known.source, nil
	}
	client := s.clients[reach]
	if client == nil {
		client = vault.New(vault.Config{
			Connection: *connection, ServiceAccountToken: s.cfg.ServiceAccountToken, Secret: s.secret, TokenDir: s.cfg.TokenDir,
			Now: s.cfg.Now, Jitter: s.cfg.Jitter, Log: s.cfg.Log,
		})
		if bad := client.Check(); bad != nil {
			return nil, &keyring.Problem{Where: "spec.source, its vault:", Msg: bad.Msg + "; " + bad.Hint}
		}
		s.clients[reach] = client
	}
	if s.opened[name] == nil {
		s.opened[name] = map[string]opened{}
	}
	source := s.over(client, spec, cluster)
	s.opened[name][text] = opened{source, reach}
	return source, nil
}

// over puts a source together.
func (s *Sources) over(client *vault.Client, spec v1alpha1.KeySource, cluster string) keyring.Source {
	switch {
	case spec.VaultKV != nil:
		return vaultkv.New(vaultkv.Config{Vault: client, Mount: or(spec.VaultKV.Mount, "secret"), Path: string(spec.VaultKV.Path), Now: s.cfg.Now, Rand: s.cfg.Rand})
	case spec.VaultTransit != nil:
		return secretsource.NewIn(s.cfg.Secrets, vaulttransit.New(vaulttransit.Config{
			Vault: client, Mount: or(spec.VaultTransit.Mount, "transit"), Prefix: string(spec.VaultTransit.Prefix), Now: s.cfg.Now, Rand: s.cfg.Rand,
		}), s.cfg.Now)
	}
	transit := spec.Secret.EncryptedBy.Transit
	return secretsource.NewIn(s.cfg.Secrets, sealed.New(sealed.Config{
		Vault: client, Mount: or(transit.Mount, "transit"), Key: string(transit.Key), Cluster: cluster, Rand: s.cfg.Rand,
	}), s.cfg.Now)
}

// Use closes all sources of a keyring but those of the specs, and the way to each Vault that no keyring needs then. It may take seconds, for which no other waits.
func (s *Sources) Use(name string, specs ...v1alpha1.KeySource) {
	var texts []string
	for _, spec := range specs {
		texts = append(texts, canonical(spec))
	}
	s.mu.Lock()
	for text := range s.opened[name] {
		if !slices.Contains(texts, text) {
			delete(s.opened[name], text)
		}
	}
	if len(s.opened[name]) == 0 {
		delete(s.opened, name)
	}
	idle := s.idle()
	s.mu.Unlock()
	for _, client := range idle {
		client.Close()
	}
}

// idle takes the clients out that no source has. s.mu is held.
func (s *Sources) idle() (all []*vault.Client) {
	used := map[string]bool{}
	for _, specs := range s.opened {
		for _, o := range specs {
			used[o.vault] = true
		}
	}
	for reach, client := range s.clients {
		if !used[reach] {
			delete(s.clients, reach)
			all = append(all, client)
		}
	}
	return all
}

// Close gives all tokens back, as far as that is possible at once.
func (s *Sources) Close() {
	s.mu.Lock()
	s.opened = map[string]map[string]opened{}
	idle := s.idle()
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, client := range idle {
		all.Go(client.Close)
	}
	all.Wait()
}

// connectionOf is how a source reaches Vault; nil for one that this program does not have.
func connectionOf(spec v1alpha1.KeySource) *v1alpha1.VaultConnection {
	switch {
	case spec.VaultKV != nil:
		return &spec.VaultKV.Vault
	case spec.VaultTransit != nil:
		return &spec.VaultTransit.Vault
	case spec.Secret != nil && spec.Secret.EncryptedBy != nil && spec.Secret.EncryptedBy.Transit != nil:
		return &spec.Secret.EncryptedBy.Transit.Vault
	}
	return nil
}

// canonical is one text for all that are equal.
func canonical(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // types of the API can always be marshalled
		return fmt.Sprintf("%#v", v)
	}
	return string(text)
}

func or(mount v1alpha1.VaultPath, standard string) string {
	if mount == "" {
		return standard
	}
	return string(mount)
}
