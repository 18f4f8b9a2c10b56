package rotation_test

import (
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
)

const (
	keyOfKeys = "waxwing"       // the Transit key of sealed keys
	folder    = "waxwing/prod"  // in the key/value store
	prefix    = "waxwing-prod-" // of the names of Transit keys
	role      = "waxwing"       // of the auth method
	audience  = "vault.example" // of the controller's tokens for Vault
	transit   = "transit"       // a mount
	kv        = "secret"        // a mount
	auth      = "kubernetes"    // a mount
)

// source is where the keys of a keyring live.
type source struct {
	name string
	// policies of vaultpolicy that the controller has, besides that of its login; none: there is no Vault.
	policies []string
	// spec is a Keyring's spec with that source, all but who breaks the glass.
	spec func(v1alpha1.VaultConnection) v1alpha1.KeyringSpec
	// remote says that private keys never leave Vault: no backup has them, and sealed files are for break glass too.
	remote bool
}

func sources() []source {
	return []source{
		{name: "secret", spec: func(v1alpha1.VaultConnection) v1alpha1.KeyringSpec {
			return v1alpha1.KeyringSpec{Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}}
		}},
		{name: "sealed", policies: []string{vaultpolicy.SealedKeys}, spec: func(c v1alpha1.VaultConnection) v1alpha1.KeyringSpec {
			return v1alpha1.KeyringSpec{Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{
				EncryptedBy: &v1alpha1.KeyEncryption{Transit: &v1alpha1.TransitEncryption{Vault: c, Key: keyOfKeys}}}}}
		}},
		{name: "vaultKV", policies: []string{vaultpolicy.KV, vaultpolicy.KVRemove}, spec: func(c v1alpha1.VaultConnection) v1alpha1.KeyringSpec {
			return v1alpha1.KeyringSpec{Source: v1alpha1.KeySource{VaultKV: &v1alpha1.VaultKVSource{Vault: c, Path: folder}}}
		}},
		{name: "vaultTransit", policies: []string{vaultpolicy.Transit, vaultpolicy.TransitRemove}, remote: true, spec: func(c v1alpha1.VaultConnection) v1alpha1.KeyringSpec {
			return v1alpha1.KeyringSpec{Class: "classical", Source: v1alpha1.KeySource{VaultTransit: &v1alpha1.VaultTransitSource{Vault: c, Prefix: prefix}}}
		}},
	}
}

// vault is a Vault for a source, with what ships as its policies, and how the controller reaches it.
func (w *world) vault(s source) v1alpha1.VaultConnection {
	w.t.Helper()
	v := vaulttest.Start(w.t, vaulttest.Options{})
	v.EnableTransit(transit)
	v.TransitKey(transit, keyOfKeys, nil)
	v.EnableKV(kv)
	v.EnableKubernetes(w.Cluster, auth)
	at := vaultpolicy.Place{Transit: transit, KV: kv, Auth: auth, Key: keyOfKeys, Folder: folder, Prefix: prefix}
	names := append([]string{vaultpolicy.Login}, s.policies...)
	for _, name := range names {
		text, err := vaultpolicy.Read(name, at)
		if err != nil {
			w.t.Fatal(err)
		}
		v.Policy(name, text)
	}
	v.KubernetesRole(auth, role, vaulttest.Role{ServiceAccount: account, Namespace: home, Audience: audience, Policies: names, TTL: 10 * time.Minute})
	return v1alpha1.VaultConnection{
		Address: v.Address, CABundle: v.CA(),
		Auth: v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Mount: auth, Role: role, Audience: audience}},
	}
}
