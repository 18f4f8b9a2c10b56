package keysources_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/keyringtest"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
	"github.com/waxwing-io/waxwing/keyring/vaulttransit"
)

// transitKeys are keyrings in a namespace of their own, each with a prefix of its own.
type transitKeys struct {
	*keySecrets
	vault  *vault.Client
	folder string
}

func newTransitKeys(t testing.TB, c *harness.Cluster, v *vaults) *transitKeys {
	k := &transitKeys{keySecrets: newKeySecrets(t, c, secretsource.TransitForm()), folder: v.folder()}
	k.vault = v.clientWith(t, []string{vaultpolicy.Transit, vaultpolicy.TransitRemove}, k.place("first"), k.place("second"))
	return k
}

func (k *transitKeys) prefix(name string) string { return k.folder + "-" + name + "-" }

func (k *transitKeys) place(name string) vaultpolicy.Place {
	return vaultpolicy.Place{Transit: "transit", Prefix: k.prefix(name)}
}

func (k *transitKeys) custody(name string, vault vaulttransit.Vault) *vaulttransit.Custody {
	return vaulttransit.New(vaulttransit.Config{Vault: vault, Mount: "transit", Prefix: k.prefix(name), Now: time.Now, Rand: rand.Reader})
}

func (k *transitKeys) source(name string) keyring.Source {
	return secretsource.NewIn(k.secrets, k.custody(name, k.vault), time.Now)
}

// transitKey is the name in Vault of the private half of a key.
func (k *transitKeys) transitKey(name, id string) string {
	k.t.Helper()
	return strings.TrimSpace(string(k.get(k.form.KeySecretName(name, id)).Data[k.form.DataIdentity]))
}

func (k *transitKeys) world(v *vaults) keyringtest.World {
	w := k.keySecrets.world(seal.Classical)
	w.Source, w.Away = k.source, v.away
	w.Holds = func(name, id string) bool { return v.Read("transit/keys/"+k.transitKey(name, id)) != nil }
	w.LosePrivate = func(name, id string) {
		key := "transit/keys/" + k.transitKey(name, id)
		v.Write(key+"/config", map[string]any{"deletion_allowed": true})
		v.Delete(key)
	}
	w.Watched = func(name string, at func(func() error) error) keyring.Source {
		return secretsource.NewIn(watchedSecrets{k.secrets, at}, k.custody(name, watchedVault{k.vault, at}), time.Now)
	}
	return w
}

func TestKeysInVaultTransit(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	keyringtest.Run(t, func(t *testing.T) keyringtest.World { return newTransitKeys(t, c, v).world(v) })
	keyringtest.RunBound(t, func(t *testing.T) (keyringtest.World, func(from, to, id string)) {
		k := newTransitKeys(t, c, v)
		return k.world(v), k.copy
	})
}

// opener is one key of a real Vault, and what is sealed to it.
type opener struct {
	*vaults
	held secretsource.Held
	name string // of the Transit key
	keys seal.Identities
	from keyring.Prefetcher
	docs []*seal.Checked
	// ciphertexts are those of docs.
	ciphertexts [][]byte
}

func newOpener(t *testing.T, v *vaults, objects int) *opener {
	t.Helper()
	prefix := v.folder() + "-"
	client := v.client(t, vaultpolicy.Transit, vaultpolicy.Place{Transit: "transit", Prefix: prefix})
	custody := vaulttransit.New(vaulttransit.Config{Vault: client, Mount: "transit", Prefix: prefix, Now: time.Now, Rand: rand.Reader})
	recipient, kept, err := custody.NewKey(t.Context(), "prod-eu", seal.Classical)
	if err != nil {
		t.Fatal(err)
	}
	o := &opener{vaults: v, name: strings.TrimSpace(string(kept)), held: secretsource.Held{ID: seal.KeyID(recipient), Recipient: recipient, Kept: kept}}
	found, err := custody.Identities(t.Context(), "prod-eu", []secretsource.Held{o.held})
	if err != nil || found[0].Err != nil {
		t.Fatalf("%v, %v", found, err)
	}
	o.keys = seal.NewIdentities(found[0].Identity)
	identity, _ := o.keys.Identity(o.held.ID)
	o.from = identity.(keyring.Prefetcher)
	r, err := seal.ParseRecipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	for range objects {
		o.seal(t, r)
	}
	return o
}

func (o *opener) seal(t *testing.T, r seal.Recipient) {
	t.Helper()
	place := seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}
	spec, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(place, seal.Values{"a": seal.NewValue([]byte("x"))}, []seal.Holder{{Name: "prod-eu", Recipients: []seal.Recipient{r}}})
	if err != nil {
		t.Fatal(err)
	}
	checked, err := seal.Check(spec)
	if err != nil {
		t.Fatal(err)
	}
	o.docs = append(o.docs, checked)
	o.ciphertexts = append(o.ciphertexts, checked.RSACiphertexts(o.keys)[o.held.ID]...)
}

func (o *opener) open(i int) error {
	_, err := o.docs[i].Open(seal.Target{Namespace: "prod", Name: "db"}, o.keys)
	return err
}

// decrypts lists the requests to decrypt since the mark, by how many ciphertexts each had.
func (o *opener) decrypts(since vaulttest.Mark) (all []int) {
	for _, r := range o.Requests(since, vaulttest.To("transit/decrypt/*")) {
		all = append(all, r.Batch())
	}
	return all
}

func TestWhatVaultDecryptsInBatches(t *testing.T) {
	v := newVault(t)
	o := newOpener(t, v, 4)
	mark := v.Mark()
	ctx, requests := keyring.WithRequests(t.Context())
	foreign := make([]byte, 512)
	foreign[511] = 1
	if err := o.from.Prefetch(ctx, append(slices.Clone(o.ciphertexts[:3]), foreign)); err != nil {
		t.Fatal(err)
	}
	if asked := v.Requests(mark, vaulttest.To("transit/decrypt/*")); len(asked) != 1 || asked[0].ID != requests.String() {
		t.Errorf("Vault's audit log has %+v, and ours would have %q", asked, requests)
	}
	if err := errors.Join(o.open(0), o.open(1), o.open(2)); err != nil {
		t.Error(err)
	}
	if got := o.decrypts(mark); !slices.Equal(got, []int{4}) {
		t.Errorf("ciphertexts by request: %v", got)
	}
	if err := o.unwrap(foreign); err == nil || errors.As(err, new(*seal.Unusable)) {
		t.Errorf("what Vault refuses says %v", err)
	}

	// Alone, it is no failure of Vault either.
	mark = v.Mark()
	if err := o.from.Prefetch(t.Context(), [][]byte{foreign}); err != nil {
		t.Error(err)
	}
	if err := o.unwrap(foreign); err == nil || errors.As(err, new(*seal.Unusable)) {
		t.Errorf("what Vault refuses, alone, says %v", err)
	}
	if got := o.decrypts(mark); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("ciphertexts by request: %v", got)
	}
	if err := o.open(3); err != nil {
		t.Error(err)
	}
}

// unwrap opens an age stanza.
func (o *opener) unwrap(body []byte) error {
	identity, _ := o.keys.Identity(o.held.ID)
	_, err := identity.Unwrap([]*age.Stanza{{Type: "waxwing.io/rsa4096", Args: []string{o.held.ID}, Body: body}})
	return err
}

func TestAKeyThatVaultDoesNotUseIsNoFaultOfTheObjects(t *testing.T) {
	v := newVault(t)
	for name, c := range map[string]struct {
		undo func(o *opener) (back func())
		says string
	}{
		"its version disabled": {func(o *opener) func() {
			v.Write("transit/keys/"+o.name+"/rotate", nil)
			v.Write("transit/keys/"+o.name+"/config", map[string]any{"min_decryption_version": 2})
			return func() { v.Write("transit/keys/"+o.name+"/config", map[string]any{"min_decryption_version": 1}) }
		}, "config min_decryption_version=1"},
		"locked":  {func(*opener) func() { return v.away() }, "vault operator unseal"},
		"stopped": {func(*opener) func() { v.Stop(); return v.StartAgain }, "see that Vault runs"},
		"gone": {func(o *opener) func() {
			snapshot := v.Snapshot()
			v.Write("transit/keys/"+o.name+"/config", map[string]any{"deletion_allowed": true})
			v.Delete("transit/keys/" + o.name)
			return func() { v.Restore(snapshot) }
		}, "Vault does not have: restore a snapshot"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOpener(t, v, 3)
			if err := o.open(0); err != nil {
				t.Fatal(err)
			}
			back := c.undo(o)
			err := o.from.Prefetch(t.Context(), o.ciphertexts)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if err := o.open(1); !errors.As(err, new(*seal.Unusable)) {
				t.Errorf("opening says %v", err)
			}
			back()
			harness.Eventually(t.Context(), t, "Vault decrypts again", func(ctx context.Context) error { return o.from.Prefetch(ctx, o.ciphertexts) })
			if err := errors.Join(o.open(1), o.open(2)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTransitKeysThatAreRefused makes keys as somebody may who sets Vault up by hand, and brings one of ours to each.
func TestTransitKeysThatAreRefused(t *testing.T) {
	v := newVault(t)
	prefix := v.folder() + "-"
	client := v.client(t, vaultpolicy.Transit, vaultpolicy.Place{Transit: "transit", Prefix: prefix})
	custody := func(mount string) *vaulttransit.Custody {
		return vaulttransit.New(vaulttransit.Config{Vault: client, Mount: mount, Prefix: prefix, Now: time.Now, Rand: rand.Reader})
	}
	ours := func() string {
		_, kept, err := custody("transit").NewKey(t.Context(), "prod-eu", seal.Classical)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(kept))
	}
	configured := func(field string) func() string {
		return func() string {
			name := ours()
			v.Write("transit/keys/"+name+"/config", map[string]any{field: true})
			return name
		}
	}
	of := func(kind string) func() string {
		return func() string {
			v.TransitKey("transit", prefix+kind, map[string]any{"type": kind})
			return prefix + kind
		}
	}
	for name, c := range map[string]struct {
		key  func() string
		says string
	}{
		"made exportable":               {configured("exportable"), "is exportable"},
		"made to give backups in clear": {configured("allow_plaintext_backup"), "allow_plaintext_backup"},
		"of type aes256-gcm96":          {of("aes256-gcm96"), "is of type aes256-gcm96, not rsa-4096"},
		"of type rsa-2048":              {of("rsa-2048"), "is of type rsa-2048, not rsa-4096"},
		"of type ed25519":               {of("ed25519"), "is of type ed25519, not rsa-4096"},
		"not there":                     {func() string { return prefix + "nothing" }, "Vault does not have"},
		"another than the Secret's":     {ours, "has another public half than the recipient"},
		"a rotated one with a trimmed 1": {func() string {
			name := ours()
			v.Write("transit/keys/"+name+"/rotate", nil)
			v.Write("transit/keys/"+name+"/config", map[string]any{"min_decryption_version": 2, "min_encryption_version": 2})
			v.Write("transit/keys/"+name+"/trim", map[string]any{"min_available_version": 2})
			return name
		}, "min_decryption_version"},
	} {
		t.Run(name, func(t *testing.T) {
			key := c.key()
			found, err := custody("transit").Identities(t.Context(), "prod-eu", []secretsource.Held{{Recipient: "waxrsa1x", Kept: []byte(key)}})
			if err != nil || found[0].Err == nil || !strings.Contains(found[0].Err.Error(), "names the Transit key transit/keys/"+key+", which ") || !strings.Contains(found[0].Err.Error(), c.says) {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
	for mount, says := range map[string]string{"nowhere": "permission denied"} {
		if _, _, err := custody(mount).NewKey(t.Context(), "prod-eu", seal.Classical); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("mount %s: %v", mount, err)
		}
	}
	root := v.clientAs(t, "root")
	for mount, says := range map[string]string{"nowhere": "Vault has no Transit engine there", "kv": "Vault has no Transit engine there"} {
		c := vaulttransit.New(vaulttransit.Config{Vault: root, Mount: mount, Prefix: prefix, Now: time.Now, Rand: rand.Reader})
		_, _, err := c.NewKey(t.Context(), "prod-eu", seal.Classical)
		problem := (*keyring.Problem)(nil)
		if !errors.As(err, &problem) || !strings.Contains(err.Error(), says) {
			t.Errorf("mount %s: %v", mount, err)
		}
	}
}
