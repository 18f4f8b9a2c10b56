package keysources_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/certs"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring/sources"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// logins is a Vault that the ServiceAccount waxwing of a namespace may log in to, and read transit/keys/waxwing of.
type logins struct {
	*vaults
	cluster   *harness.Cluster
	namespace string
	tokens    string
}

func newLogins(t *testing.T) *logins {
	l := &logins{vaults: newVault(t), cluster: harness.Start(t), tokens: harness.Folder(t, "tokens")}
	l.namespace = l.cluster.Namespace(t)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "waxwing"}}
	if _, err := l.cluster.Clientset().CoreV1().ServiceAccounts(l.namespace).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	l.Policy("look", `path "transit/keys/waxwing" { capabilities = ["read"] } path "auth/token/renew-self" { capabilities = ["update"] } path "auth/token/revoke-self" { capabilities = ["update"] }`)
	l.EnableKubernetes(l.cluster, "kubernetes")
	l.EnableJWT(l.cluster, "jwt")
	l.EnableAppRole("approle")
	for name, r := range map[string]vaulttest.Role{
		"waxwing":   {ServiceAccount: "waxwing", Namespace: l.namespace, Audience: "vault"},
		"elsewhere": {ServiceAccount: "waxwing", Namespace: "default", Audience: "vault"},
		"short":     {ServiceAccount: "waxwing", Namespace: l.namespace, Audience: "vault", TTL: 5 * time.Second, MaxTTL: 12 * time.Second},
	} {
		r.Policies = []string{"look"}
		l.KubernetesRole("kubernetes", name, r)
		l.JWTRole("jwt", name, r)
	}
	return l
}

func byKubernetes(role string) v1alpha1.VaultAuth {
	return v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Role: v1alpha1.VaultName(role)}}
}

// client reaches Vault as the controller does.
func (l *logins) client(t *testing.T, auth v1alpha1.VaultAuth, change ...func(*vault.Config)) *vault.Client {
	t.Helper()
	core := l.cluster.Clientset().CoreV1()
	cfg := vault.Config{
		Connection:          v1alpha1.VaultConnection{Address: l.Address, CABundle: l.CA(), Auth: auth},
		ServiceAccountToken: sources.Tokens(core.ServiceAccounts(l.namespace), "waxwing"),
		Secret: func(ctx context.Context, name string) (map[string][]byte, error) {
			secret, err := core.Secrets(l.namespace).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			return secret.Data, nil
		},
		TokenDir: l.tokens, Now: time.Now, Jitter: rand.Float64, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	c := vault.New(cfg)
	t.Cleanup(c.Close)
	return c
}

func (l *logins) secret(t *testing.T, name string, data map[string]string) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data}
	if _, err := l.cluster.Clientset().CoreV1().Secrets(l.namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// refused holds that err is of a kind and says something.
func refused(t *testing.T, err error, kind vault.Kind, says string) {
	t.Helper()
	var e *vault.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Error(), says) {
		t.Errorf("got %v, want kind %q with %q", err, kind, says)
	}
}

const looked = "transit/keys/waxwing"

// TestLoginsToARealVault goes each way, and into each wall.
func TestLoginsToARealVault(t *testing.T) {
	l := newLogins(t)
	roleID, secretID := l.AppRole("approle", "waxwing", vaulttest.Role{Policies: []string{"look"}})
	l.secret(t, "approle", map[string]string{"secretID": secretID})
	l.secret(t, "approle-wrong", map[string]string{"secretID": "00000000-0000-0000-0000-000000000000"})
	for name, token := range map[string]string{"good": l.Token(time.Hour, "look"), "none": "hvs.of-nobody"} {
		if err := os.WriteFile(filepath.Join(l.tokens, name), []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	appRole := func(secret string) v1alpha1.VaultAuth {
		return v1alpha1.VaultAuth{AppRole: &v1alpha1.VaultAppRoleAuth{RoleID: roleID, SecretID: v1alpha1.SecretName{Name: secret}}}
	}
	jwt := func(role string) v1alpha1.VaultAuth {
		return v1alpha1.VaultAuth{JWT: &v1alpha1.VaultServiceAccountAuth{Role: v1alpha1.VaultName(role)}}
	}
	file := func(name string) v1alpha1.VaultAuth {
		return v1alpha1.VaultAuth{TokenFile: &v1alpha1.VaultTokenFileAuth{Name: v1alpha1.VaultName(name)}}
	}
	for name, auth := range map[string]v1alpha1.VaultAuth{"kubernetes": byKubernetes("waxwing"), "jwt": jwt("waxwing"), "appRole": appRole("approle"), "tokenFile": file("good")} {
		t.Run(name, func(t *testing.T) {
			c := l.client(t, auth)
			if a, err := c.Read(t.Context(), looked); err != nil || a.RequestID == "" {
				t.Fatalf("%+v, %v", a, err)
			}
			_, err := c.Read(t.Context(), "transit/keys/other")
			refused(t, err, vault.Denied, "permission denied")
		})
	}
	for name, c := range map[string]struct {
		auth v1alpha1.VaultAuth
		kind vault.Kind
		says string
	}{
		"a role of another namespace":        {byKubernetes("elsewhere"), vault.NoLogin, "bound_service_account_namespaces"},
		"a role that there is not":           {byKubernetes("nobody"), vault.NoLogin, "vault read auth/kubernetes/role/nobody"},
		"another audience":                   {v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Role: "waxwing", Audience: "other"}}, vault.NoLogin, "audience"},
		"the audience of the API server":     {v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Role: "waxwing", Audience: apiAudience(t, l)}}, vault.NoLogin, "is an audience of the API server itself"},
		"a mount that there is not":          {v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Mount: "k8s", Role: "waxwing"}}, vault.NoLogin, "vault auth list"},
		"a JWT role of another namespace":    {jwt("elsewhere"), vault.NoLogin, "bound_subject"},
		"a secret id that was never given":   {appRole("approle-wrong"), vault.NoLogin, "roleID is the role's"},
		"a Secret that there is not":         {appRole("absent"), vault.NoLogin, `secrets "absent" not found`},
		"a token of nobody":                  {file("none"), vault.Denied, "permission denied"},
		"a token file that there is not yet": {file("later"), vault.NoLogin, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := l.client(t, c.auth).Read(t.Context(), looked)
			refused(t, err, c.kind, c.says)
		})
	}
	t.Run("a certificate of another authority", func(t *testing.T) {
		other := certs.New(t)
		c := l.client(t, byKubernetes("waxwing"), func(cfg *vault.Config) { cfg.Connection.CABundle = other.PEM })
		_, err := c.Read(t.Context(), looked)
		refused(t, err, vault.Unreachable, "unknown authority")
	})
}

// apiAudience is an audience of the API server: what a token has for which nobody asks for another.
func apiAudience(t *testing.T, l *logins) string {
	t.Helper()
	made, err := l.cluster.Clientset().CoreV1().ServiceAccounts(l.namespace).CreateToken(t.Context(), "waxwing", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Spec.Audiences[0]
}

// TestTheLifeOfALogin has the token renewed until it ends, revoked, and Vault locked in between; each time the client finds back by itself.
func TestTheLifeOfALogin(t *testing.T) {
	l := newLogins(t)
	c := l.client(t, byKubernetes("waxwing"))
	look := func() error { _, err := c.Read(t.Context(), looked); return err }
	if err := look(); err != nil {
		t.Fatal(err)
	}
	mark := l.Mark()
	l.RevokeLogins("kubernetes")
	if err := look(); err != nil {
		t.Errorf("its token was revoked: %v", err)
	}
	if n := count(l.paths(mark), "update auth/kubernetes/login"); n != 1 {
		t.Errorf("%d logins after the token was revoked", n)
	}
	l.Lock()
	refused(t, look(), vault.Locked, "vault operator unseal")
	l.Unlock()
	harness.Eventually(t.Context(), t, "a Vault that is unlocked is asked again", func(context.Context) error { return look() })
	l.Stop()
	refused(t, look(), vault.Unreachable, "connection refused")
	l.StartAgain()
	harness.Eventually(t.Context(), t, "a Vault that is started again is asked again", func(context.Context) error { return look() })

	mark = l.Mark()
	short := l.client(t, byKubernetes("short"), func(cfg *vault.Config) { cfg.Timeout = time.Minute })
	harness.Eventually(t.Context(), t, "a token is renewed, and when that ends there is another", func(ctx context.Context) error {
		if _, err := short.Read(ctx, looked); err != nil {
			return harness.Permanent(err)
		}
		paths := l.paths(mark)
		if r, n := count(paths, "update auth/token/renew-self"), count(paths, "update auth/kubernetes/login"); r < 2 || n < 2 {
			return fmt.Errorf("%d renewals and %d logins", r, n)
		}
		return nil
	})
	mark = l.Mark()
	short.Close() // it does not wait long for the answer
	harness.Eventually(t.Context(), t, "the token is given back once", func(context.Context) error {
		if n := count(l.paths(mark), "update auth/token/revoke-self"); n != 1 {
			return fmt.Errorf("it was given back %d times", n)
		}
		return nil
	})
}

// TestCertificatesForARealVault has Vault want a certificate of the controller's.
func TestCertificatesForARealVault(t *testing.T) {
	l := &logins{vaults: &vaults{Vault: vaulttest.Start(t, vaulttest.Options{ClientCertificates: true, Names: []string{"vault.example.com"}})}, cluster: harness.Start(t), tokens: harness.Folder(t, "tokens")}
	l.namespace = l.cluster.Namespace(t)
	l.EnableTransit("transit")
	l.TransitKey("transit", transitKey, nil)
	if err := os.WriteFile(filepath.Join(l.tokens, "root"), []byte(l.Root().Token()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, authority := range map[string]*certs.Authority{"mtls": l.Authority, "other": certs.New(t)} {
		cert, key := authority.Issue(t, certs.Certificate{Subject: "waxwing"})
		l.secret(t, name, map[string]string{"tls.crt": cert, "tls.key": key})
	}
	reach := func(secret, serverName string) error {
		c := l.client(t, v1alpha1.VaultAuth{TokenFile: &v1alpha1.VaultTokenFileAuth{Name: "root"}}, func(cfg *vault.Config) {
			cfg.Connection.ServerName = serverName
			if secret != "" {
				cfg.Connection.ClientCertificate = &v1alpha1.SecretName{Name: secret}
			}
		})
		_, err := c.Read(t.Context(), looked)
		return err
	}
	const name = "vault.example.com"
	if err := reach("mtls", name); err != nil {
		t.Error(err)
	}
	refused(t, reach("", name), vault.Unreachable, "clientCertificate")
	refused(t, reach("other", name), vault.Unreachable, "clientCertificate")
	refused(t, reach("absent", name), vault.NoLogin, "the controller's certificate cannot be read")
	refused(t, reach("mtls", ""), vault.Unreachable, "serverName in the Keyring")
}

// count is how many of the paths begin so.
func count(paths []string, prefix string) (n int) {
	for _, p := range paths {
		if strings.HasPrefix(p, prefix) {
			n++
		}
	}
	return n
}
