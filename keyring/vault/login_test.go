package vault_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

func TestLogins(t *testing.T) {
	for name, c := range map[string]struct {
		auth v1alpha1.VaultAuth
		path string
		body string
	}{
		"kubernetes": {v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Mount: "k8s/eu", Role: "r", Audience: "a"}}, "auth/k8s/eu/login", `{"jwt":"` + fakeJWT + `-a","role":"r"}`},
		"jwt":        {v1alpha1.VaultAuth{JWT: &v1alpha1.VaultServiceAccountAuth{Role: "r"}}, "auth/jwt/login", `{"jwt":"` + fakeJWT + `-vault","role":"r"}`},
		"appRole": {v1alpha1.VaultAuth{AppRole: &v1alpha1.VaultAppRoleAuth{RoleID: "id", SecretID: v1alpha1.SecretName{Name: "approle"}}}, "auth/approle/login",
			`{"role_id":"id","secret_id":"` + fakeSecretID + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeVault(t)
			cfg, _ := f.config()
			cfg.Connection.Auth = c.auth
			if _, err := open(t, cfg).Read(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.asked[0] != "PUT /v1/"+c.path || f.bodies[0] != c.body {
				t.Errorf("logged in by %s with %s", f.asked[0], f.bodies[0])
			}
		})
	}
}

func TestLoginsThatFail(t *testing.T) {
	refuse := func(status int, msg string) func(*fakeVault, *vault.Config) {
		return func(f *fakeVault, _ *vault.Config) {
			f.takesOver(func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/login") {
					say(w, status, msg)
					return true
				}
				return false
			})
		}
	}
	for name, c := range map[string]struct {
		set  func(*fakeVault, *vault.Config)
		kind vault.Kind
		says string
	}{
		"a role of another namespace": {refuse(403, "namespace not authorized"), vault.NoLogin, "bound_service_account_namespaces"},
		"no such role":                {refuse(400, `invalid role name "waxwing"`), vault.NoLogin, "vault read auth/kubernetes/role/waxwing"},
		"no such mount":               {refuse(404, "no handler for route"), vault.NoLogin, "vault auth list"},
		"a Vault that is locked":      {refuse(503, "Vault is sealed"), vault.Locked, "vault operator unseal"},
		"a second factor": {func(f *fakeVault, _ *vault.Config) {
			f.takesOver(func(w http.ResponseWriter, _ *http.Request) bool {
				_, _ = w.Write([]byte(`{"auth":{"client_token":"","mfa_requirement":{}}}`))
				return true
			})
		}, vault.NoLogin, "second factor"},
		"something that is no login": {func(f *fakeVault, _ *vault.Config) {
			f.takesOver(func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte(`{"data":{}}`)); return true })
		}, vault.NoLogin, "gave no token"},
		"no token of the ServiceAccount": {func(_ *fakeVault, cfg *vault.Config) {
			cfg.ServiceAccountToken = func(context.Context, string) (string, error) { return "", errors.New("forbidden") }
		}, vault.NoLogin, "vault.enabled=true"},
		"no secret id": {func(_ *fakeVault, cfg *vault.Config) {
			cfg.Connection.Auth = v1alpha1.VaultAuth{AppRole: &v1alpha1.VaultAppRoleAuth{RoleID: "id", SecretID: v1alpha1.SecretName{Name: "s"}}}
			cfg.Secret = func(context.Context, string) (map[string][]byte, error) { return nil, nil }
		}, vault.NoLogin, "Secret s has no secretID"},
		"no folder of tokens": {func(_ *fakeVault, cfg *vault.Config) {
			cfg.Connection.Auth = v1alpha1.VaultAuth{TokenFile: &v1alpha1.VaultTokenFileAuth{Name: "t"}}
		}, vault.NoLogin, "--vault-tokens"},
		"no auth": {func(_ *fakeVault, cfg *vault.Config) { cfg.Connection.Auth = v1alpha1.VaultAuth{} }, vault.Refused, "does not say how to log in"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeVault(t)
			cfg, clock := f.config()
			c.set(f, &cfg)
			client := open(t, cfg)
			for range 60 { // a minute
				_, err := client.Read(t.Context(), "x")
				var e *vault.Error
				if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(e.Error(), c.says) {
					t.Fatalf("got %v, want kind %q with %q", err, c.kind, c.says)
				}
				clock.pass(time.Second)
			}
			if n := f.count(""); n > 20 {
				t.Errorf("%d requests in a minute of logins that fail", n)
			}
		})
	}
}

// TestNoTokensForAVaultThatIsAway counts the tokens of the ServiceAccount.
func TestNoTokensForAVaultThatIsAway(t *testing.T) {
	f := newFakeVault(t)
	cfg, clock := f.config()
	f.Close()
	tokens := 0
	cfg.ServiceAccountToken = func(context.Context, string) (string, error) { tokens++; return fakeJWT, nil }
	c := open(t, cfg)
	for range 600 { // a minute
		if _, err := c.Read(t.Context(), "x"); err == nil {
			t.Fatal("no error")
		}
		clock.pass(100 * time.Millisecond)
	}
	if tokens < 10 || tokens > 20 {
		t.Errorf("%d tokens were made in a minute for a Vault that is away", tokens)
	}
}

// TestOneLoginForAll has many ask at once, at first and after all tokens were revoked.
func TestOneLoginForAll(t *testing.T) {
	f := newFakeVault(t)
	cfg, _ := f.config()
	c := open(t, cfg)
	for round := 1; round <= 3; round++ {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := c.Read(t.Context(), "x"); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		if n := f.count("/login"); n != round {
			t.Errorf("round %d: %d logins", round, n)
		}
		f.revokeAll()
	}
}

// TestDeniedIsTriedOnceWithANewToken, if the token is not a fresh one.
func TestDeniedIsTriedOnceWithANewToken(t *testing.T) {
	f := newFakeVault(t)
	f.answers(func(w http.ResponseWriter, _ *http.Request) {
		say(w, 403, "1 error occurred:\n\t* permission denied\n\n")
	})
	cfg, clock := f.config()
	c := open(t, cfg)
	for _, step := range []struct {
		wait          time.Duration
		logins, asked int
	}{{0, 1, 1}, {time.Second, 1, 2}, {time.Minute, 2, 4}, {time.Second, 2, 5}} {
		clock.pass(step.wait)
		_, err := c.Read(t.Context(), "x")
		var e *vault.Error
		if !errors.As(err, &e) || e.Kind != vault.Denied {
			t.Fatalf("got %v", err)
		}
		if l, n := f.count("/login"), f.count("/v1/x"); l != step.logins || n != step.asked {
			t.Errorf("after %s: %d logins and %d requests, want %d and %d", step.wait, l, n, step.logins, step.asked)
		}
	}
}

// TestATokenThatIsReplacedIsGivenBack: a role with the wrong policies costs a login a minute, for as long as nobody mends it, and tokens live for 32 days by default.
func TestATokenThatIsReplacedIsGivenBack(t *testing.T) {
	f := newFakeVault(t)
	f.answers(func(w http.ResponseWriter, _ *http.Request) {
		say(w, 403, "1 error occurred:\n\t* permission denied\n\n")
	})
	cfg, clock := f.config()
	c := open(t, cfg)
	for range 5 {
		clock.pass(time.Minute)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := c.Read(t.Context(), "x"); err == nil {
					t.Error("it is not denied")
				}
			})
		}
		all.Wait()
	}
	f.comesToTokens(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tokens < 4 {
		t.Errorf("%d tokens were given out", f.tokens)
	}
}

// TestATokenThatEnds has a Vault that renews a token twice and then no more.
func TestATokenThatEnds(t *testing.T) {
	f := newFakeVault(t)
	f.ttl = 1
	f.takesOver(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "renew-self") || f.count("renew-self") <= 2 {
			return false
		}
		say(w, 403, "permission denied")
		return true
	})
	cfg, _ := f.config()
	c := open(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for f.count("/login") < 2 {
		if _, err := c.Read(ctx, "x"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n := f.count("renew-self"); n < 2 {
		t.Errorf("the token was renewed %d times, not as often as Vault allows", n)
	}
}

func TestTokenFiles(t *testing.T) {
	f := newFakeVault(t)
	f.valid["hvs.one"], f.valid["hvs.two"] = true, true
	cfg, clock := f.config()
	cfg.TokenDir = filepath.Join(t.TempDir(), "tokens")
	cfg.Connection.Auth = v1alpha1.VaultAuth{TokenFile: &v1alpha1.VaultTokenFileAuth{Name: "token"}}
	write := func(name, text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(cfg.TokenDir, 0o700), os.WriteFile(filepath.Join(cfg.TokenDir, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("token", "hvs.one\n")
	c := open(t, cfg)
	token := func(want string) {
		t.Helper()
		if _, err := c.Read(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if got := f.headers[len(f.headers)-1].Get("X-Vault-Token"); got != want {
			t.Errorf("asked with %q, want %q", got, want)
		}
	}
	token("hvs.one")
	write("token", "hvs.two")
	token("hvs.one")
	clock.pass(61 * time.Second)
	token("hvs.two") // read again after a minute
	write("token", "hvs.one")
	f.mu.Lock()
	delete(f.valid, "hvs.two")
	f.mu.Unlock()
	token("hvs.one") // read again because it was refused
	before := f.count("")
	f.revokeAll()
	if _, err := c.Read(t.Context(), "x"); err == nil || f.count("") != before+1 {
		t.Errorf("the same token was tried twice: %v", err)
	}
	f.valid["hvs.one"] = true
	token("hvs.one")
	if err := os.Remove(filepath.Join(cfg.TokenDir, "token")); err != nil {
		t.Fatal(err)
	}
	clock.pass(61 * time.Second)
	token("hvs.one") // it still counts, and the file may come back
	c.Close()
	if f.count("revoke-self") != 0 || f.count("renew-self") != 0 {
		t.Error("a token that is somebody else's was renewed or revoked")
	}
}

func TestTokenFilesThatAreRefused(t *testing.T) {
	f := newFakeVault(t)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("hvs.outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.valid["hvs.outside"] = true
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "\n", "two": "hvs.a hvs.b", "long": strings.Repeat("x", 20<<10), "inside": "hvs.outside"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(outside, filepath.Join(dir, "link")), os.Symlink("inside", filepath.Join(dir, "within")), os.Symlink("../"+filepath.Base(filepath.Dir(outside))+"/outside", filepath.Join(dir, "up"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"absent": "no such file", "folder": "is no file", "empty": "does not have one token", "two": "does not have one token", "long": "does not have one token", "link": "escapes", "up": "escapes", "within": "",
	} {
		cfg, _ := f.config()
		cfg.TokenDir = dir
		cfg.Connection.Auth = v1alpha1.VaultAuth{TokenFile: &v1alpha1.VaultTokenFileAuth{Name: v1alpha1.VaultName(name)}}
		_, err := open(t, cfg).Read(t.Context(), "x")
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), dir)) {
			t.Errorf("%s: got %v, want %q", name, err, says)
		}
	}
}

// pair is a client certificate that ends after life, with its own authority.
func pair(t *testing.T, life time.Duration) (map[string][]byte, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "waxwing"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, cert
}

// TestMutualTLS has the certificate renewed: Vault takes the new one alone, and the client finds out.
func TestMutualTLS(t *testing.T) {
	f := newFakeVault(t)
	first, firstCert := pair(t, 24*time.Hour)
	second, secondCert := pair(t, 24*time.Hour)
	var takes sync.Map
	takes.Store("cert", firstCert)
	f.TLS.ClientAuth = tls.RequireAnyClientCert
	f.TLS.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		want, _ := takes.Load("cert")
		if len(raw) == 0 || string(raw[0]) != string(want.(*x509.Certificate).Raw) {
			return errors.New("not this one")
		}
		return nil
	}
	cfg, clock := f.config()
	cfg.Connection.ClientCertificate = &v1alpha1.SecretName{Name: "mtls"}
	secret, reads := first, 0
	var mu sync.Mutex
	cfg.Secret = func(context.Context, string) (map[string][]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		reads++
		return secret, nil
	}
	c := open(t, cfg)
	for range 3 {
		if _, err := c.Read(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
	}
	if reads != 1 {
		t.Errorf("the Secret was read %d times for one connection", reads)
	}
	mu.Lock()
	secret = second
	mu.Unlock()
	takes.Store("cert", secondCert)
	f.CloseClientConnections()
	clock.pass(time.Minute)
	if _, err := c.Read(t.Context(), "x"); err != nil {
		t.Errorf("after the renewal: %v", err)
	}
	takes.Store("cert", firstCert)
	f.CloseClientConnections()
	clock.pass(time.Minute)
	_, err := c.Read(t.Context(), "x")
	var e *vault.Error
	if !errors.As(err, &e) || e.Kind != vault.Unreachable || !strings.Contains(e.Error(), "clientCertificate") {
		t.Errorf("a certificate that Vault does not take: %v", err)
	}
}

func TestACertificateThatIsAboutToEndIsReadAgain(t *testing.T) {
	f := newFakeVault(t)
	f.TLS.ClientAuth = tls.RequireAnyClientCert
	cfg, clock := f.config()
	cfg.Connection.ClientCertificate = &v1alpha1.SecretName{Name: "mtls"}
	soon, _ := pair(t, 30*time.Minute)
	reads := 0
	cfg.Secret = func(context.Context, string) (map[string][]byte, error) { reads++; return soon, nil }
	c := open(t, cfg)
	for range 2 {
		if _, err := c.Read(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		f.CloseClientConnections()
		clock.pass(time.Minute)
	}
	if reads != 2 {
		t.Errorf("the Secret was read %d times for 2 connections in the last hour of the certificate", reads)
	}
	cfg.Secret = func(context.Context, string) (map[string][]byte, error) {
		return map[string][]byte{"tls.crt": soon["tls.crt"]}, nil
	}
	var e *vault.Error
	if _, err := open(t, cfg).Read(t.Context(), "x"); !errors.As(err, &e) || e.Kind != vault.NoLogin || !strings.Contains(e.Error(), "no pair of tls.crt and tls.key") {
		t.Errorf("half a certificate: %v", err)
	}
}
