package vaulttest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	vaultapi "github.com/hashicorp/vault/api"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/certs"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
)

func TestMain(m *testing.M) {
	// controller-runtime's clients ask for a logger after a while; what they say is of no interest here.
	log.SetLogger(logr.Discard())
	harness.Main(m)
}

const policy = `path "transit/encrypt/keys" { capabilities = ["update"] }`

// login is what an auth method answers; the error is Vault's.
func login(t *testing.T, v *vaulttest.Vault, mount string, data map[string]any) (token string, err error) {
	t.Helper()
	s, err := v.As("").Logical().WriteWithContext(t.Context(), "auth/"+mount+"/login", data)
	if err != nil {
		return "", err
	}
	return s.Auth.ClientToken, nil
}

func encrypt(t *testing.T, v *vaulttest.Vault, token string) error {
	t.Helper()
	_, err := v.As(token).Logical().WriteWithContext(t.Context(), "transit/encrypt/keys", map[string]any{"batch_input": []map[string]any{
		{"plaintext": "YQ=="}, {"plaintext": "Yg=="},
	}})
	return err
}

func status(err error) int {
	var refused *vaultapi.ResponseError
	if errors.As(err, &refused) {
		return refused.StatusCode
	}
	return 0
}

// TestAVaultFromItsStartToItsEnd locks, pauses, stops, starts and restores one Vault: each is seen by a client that is not root, and in the audit log.
func TestAVaultFromItsStartToItsEnd(t *testing.T) {
	v := vaulttest.Start(t, vaulttest.Options{})
	v.EnableTransit("transit")
	v.TransitKey("transit", "keys", nil)
	v.Policy("keys", policy)
	token := v.Token(time.Hour, "keys")

	mark := v.Mark()
	if err := encrypt(t, v, token); err != nil {
		t.Fatal(err)
	}
	if _, err := v.As(token).Logical().ReadWithContext(t.Context(), "transit/keys/keys"); status(err) != http.StatusForbidden {
		t.Errorf("a token without the right to reads a key: %v", err)
	}
	all := v.Requests(mark)
	if len(all) != 2 || all[0].Path != "transit/encrypt/keys" || all[0].Operation != "update" || all[0].Batch() != 2 || !all[0].Answered || all[0].Error != "" ||
		all[1].Path != "transit/keys/keys" || all[1].Error == "" {
		t.Errorf("the audit log has %+v", all)
	}
	if only := v.Requests(mark, vaulttest.To("transit/encrypt/*")); len(only) != 1 || only[0].ID != all[0].ID {
		t.Errorf("of the requests to Transit it has %+v", only)
	}
	if later := v.Requests(v.Mark()); len(later) != 0 {
		t.Errorf("since now it has %+v", later)
	}

	v.Lock()
	if err := encrypt(t, v, token); status(err) != http.StatusServiceUnavailable {
		t.Errorf("locked, it answers %v", err)
	}
	v.Unlock()
	if err := encrypt(t, v, token); err != nil {
		t.Errorf("unlocked again: %v", err)
	}

	v.Pause()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := v.Root().Sys().HealthWithContext(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("paused, it answers %v", err)
	}
	v.Resume()

	snapshot := v.Snapshot()
	v.TransitKey("transit", "later", nil)
	v.Stop()
	if err := encrypt(t, v, token); err == nil || status(err) != 0 {
		t.Errorf("stopped, it answers %v", err)
	}
	v.StartLocked()
	if err := encrypt(t, v, token); status(err) != http.StatusServiceUnavailable {
		t.Errorf("started, it is not locked: %v", err)
	}
	v.Unlock()
	if v.Read("transit/keys/later") == nil {
		t.Error("it has lost a key by being killed")
	}
	v.Restore(snapshot)
	if v.Read("transit/keys/later") != nil {
		t.Error("the snapshot has a key that was made after it")
	}
	if err := encrypt(t, v, token); err != nil {
		t.Errorf("restored: %v", err)
	}
	v.Revoke(token)
	if err := encrypt(t, v, token); status(err) != http.StatusForbidden {
		t.Errorf("its token revoked, it answers %v", err)
	}
}

// TestEachWayToLogIn has what fits logged in, and what does not refused.
func TestEachWayToLogIn(t *testing.T) {
	c := harness.Start(t)
	v := vaulttest.Start(t, vaulttest.Options{})
	v.EnableTransit("transit")
	v.TransitKey("transit", "keys", nil)
	v.Policy("keys", policy)
	ns := c.Namespace(t)
	role := vaulttest.Role{ServiceAccount: "waxwing", Namespace: ns, Audience: "vault", Policies: []string{"keys"}}
	v.EnableKubernetes(c, "kubernetes")
	v.KubernetesRole("kubernetes", "waxwing", role)
	v.EnableJWT(c, "jwt")
	v.JWTRole("jwt", "waxwing", role)
	fits := c.ServiceAccountToken(t, ns, "waxwing", "vault")
	for _, mount := range []string{"kubernetes", "jwt"} {
		token, err := login(t, v, mount, map[string]any{"role": "waxwing", "jwt": fits})
		if err != nil {
			t.Fatalf("%s: %v", mount, err)
		}
		if err := encrypt(t, v, token); err != nil {
			t.Errorf("%s: %v", mount, err)
		}
		for what, jwt := range map[string]string{
			"another ServiceAccount": c.ServiceAccountToken(t, ns, "other", "vault"),
			"another namespace":      c.ServiceAccountToken(t, "default", "waxwing", "vault"),
			"another audience":       c.ServiceAccountToken(t, ns, "waxwing", "other"),
		} {
			if _, err := login(t, v, mount, map[string]any{"role": "waxwing", "jwt": jwt}); status(err)/100 != 4 {
				t.Errorf("%s: %s is answered with %v", mount, what, err)
			}
		}
		v.RevokeLogins(mount)
		if err := encrypt(t, v, token); status(err) != http.StatusForbidden {
			t.Errorf("%s: its logins revoked, it answers %v", mount, err)
		}
	}
	v.EnableAppRole("approle")
	id, secret := v.AppRole("approle", "waxwing", role)
	token, err := login(t, v, "approle", map[string]any{"role_id": id, "secret_id": secret})
	if err != nil {
		t.Fatal(err)
	}
	if err := encrypt(t, v, token); err != nil {
		t.Error(err)
	}
}

// TestWhatAVaultTakes is about certificates and plain HTTP, and about faults in front of it.
func TestWhatAVaultTakes(t *testing.T) {
	v := vaulttest.Start(t, vaulttest.Options{ClientCertificates: true, Names: []string{"vault.example.com"}})
	ask := func(cfg *tls.Config) error {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}}
		resp, err := client.Get(v.Address + "/v1/sys/health")
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(v.CA()))
	certificate := func(a *certs.Authority) []tls.Certificate {
		cert, key := a.Issue(t, certs.Certificate{Subject: "waxwing"})
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	const name = "vault.example.com"
	if err := ask(&tls.Config{RootCAs: pool, ServerName: name, Certificates: certificate(v.Authority)}); err != nil {
		t.Error(err)
	}
	for what, cfg := range map[string]*tls.Config{
		"no certificate":                     {RootCAs: pool, ServerName: name},
		"a certificate of another authority": {RootCAs: pool, ServerName: name, Certificates: certificate(certs.New(t))},
		"another name":                       {RootCAs: pool, Certificates: certificate(v.Authority)},
		"another authority":                  {RootCAs: x509.NewCertPool(), ServerName: name, Certificates: certificate(v.Authority)},
	} {
		if err := ask(cfg); err == nil {
			t.Errorf("with %s it answers", what)
		}
	}
}

// TestAProxyBeforeAVault cuts an answer short and lets the next one through.
func TestAProxyBeforeAVault(t *testing.T) {
	v := vaulttest.Start(t, vaulttest.Options{PlainHTTP: true})
	if !strings.HasPrefix(v.Address, "http://") || v.CA() != "" {
		t.Errorf("%s, %q", v.Address, v.CA())
	}
	v.EnableKV("secret")
	v.Write("secret/data/a", map[string]any{"data": map[string]any{"b": "c"}})
	p := v.Proxy()
	cfg := vaultapi.DefaultConfig()
	cfg.Address, cfg.MaxRetries = p.URL(), 0
	if err := cfg.ConfigureTLS(&vaultapi.TLSConfig{CACertBytes: []byte(p.CA())}); err != nil {
		t.Fatal(err)
	}
	client, err := vaultapi.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(v.Root().Token())
	read := func() error {
		_, err := client.Logical().ReadWithContext(t.Context(), "secret/data/a")
		return err
	}
	cut := p.Add(faultproxy.Fault{
		Match: func(r faultproxy.Request) bool { return r.Method == http.MethodGet && r.Path == "/v1/secret/data/a" },
		Times: 1,
		After: func(faultproxy.Request, int) faultproxy.Verdict { return faultproxy.CutBody(20) },
	})
	if err := read(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut in the middle of its body, an answer is read as %v", err)
	}
	if err := read(); err != nil || cut.Hits() != 1 {
		t.Errorf("after %d cuts: %v", cut.Hits(), err)
	}
}
