package vaulttest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	vaultapi "github.com/hashicorp/vault/api"
	"k8s.io/client-go/rest"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/certs"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

// Options say what the Vault of a test is like. The zero value is one with TLS, at 127.0.0.1.
type Options struct {
	// PlainHTTP has no TLS.
	PlainHTTP bool
	// ClientCertificates has every client show a certificate of Vault.Authority (mTLS).
	ClientCertificates bool
	// Names that Vault's certificate has instead of 127.0.0.1 and localhost. The test process reaches it all the same.
	Names []string
}

// Vault is a Vault server. Its methods fail the test that it was started for; they may be called concurrently unless they stop or restore it.
type Vault struct {
	// Address is its URL, without a slash at the end. It stays the same when Vault is started again.
	Address string
	// Authority vouches for its certificate and, with ClientCertificates, for those of clients; nil with PlainHTTP.
	Authority *certs.Authority

	t       testing.TB
	binary  string
	plugins string // the folder of vault-plugin-auth-kubernetes
	dir     string
	config  string
	client  *vaultapi.Client
	unlock  string // the unseal key
	process *harness.Process
}

// Start returns when Vault is initialised, unlocked and answers, with nothing mounted but what every Vault has.
func Start(t testing.TB, o Options) *Vault {
	t.Helper()
	v := &Vault{t: t, dir: harness.Folder(t, "vault")}
	v.binary = tool(t, "vault")
	v.plugins = filepath.Dir(tool(t, "vault-plugin-auth-kubernetes"))
	v.configure(o)
	v.run()
	v.initialise()
	v.Unlock()
	v.write("sys/audit/file", map[string]any{"type": "file", "options": map[string]any{"file_path": v.auditLog()}})
	return v
}

func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := harness.Tool(t.Context(), name)
	if err == nil {
		// Vault runs no plugin through a link.
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// configure chooses ports and writes Vault's configuration.
func (v *Vault) configure(o Options) {
	v.t.Helper()
	address, cluster := harness.FreeAddress(v.t), harness.FreeAddress(v.t)
	listener := map[string]any{"address": address, "cluster_address": cluster, "telemetry": map[string]any{"unauthenticated_metrics_access": true}}
	cfg := vaultapi.DefaultConfig()
	if cfg.Error != nil {
		v.t.Fatal(cfg.Error)
	}
	if o.PlainHTTP {
		v.Address = "http://" + address
		listener["tls_disable"] = true
	} else {
		v.Address = "https://" + address
		v.Authority = certs.New(v.t)
		names := o.Names
		if len(names) == 0 {
			names = []string{"127.0.0.1", "localhost"}
		}
		cert, key := v.Authority.Issue(v.t, certs.Certificate{Names: names})
		listener["tls_cert_file"], listener["tls_key_file"] = v.file("tls.crt", cert), v.file("tls.key", key)
		if o.ClientCertificates {
			listener["tls_require_and_verify_client_cert"], listener["tls_client_ca_file"] = true, v.file("ca.crt", v.Authority.PEM)
		}
		if err := cfg.ConfigureTLS(&vaultapi.TLSConfig{CACertBytes: []byte(v.Authority.PEM), TLSServerName: names[0]}); err != nil {
			v.t.Fatal(err)
		}
		cert, key = v.Authority.Issue(v.t, certs.Certificate{Subject: "the test"})
		own, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			v.t.Fatal(err)
		}
		transport(cfg).TLSClientConfig.Certificates = []tls.Certificate{own}
	}
	data := filepath.Join(v.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		v.t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]any{
		"api_addr": v.Address, "cluster_addr": "https://" + cluster,
		"listener": []any{map[string]any{"tcp": listener}},
		// The multiplier is of raft's waits; a single node has nobody to wait for.
		"storage":       map[string]any{"raft": map[string]any{"path": data, "node_id": "one", "performance_multiplier": "1"}},
		"disable_mlock": true, "plugin_directory": v.plugins,
	})
	if err != nil {
		v.t.Fatal(err)
	}
	v.config = v.file("vault.json", string(raw))
	v.connect(cfg)
}

func (v *Vault) connect(cfg *vaultapi.Config) {
	v.t.Helper()
	cfg.Address, cfg.MaxRetries = v.Address, 0
	var err error
	if v.client, err = vaultapi.NewClient(cfg); err != nil {
		v.t.Fatal(err)
	}
	// Both may come from the environment of whoever runs the test.
	v.client.ClearToken()
	v.client.ClearNamespace()
}

func (v *Vault) file(name, text string) string {
	v.t.Helper()
	path := filepath.Join(v.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// initialise makes the root token and the unseal key.
func (v *Vault) initialise() {
	v.t.Helper()
	made, err := v.client.Sys().InitWithContext(v.t.Context(), &vaultapi.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		v.t.Fatalf("initialising Vault: %v", err)
	}
	v.unlock = made.KeysB64[0]
	v.client.SetToken(made.RootToken)
}

// CA is the certificate of Authority in PEM, empty with PlainHTTP.
func (v *Vault) CA() string {
	if v.Authority == nil {
		return ""
	}
	return v.Authority.PEM
}

// Root is a client with the root token. It tries nothing twice.
func (v *Vault) Root() *vaultapi.Client { return v.client }

// As is a client with another token.
func (v *Vault) As(token string) *vaultapi.Client {
	v.t.Helper()
	c, err := v.client.CloneWithHeaders()
	if err != nil {
		v.t.Fatal(err)
	}
	c.SetToken(token)
	return c
}

// Env is the environment in which the vault command is Root.
func (v *Vault) Env() []string {
	env := []string{"VAULT_ADDR=" + v.Address, "VAULT_TOKEN=" + v.client.Token()}
	if v.Authority != nil {
		env = append(env, "VAULT_CACERT="+v.file("ca.crt", v.Authority.PEM))
	}
	return env
}

// Binary is the path of the vault command.
func (v *Vault) Binary() string { return v.binary }

// Proxy stands before this Vault, for faults of the network: its URL and CA take the place of Address and CA. It goes with the test.
func (v *Vault) Proxy() *faultproxy.Proxy {
	v.t.Helper()
	p, err := faultproxy.New(&rest.Config{Host: v.Address, TLSClientConfig: rest.TLSClientConfig{CAData: []byte(v.CA())}})
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(p.Close)
	return p
}

// Write does what `vault write` does, as root, and returns the answer's data.
func (v *Vault) Write(path string, data map[string]any) map[string]any {
	v.t.Helper()
	return v.write(path, data)
}

func (v *Vault) write(path string, data map[string]any) map[string]any {
	v.t.Helper()
	return v.answer(v.client.Logical().WriteWithContext(v.t.Context(), path, data))("writing " + path)
}

// Read does what `vault read` does, as root, and returns the answer's data; nil if nothing is there.
func (v *Vault) Read(path string) map[string]any {
	v.t.Helper()
	return v.answer(v.client.Logical().ReadWithContext(v.t.Context(), path))("reading " + path)
}

// Delete does what `vault delete` does, as root.
func (v *Vault) Delete(path string) {
	v.t.Helper()
	v.answer(v.client.Logical().DeleteWithContext(v.t.Context(), path))("deleting " + path)
}

func (v *Vault) answer(s *vaultapi.Secret, err error) func(doing string) map[string]any {
	return func(doing string) map[string]any {
		v.t.Helper()
		switch {
		case err != nil:
			v.t.Fatalf("%s: %v", doing, err)
			return nil
		case s == nil:
			return nil
		}
		return s.Data
	}
}

// healthy says what is missing until Vault is unlocked and leads.
func (v *Vault) healthy(ctx context.Context) error {
	h, err := v.client.Sys().HealthWithContext(ctx)
	if err != nil {
		return err
	}
	if h.Sealed || h.Standby {
		return fmt.Errorf("sealed: %t, standby: %t", h.Sealed, h.Standby)
	}
	return nil
}

func transport(cfg *vaultapi.Config) *http.Transport {
	return cfg.HttpClient.Transport.(*http.Transport)
}
