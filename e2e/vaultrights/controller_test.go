package vaultrights_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	vaultapi "github.com/hashicorp/vault/api"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/sealed"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
	"github.com/waxwing-io/waxwing/keyring/vaultkv"
	"github.com/waxwing-io/waxwing/keyring/vaulttransit"
)

// world is what keyrings are made in.
type world struct {
	*vaulttest.Vault
	cluster *harness.Cluster
	log     audit.Log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Vault: vaulttest.Start(t, vaulttest.Options{}), cluster: harness.Start(t)}
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit"))
	t.Cleanup(func() { _ = log.Close() })
	w.log = log
	return w
}

// client logs in as auth says.
func (w *world) client(t *testing.T, auth v1alpha1.VaultAuth, tokens string, secret map[string][]byte) *vault.Client {
	t.Helper()
	c := vault.New(vault.Config{
		Connection: v1alpha1.VaultConnection{Address: w.Address, CABundle: w.CA(), Auth: auth},
		Secret:     secretOf(secret), TokenDir: tokens, Timeout: time.Minute, // an RSA key takes Vault seconds of a processor
		Now: time.Now, Jitter: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(c.Close)
	return c
}

func secretOf(data map[string][]byte) func(context.Context, string) (map[string][]byte, error) {
	return func(context.Context, string) (map[string][]byte, error) { return data, nil }
}

// token has a policy and no other, and ends with its Vault.
func (w *world) token(t *testing.T, policy string) string {
	t.Helper()
	s, err := w.Root().Auth().Token().CreateOrphan(&vaultapi.TokenCreateRequest{Policies: []string{policy}, NoDefaultPolicy: true, TTL: time.Hour.String()})
	if err != nil {
		t.Fatal(err)
	}
	return s.Auth.ClientToken
}

// source is where the keys of a keyring are that needs the policy.
func source(policy string, p place, c *vault.Client, secrets corev1client.SecretInterface) keyring.Source {
	switch policy {
	case vaultpolicy.KV:
		return vaultkv.New(vaultkv.Config{Vault: c, Mount: p.KV, Path: p.Folder, Now: time.Now, Rand: rand.Reader})
	case vaultpolicy.Transit:
		custody := vaulttransit.New(vaulttransit.Config{Vault: c, Mount: p.Transit, Prefix: p.Prefix, Now: time.Now, Rand: rand.Reader})
		return secretsource.NewIn(secrets, custody, time.Now)
	}
	return secretsource.NewIn(secrets, sealed.New(sealed.Config{Vault: c, Mount: p.Transit, Key: p.Key, Cluster: "a-cluster", Rand: rand.Reader}), time.Now)
}

// live makes a keyring's first keys, publishes them, and loads them again as a controller does that starts anew. It gives the requests that Vault has refused.
func (w *world) live(t *testing.T, policy, text string, p place) (refused []vaulttest.Request, outcome error) {
	t.Helper()
	name := "test-" + p.Transit
	w.Policy(name, text)
	tokens := t.TempDir()
	if err := os.WriteFile(filepath.Join(tokens, "token"), []byte(w.token(t, name)), 0o600); err != nil {
		t.Fatal(err)
	}
	auth := v1alpha1.VaultAuth{TokenFile: &v1alpha1.VaultTokenFileAuth{Name: "token"}}
	secrets := w.cluster.Clientset().CoreV1().Secrets(w.cluster.Namespace(t))
	mark := w.Mark()
	for range 2 {
		src := source(policy, p, w.client(t, auth, tokens, nil), secrets)
		m := keyring.NewManager(keyring.Config{
			Source: func(_ context.Context, _ string, _ v1alpha1.KeySource) (keyring.Source, error) { return src, nil },
			Audit:  w.log, Now: time.Now, Rand: rand.Reader, Live: &keyring.Live{},
		})
		res, err := m.Ensure(t.Context(), keyringOf(policy))
		switch {
		case err != nil:
			outcome = errors.Join(outcome, err)
		case !res.Ready:
			outcome = errors.Join(outcome, fmt.Errorf("%s: %s", res.Reason, res.Message))
		}
	}
	return w.refused(mark), outcome
}

func (w *world) refused(mark vaulttest.Mark) []vaulttest.Request {
	return w.Requests(mark, func(r vaulttest.Request) bool { return strings.Contains(r.Error, "permission denied") })
}

func keyringOf(policy string) *v1alpha1.Keyring {
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: "prod"}, Spec: v1alpha1.KeyringSpec{Class: "postquantum", Namespaces: []string{"*"}, Scopes: []string{"strict"}}}
	if policy == vaultpolicy.Transit {
		kr.Spec.Class = "classical"
	}
	return kr
}

// TestEachRightOfTheControllerIsNeeded has a keyring of each source live with the policy that ships for it: nothing is refused. Then with one right less: that is refused.
func TestEachRightOfTheControllerIsNeeded(t *testing.T) {
	w := newWorld(t)
	n := 1000
	for _, policy := range []string{vaultpolicy.SealedKeys, vaultpolicy.KV, vaultpolicy.Transit} {
		t.Run(policy, func(t *testing.T) {
			n++
			p := empty(w.Vault, n)
			refused, err := w.live(t, policy, render(t, policy, p.Place), p)
			if err != nil || len(refused) > 0 {
				t.Fatalf("with all of the policy: %v, refused %+v", err, refused)
			}
			for _, r := range rightsOf(t, policy, shipped(t)[policy]) {
				t.Run(r.String(), func(t *testing.T) {
					n++
					p := empty(w.Vault, n)
					refused, err := w.live(t, policy, without(t, render(t, policy, p.Place), p.Fill(r.path), r.capability), p)
					if len(refused) == 0 {
						t.Fatalf("nothing was refused: %v", err)
					}
					for _, req := range refused {
						if !r.missedBy(p, req) {
							t.Errorf("refused was something else: %s %s", req.Operation, req.Path)
						}
					}
					t.Logf("without it: %v", err)
				})
			}
		})
	}
}

// empty is a place without a key of a keyring.
func empty(v *vaulttest.Vault, n int) place {
	p := fresh(v, n, true)
	v.EnableTransit(p.Transit)
	v.TransitKey(p.Transit, p.Key, nil)
	v.EnableKV(p.KV)
	return p
}

// missedBy says whether a request was refused for want of r.
func (r right) missedBy(p place, req vaulttest.Request) bool {
	path := strings.TrimSuffix(req.Path, "/")
	if prefix, ok := strings.CutSuffix(p.Fill(r.path), "*"); ok {
		return req.Operation == r.capability && strings.HasPrefix(path, prefix)
	}
	return req.Operation == r.capability && path == p.Fill(r.path)
}

// TestTheControllersTokenLivesAndIsGivenBack holds the policy of logins: with it the token is renewed, and gives itself back; Vault's own policy "default" is not needed.
func TestTheControllersTokenLivesAndIsGivenBack(t *testing.T) {
	v := vaulttest.Start(t, vaulttest.Options{})
	w := &world{Vault: v}
	p := empty(v, 1)
	v.Policy("waxwing-login", render(t, vaultpolicy.Login, p.Place))
	v.Policy("waxwing-prod", render(t, vaultpolicy.SealedKeys, p.Place))
	v.EnableAppRole("approle")
	role, secret := v.AppRole("approle", "waxwing-prod", vaulttest.Role{Policies: []string{"waxwing-login", "waxwing-prod"}, TTL: time.Minute})
	v.Write("auth/approle/role/waxwing-prod", map[string]any{"token_no_default_policy": true})
	auth := v1alpha1.VaultAuth{AppRole: &v1alpha1.VaultAppRoleAuth{RoleID: role, SecretID: v1alpha1.SecretName{Name: "approle"}}}
	mark := v.Mark()
	c := w.client(t, auth, "", map[string][]byte{"secretID": []byte(secret)})
	if _, err := c.Read(t.Context(), p.Transit+"/keys/"+p.Key); err != nil {
		t.Fatal(err)
	}
	used := func(path string) error {
		for _, r := range v.Requests(mark, vaulttest.To(path)) {
			if r.Answered && r.Error == "" {
				return nil
			}
		}
		return fmt.Errorf("no request for %s was answered", path)
	}
	harness.Eventually(t.Context(), t, "the token is renewed", func(context.Context) error { return used("auth/token/renew-self") })
	c.Close() // it does not wait long for the answer
	harness.Eventually(t.Context(), t, "the token is given back", func(context.Context) error { return used("auth/token/revoke-self") })
	if refused := w.refused(mark); len(refused) > 0 {
		t.Errorf("refused: %+v", refused)
	}
}
