package vault_test

import (
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
)

// kind is a source whose keys need Vault.
type kind struct {
	name string
	// policy of vaultpolicy that the controller has, besides that of its login.
	policy string
	// keyring is a Keyring's spec with that source, reached by a connection.
	keyring func(v1alpha1.VaultConnection) v1alpha1.KeyringSpec
	// remote says that each opening needs Vault; otherwise keys in memory do without.
	remote bool
	// quiet says that a look at a keyring whose keys are in memory asks Vault nothing.
	quiet bool
}

const (
	keyOfKeys = "waxwing"       // the Transit key of sealed keys
	folder    = "waxwing/prod"  // in the key/value store
	prefix    = "waxwing-prod-" // of the names of Transit keys
	policy    = "waxwing"       // in Vault
	role      = "waxwing"       // of all auth methods
	audience  = "vault.example" // of the controller's tokens for Vault
	transit   = "transit"       // a mount
	kv        = "secret"        // a mount
	auth      = "kubernetes"    // a mount
)

func sealedKeys() kind {
	return kind{name: "sealed keys", policy: vaultpolicy.SealedKeys, quiet: true, keyring: func(c v1alpha1.VaultConnection) v1alpha1.KeyringSpec {
		return v1alpha1.KeyringSpec{Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{
			EncryptedBy: &v1alpha1.KeyEncryption{Transit: &v1alpha1.TransitEncryption{Vault: c, Key: keyOfKeys}}}}}
	}}
}

func vaultKV() kind {
	return kind{name: "vaultKV", policy: vaultpolicy.KV, keyring: func(c v1alpha1.VaultConnection) v1alpha1.KeyringSpec {
		return v1alpha1.KeyringSpec{Source: v1alpha1.KeySource{VaultKV: &v1alpha1.VaultKVSource{Vault: c, Path: folder}}}
	}}
}

// vaultTransit has somebody for break glass whose key is returned nowhere: its tests do not break glass.
func vaultTransit(t *testing.T) kind {
	t.Helper()
	somebody, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return kind{name: "vaultTransit", policy: vaultpolicy.Transit, remote: true, keyring: func(c v1alpha1.VaultConnection) v1alpha1.KeyringSpec {
		return v1alpha1.KeyringSpec{
			Class:      "classical",
			Source:     v1alpha1.KeySource{VaultTransit: &v1alpha1.VaultTransitSource{Vault: c, Prefix: prefix}},
			BreakGlass: &v1alpha1.BreakGlass{Recipients: []string{somebody.Recipient().String()}},
		}
	}}
}

func kinds(t *testing.T) []kind { return []kind{sealedKeys(), vaultKV(), vaultTransit(t)} }

// vault is a Vault with all that the kinds need, for the controller's ServiceAccount and with what ships as its policy.
func (w *world) vault(k kind, o vaulttest.Options) *vaulttest.Vault {
	w.t.Helper()
	v := vaulttest.Start(w.t, o)
	v.EnableTransit(transit)
	v.TransitKey(transit, keyOfKeys, nil)
	v.EnableKV(kv)
	v.EnableKubernetes(w.Cluster, auth)
	w.allow(v, k)
	v.KubernetesRole(auth, role, w.role())
	return v
}

func (w *world) role() vaulttest.Role {
	return vaulttest.Role{ServiceAccount: account, Namespace: home, Audience: audience, Policies: []string{policy, "login"}, TTL: 10 * time.Minute}
}

// allow gives the controller the rights that ship for its source.
func (w *world) allow(v *vaulttest.Vault, k kind) {
	w.t.Helper()
	at := vaultpolicy.Place{Transit: transit, KV: kv, Auth: auth, Key: keyOfKeys, Folder: folder, Prefix: prefix}
	for name, file := range map[string]string{"login": vaultpolicy.Login, policy: k.policy} {
		text, err := vaultpolicy.Read(file, at)
		if err != nil {
			w.t.Fatal(err)
		}
		v.Policy(name, text)
	}
}

// connection is how the controller reaches a Vault at an address.
func connection(address, ca string) v1alpha1.VaultConnection {
	return v1alpha1.VaultConnection{
		Address: address, CABundle: ca,
		Auth: v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Mount: auth, Role: role, Audience: audience}},
	}
}
