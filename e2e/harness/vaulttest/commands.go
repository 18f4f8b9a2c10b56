package vaulttest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
)

// UnlockKey is what `vault operator unseal` takes.
func (v *Vault) UnlockKey() string { return v.unlock }

// OfferKubernetes has `vault auth enable kubernetes` work as in Vault's own builds, which have that auth method in them.
func (v *Vault) OfferKubernetes() {
	v.t.Helper()
	const plugin = "vault-plugin-auth-kubernetes"
	raw, err := os.ReadFile(filepath.Join(v.plugins, plugin))
	if err != nil {
		v.t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	v.write("sys/plugins/catalog/auth/kubernetes", map[string]any{"sha256": hex.EncodeToString(sum[:]), "command": plugin})
}
