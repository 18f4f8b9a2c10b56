package vault_test

import (
	"testing"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring"
)

// rejection is something in the way that Vault is set up which the controller must not put up with.
type rejection struct {
	kind kind
	// wrong changes the Vault, or the connection, or both.
	wrong func(w *world, v *vaulttest.Vault, c *v1alpha1.VaultConnection)
	// spec changes the Keyring.
	spec func(*v1alpha1.KeyringSpec)
	// mend puts the Vault right, so that the keyring comes to work as it is; nil where the Keyring would have to change.
	mend func(w *world, v *vaulttest.Vault)
	says []string
}

// replaceKey makes the key of sealed keys anew.
func replaceKey(v *vaulttest.Vault, parameters map[string]any) {
	v.Write(transit+"/keys/"+keyOfKeys+"/config", map[string]any{"deletion_allowed": true})
	v.Delete(transit + "/keys/" + keyOfKeys)
	v.TransitKey(transit, keyOfKeys, parameters)
}

func keyOf(parameters map[string]any) func(*world, *vaulttest.Vault, *v1alpha1.VaultConnection) {
	return func(_ *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) { replaceKey(v, parameters) }
}

func anotherKey(_ *world, v *vaulttest.Vault) { replaceKey(v, nil) }

// rejections of connections are tried with one kind: all have the same client.
func rejections(t *testing.T) map[string]rejection {
	return map[string]rejection{
		"an exportable key": {sealedKeys(), keyOf(map[string]any{"exportable": true}), nil, anotherKey, []string{keyOfKeys, "exportable"}},
		"a key with a backup in the clear": {sealedKeys(), keyOf(map[string]any{"allow_plaintext_backup": true}), nil, anotherKey,
			[]string{keyOfKeys, "backup"}},
		"a key of the wrong type": {sealedKeys(), keyOf(map[string]any{"type": "rsa-4096"}), nil, anotherKey, []string{keyOfKeys, "rsa-4096", "aes256-gcm96"}},
		"a derived key":           {sealedKeys(), keyOf(map[string]any{"derived": true}), nil, anotherKey, []string{keyOfKeys, "derived"}},
		"a key that Vault would make when asked to encrypt": {sealedKeys(), func(_ *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) {
			v.Write(transit+"/keys/"+keyOfKeys+"/config", map[string]any{"deletion_allowed": true})
			v.Delete(transit + "/keys/" + keyOfKeys)
			v.Policy(policy, `path "`+transit+`/*" { capabilities = ["create", "read", "update"] }`)
		}, nil, func(w *world, v *vaulttest.Vault) { v.TransitKey(transit, keyOfKeys, nil) }, []string{keyOfKeys, "vault write"}},
		"a mount that there is not, for sealed keys": {sealedKeys(), nil, func(s *v1alpha1.KeyringSpec) { s.Source.Secret.EncryptedBy.Transit.Mount = "elsewhere" }, nil,
			[]string{"elsewhere"}},
		"a mount that there is not, for vaultKV": {vaultKV(), nil, func(s *v1alpha1.KeyringSpec) { s.Source.VaultKV.Mount = "elsewhere" }, nil, []string{"elsewhere"}},
		"a mount that there is not, for vaultTransit": {vaultTransit(t), nil, func(s *v1alpha1.KeyringSpec) { s.Source.VaultTransit.Mount = "elsewhere" }, nil,
			[]string{"elsewhere"}},
		"a role of another namespace": {vaultKV(), func(w *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) {
			r := w.role()
			r.Namespace = w.namespace
			v.KubernetesRole(auth, role, r)
		}, nil, func(w *world, v *vaulttest.Vault) { v.KubernetesRole(auth, role, w.role()) }, []string{"namespace not authorized", home}},
		"a certificate of another CA": {vaultKV(), func(w *world, _ *vaulttest.Vault, c *v1alpha1.VaultConnection) {
			c.CABundle = vaulttest.NewAuthority(w.t).PEM
		}, nil, nil, []string{"unknown authority", "caBundle"}},
	}
}

// TestWhatIsRejected sets Vault up wrongly in one way at a time. No key is made, the status says what is wrong and what to do, and where it is Vault that was wrong,
// all is well once it is right, without a restart.
func TestWhatIsRejected(t *testing.T) {
	for name, r := range rejections(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.vault(r.kind, vaulttest.Options{})
			c := connection(v.Address, v.CA())
			if r.wrong != nil {
				r.wrong(w, v, &c)
			}
			spec := r.kind.keyring(c)
			if r.spec != nil {
				r.spec(&spec)
			}
			mark := v.Mark()
			w.makeKeyring(spec)
			w.controller()
			w.says(keyring.ReasonKeySourceUnavailable, r.says...)
			for _, wrote := range v.Requests(mark, func(r vaulttest.Request) bool { return r.Operation != "read" && r.Operation != "list" && r.Error == "" }) {
				if ok := vaulttest.To("auth/*/login")(wrote); !ok {
					t.Errorf("the controller wrote to %s all the same", wrote.Path)
				}
			}
			if r.mend != nil {
				r.mend(w, v)
				w.says(keyring.ReasonKeyActive)
			}
		})
	}
}
