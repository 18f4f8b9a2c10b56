package vault_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness/certs"
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
	// waits has the test wait until the controller looks again by itself, which is after a minute; otherwise it is made to look.
	waits bool
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

// everything is a policy that no controller should have: with it Vault says that a mount is not there, where it would say that nothing is allowed otherwise.
const everything = `path "*" { capabilities = ["create", "read", "update", "delete", "list"] }`

// rejections of connections are tried with one kind: all have the same client.
func rejections(t *testing.T) map[string]rejection {
	noMount := []string{"elsewhere", "vault secrets list"}
	return map[string]rejection{
		"an exportable key": {
			kind: sealedKeys(), wrong: keyOf(map[string]any{"exportable": true}), mend: anotherKey, says: []string{keyOfKeys, "exportable"}, waits: true,
		},
		"a key with a backup in the clear": {
			kind: sealedKeys(), wrong: keyOf(map[string]any{"allow_plaintext_backup": true}), mend: anotherKey, says: []string{keyOfKeys, "backup"},
		},
		"a key of the wrong type": {
			kind: sealedKeys(), wrong: keyOf(map[string]any{"type": "rsa-4096"}), mend: anotherKey, says: []string{keyOfKeys, "rsa-4096", "aes256-gcm96"},
		},
		"a derived key": {kind: sealedKeys(), wrong: keyOf(map[string]any{"derived": true}), mend: anotherKey, says: []string{keyOfKeys, "derived"}},
		"a key that is not there, which Vault would make when asked to encrypt": {
			kind: sealedKeys(),
			wrong: func(_ *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) {
				v.Write(transit+"/keys/"+keyOfKeys+"/config", map[string]any{"deletion_allowed": true})
				v.Delete(transit + "/keys/" + keyOfKeys)
				v.Policy(policy, everything)
			},
			mend: func(w *world, v *vaulttest.Vault) { w.allow(v, sealedKeys()); v.TransitKey(transit, keyOfKeys, nil) },
			says: []string{"does not exist", "vault write -f " + transit + "/keys/" + keyOfKeys},
		},
		"a key that the controller could make anew": {
			kind:  sealedKeys(),
			wrong: func(_ *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) { v.Policy(policy, everything) },
			mend:  func(w *world, v *vaulttest.Vault) { w.allow(v, sealedKeys()) },
			says:  []string{"could be made anew", "`create`", transit + "/encrypt/" + keyOfKeys},
		},
		"a mount that there is not, for sealed keys": {
			kind:  sealedKeys(),
			wrong: func(_ *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) { v.Policy(policy, everything) }, spec: func(s *v1alpha1.KeyringSpec) { s.Source.Secret.EncryptedBy.Transit.Mount = "elsewhere" },
			says: []string{"no Transit engine at elsewhere"},
		},
		"a mount that there is not, for vaultKV": {
			kind:  vaultKV(),
			wrong: func(_ *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) { v.Policy(policy, everything) }, spec: func(s *v1alpha1.KeyringSpec) { s.Source.VaultKV.Mount = "elsewhere" },
			says: noMount,
		},
		"a mount that there is not, for vaultTransit": {
			kind:  vaultTransit(t),
			wrong: func(_ *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) { v.Policy(policy, everything) }, spec: func(s *v1alpha1.KeyringSpec) { s.Source.VaultTransit.Mount = "elsewhere" },
			says: []string{"elsewhere", "no Transit engine there", "vault secrets enable"},
		},
		"a mount that the policy does not name": {
			kind: sealedKeys(), spec: func(s *v1alpha1.KeyringSpec) { s.Source.Secret.EncryptedBy.Transit.Mount = "elsewhere" }, says: append(noMount, "docs/vault.md"),
		},
		"the mount of another engine, for sealed keys": {
			kind:  sealedKeys(),
			wrong: func(_ *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) { v.Policy(policy, everything) },
			spec:  func(s *v1alpha1.KeyringSpec) { s.Source.Secret.EncryptedBy.Transit.Mount = kv }, says: []string{kv},
		},
		"the mount of another engine, for vaultKV": {
			kind:  vaultKV(),
			wrong: func(_ *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) { v.Policy(policy, everything) },
			spec:  func(s *v1alpha1.KeyringSpec) { s.Source.VaultKV.Mount = transit },
			says:  []string{"mount " + transit + " is no key/value store but of type", "name one in source.vaultKV.mount"},
		},
		"a role of another namespace": {
			kind: vaultKV(),
			wrong: func(w *world, v *vaulttest.Vault, _ *v1alpha1.VaultConnection) {
				r := w.role()
				r.Namespace = w.namespace
				v.KubernetesRole(auth, role, r)
			},
			mend: func(w *world, v *vaulttest.Vault) { v.KubernetesRole(auth, role, w.role()) },
			says: []string{"namespace not authorized", "vault read auth/" + auth + "/role/" + role},
		},
		"a certificate of another CA": {
			kind: vaultKV(),
			wrong: func(w *world, _ *vaulttest.Vault, c *v1alpha1.VaultConnection) {
				c.CABundle = certs.New(w.t).PEM
			},
			says: []string{"unknown authority", "caBundle"},
		},
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
				// It logs in, and asks what its token may do.
				if !strings.HasPrefix(wrote.Path, "auth/") && wrote.Path != "sys/capabilities-self" {
					t.Errorf("the controller wrote to %s all the same", wrote.Path)
				}
			}
			if r.mend != nil {
				r.mend(w, v)
				// Twice what it takes; the end of it is a failed test.
				ctx, cancel := context.WithTimeout(w.ctx, 3*time.Minute)
				defer cancel()
				if !r.waits {
					w.look()
				}
				w.saysWithin(ctx, keyring.ReasonKeyActive)
			}
		})
	}
}
