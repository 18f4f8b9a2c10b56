package keysources_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// vaults is a Vault with one of each engine: transit with the key waxwing, and kv.
type vaults struct {
	*vaulttest.Vault
	folders int
}

const transitKey = "waxwing"

func newVault(t testing.TB) *vaults {
	v := &vaults{Vault: vaulttest.Start(t, vaulttest.Options{})}
	v.EnableTransit("transit")
	v.TransitKey("transit", transitKey, nil)
	v.EnableKV("kv")
	return v
}

// folder gives a name that no other test has.
func (v *vaults) folder() string {
	v.folders++
	return fmt.Sprintf("waxwing-%d", v.folders)
}

// client has a token with a policy that the chart ships, for these places, and with that for logins; nothing else.
func (v *vaults) client(t testing.TB, policy string, places ...vaultpolicy.Place) *vault.Client {
	t.Helper()
	return v.clientWith(t, []string{policy}, places...)
}

// clientWith has all of these policies.
func (v *vaults) clientWith(t testing.TB, policies []string, places ...vaultpolicy.Place) *vault.Client {
	t.Helper()
	var names []string
	grant := func(file string, at vaultpolicy.Place) {
		text, err := vaultpolicy.Read(file, at)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ReplaceAll(strings.Join([]string{file, at.Folder, at.Prefix, at.Key}, "-"), "/", "-")
		v.Policy(name, text)
		names = append(names, name)
	}
	grant(vaultpolicy.Login, vaultpolicy.Place{})
	for _, policy := range policies {
		for _, at := range places {
			grant(policy, at)
		}
	}
	return v.clientAs(t, names...)
}

// clientAs has a token with these policies.
func (v *vaults) clientAs(t testing.TB, policies ...string) *vault.Client {
	t.Helper()
	made, err := v.Root().Logical().WriteWithContext(t.Context(), "auth/token/create-orphan", map[string]any{"policies": policies, "no_default_policy": true, "ttl": "1h"})
	if err != nil {
		t.Fatal(err)
	}
	dir := harness.Folder(t, "tokens")
	if err := os.WriteFile(filepath.Join(dir, "waxwing"), []byte(made.Auth.ClientToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := vault.New(vault.Config{
		Connection: v1alpha1.VaultConnection{
			Address: v.Address, CABundle: v.CA(), Auth: v1alpha1.VaultAuth{TokenFile: &v1alpha1.VaultTokenFileAuth{Name: "waxwing"}},
		},
		TokenDir: dir, Timeout: time.Minute, Now: time.Now, Jitter: rand.Float64, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(c.Close)
	return c
}

// watchedVault hands each write to at.
type watchedVault struct {
	*vault.Client
	at func(write func() error) error
}

func (w watchedVault) Write(ctx context.Context, path string, body map[string]any) (answer *vault.Answer, err error) {
	err = w.at(func() error { answer, err = w.Client.Write(ctx, path, body); return err })
	return answer, err
}

func (w watchedVault) Delete(ctx context.Context, path string) error {
	return w.at(func() error { return w.Client.Delete(ctx, path) })
}

// away locks Vault until back.
func (v *vaults) away() (back func()) {
	v.Lock()
	return v.Unlock
}

// paths lists what was asked since the mark, as operation and path.
func (v *vaults) paths(since vaulttest.Mark) []string {
	var all []string
	for _, r := range v.Requests(since) {
		all = append(all, r.Operation+" "+r.Path)
	}
	return all
}
