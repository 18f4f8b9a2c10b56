package keysources_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/keyringtest"
	"github.com/waxwing-io/waxwing/keyring/sealed"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

const cluster = "11111111-2222-3333-4444-555555555555"

// sealedKeys are sealed keys in a namespace of their own.
type sealedKeys struct {
	*keySecrets
	vault sealed.Vault
}

func newSealedKeys(t testing.TB, c *harness.Cluster, v *vaults) *sealedKeys {
	client := v.client(t, vaultpolicy.SealedKeys, vaultpolicy.Place{Transit: "transit", Key: transitKey})
	return &sealedKeys{newKeySecrets(t, c, secretsource.SealedForm()), client}
}

// source has an empty memory.
func (s *sealedKeys) source(cluster string) keyring.Source { return s.over(s.secrets, cluster) }

func (s *sealedKeys) over(secrets secretsource.Secrets, cluster string) keyring.Source {
	custody := sealed.New(sealed.Config{Vault: s.vault, Mount: "transit", Key: transitKey, Cluster: cluster, Rand: rand.Reader})
	return secretsource.NewIn(secrets, custody, time.Now)
}

func (s *sealedKeys) world(v *vaults, class seal.Class) keyringtest.World {
	w := s.keySecrets.world(class)
	w.Source = func(string) keyring.Source { return s.source(cluster) }
	w.Watched = func(_ string, at func(func() error) error) keyring.Source {
		return s.over(watchedSecrets{s.secrets, at}, cluster)
	}
	w.Away, w.Memorizes = v.away, true
	return w
}

func TestSealedKeys(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	keyringtest.Run(t, func(t *testing.T) keyringtest.World { return newSealedKeys(t, c, v).world(v, seal.PostQuantum) })
	keyringtest.RunBound(t, func(t *testing.T) (keyringtest.World, func(from, to, id string)) {
		s := newSealedKeys(t, c, v)
		return s.world(v, seal.Classical), s.copy
	})
}

// spare makes one more key, which is not active.
func spare(t testing.TB, src keyring.Source) string {
	t.Helper()
	id, err := src.Create(t.Context(), "first", seal.PostQuantum)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestSealedKeysCostOneRequestAtTheStart counts in Vault's audit log.
func TestSealedKeysCostOneRequestAtTheStart(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	s := newSealedKeys(t, c, v)
	newController(t, s.source(cluster)).ready()
	for range 4 {
		spare(t, s.source(cluster))
	}
	mark := v.Mark()
	ctl := newController(t, s.source(cluster))
	for range 5 {
		if res := ctl.ready(); len(res.Keys) != 5 {
			t.Errorf("%d keys", len(res.Keys))
		}
	}
	requests := v.Requests(mark)
	if len(requests) != 1 || requests[0].Path != "transit/decrypt/"+transitKey || requests[0].Batch() != 5 {
		t.Fatalf("a start and four looks: %+v", requests)
	}
	var ids []string
	for _, r := range audittest.Records(t, ctl.dir) {
		if r.Phase == audit.PhaseOutcome && r.Outcome.VaultRequest != "" {
			ids = append(ids, r.Outcome.VaultRequest)
		}
	}
	if len(ids) != 1 || ids[0] != requests[0].ID {
		t.Errorf("the audit log has requests %q, Vault's has %s", ids, requests[0].ID)
	}
	mark = v.Mark()
	spare(t, s.source(cluster))
	if res := ctl.ready(); len(res.Keys) != 6 {
		t.Errorf("%d keys", len(res.Keys))
	}
	if got := v.Requests(mark, vaulttest.To("transit/decrypt/*")); len(got) != 1 || got[0].Batch() != 1 {
		t.Errorf("one key more: %+v", got)
	}
}

// TestASealedKeyOpensOnlyInItsPlace has texts moved about by somebody who may write Secrets.
func TestASealedKeyOpensOnlyInItsPlace(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	form := secretsource.SealedForm()
	for what, tc := range map[string]struct {
		damage func(s *sealedKeys, good, spare string)
		says   string
	}{
		"the text of the statement key": {func(s *sealedKeys, _, spare string) {
			statement := s.get(form.StatementSecretName("first"))
			s.change(form.KeySecretName("first", spare), func(secret *corev1.Secret) { secret.Data[form.DataIdentity] = statement.Data[form.DataSigner] })
		}, "does not open with Vault's transit/keys/waxwing"},
		"the text of another key": {func(s *sealedKeys, good, spare string) {
			other := s.get(form.KeySecretName("first", good))
			s.change(form.KeySecretName("first", spare), func(secret *corev1.Secret) { secret.Data[form.DataIdentity] = other.Data[form.DataIdentity] })
		}, "does not open with Vault's transit/keys/waxwing"},
		"the recipient of another key": {func(s *sealedKeys, good, spare string) {
			other := s.get(form.KeySecretName("first", good))
			s.change(form.KeySecretName("first", spare), func(secret *corev1.Secret) {
				secret.Data[secretsource.DataRecipient] = other.Data[secretsource.DataRecipient]
			})
		}, "does not open with Vault's transit/keys/waxwing"},
		"one bit": {func(s *sealedKeys, _, spare string) {
			s.change(form.KeySecretName("first", spare), func(secret *corev1.Secret) { secret.Data[form.DataIdentity][40] ^= 1 })
		}, ""},
		"text and recipient of another key": {func(s *sealedKeys, good, spare string) {
			other := s.get(form.KeySecretName("first", good))
			s.change(form.KeySecretName("first", spare), func(secret *corev1.Secret) { secret.Data = other.Data })
		}, "label waxwing.io/key-id of another key"},
		"no text": {func(s *sealedKeys, _, spare string) {
			s.change(form.KeySecretName("first", spare), func(secret *corev1.Secret) { delete(secret.Data, form.DataIdentity) })
		}, "has no ciphertext of Vault's Transit engine in sealed-identity"},
		"a private key in the clear": {func(s *sealedKeys, _, spare string) {
			s.change(form.KeySecretName("first", spare), func(secret *corev1.Secret) {
				secret.Data[form.DataIdentity] = []byte("AGE-SECRET-KEY-1" + strings.Repeat("Q", 58))
			})
		}, "has no ciphertext of Vault's Transit engine in sealed-identity"},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSealedKeys(t, c, v)
			running := newController(t, s.source(cluster))
			good := running.ready().Keys[0].ID
			bad := spare(t, s.source(cluster))
			running.ready()
			tc.damage(s, good, bad)
			for _, ctl := range []*controller{running, newController(t, s.source(cluster))} {
				ctl.impaired("Secret "+form.KeySecretName("first", bad), tc.says)
				if !ctl.opens(good) {
					t.Error("the good key does not open")
				}
			}
		})
	}
	t.Run("another cluster", func(t *testing.T) {
		s := newSealedKeys(t, c, v)
		id := newController(t, s.source(cluster)).ready().Keys[0].ID
		elsewhere := newController(t, s.source("another"))
		// No key opens, so Vault refuses the whole request; the texts are told apart from a Vault that has failed.
		elsewhere.stuck(keyring.ReasonKeyUnreadable, id[:16], "A sealed key cannot be copied", "seal keys move")
		if elsewhere.opens(id) {
			t.Error("a key opens in another cluster")
		}
	})
	t.Run("the statement key of another cluster", func(t *testing.T) {
		s := newSealedKeys(t, c, v)
		if err := s.source("another").CreateStatement(t.Context(), "first"); err != nil {
			t.Fatal(err)
		}
		res, _ := newController(t, s.source(cluster)).ensure()
		if res.Ready || !res.Stalled || !strings.Contains(res.Message, "Secret waxwing-sealed-statement-first does not open") {
			t.Errorf("%+v", res)
		}
	})
}

func TestTheTransitKeyGoesThroughItsVersions(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	s := newSealedKeys(t, c, v)
	running := newController(t, s.source(cluster))
	first := running.ready().Keys[0].ID
	snapshot := v.Snapshot()
	v.Write("transit/keys/waxwing/rotate", nil)
	second := spare(t, s.source(cluster))
	form := secretsource.SealedForm()
	for id, prefix := range map[string]string{first: "vault:v1:", second: "vault:v2:"} {
		if text := string(s.get(form.KeySecretName("first", id)).Data[form.DataIdentity]); !strings.HasPrefix(text, prefix) {
			t.Errorf("%s is %.12s…", id, text)
		}
	}
	for _, ctl := range []*controller{running, newController(t, s.source(cluster))} {
		if res := ctl.ready(); res.Reason != keyring.ReasonKeyActive || len(res.Keys) != 2 {
			t.Errorf("after a rotation of the Transit key: %+v", res)
		}
	}
	v.Write("transit/keys/waxwing/config", map[string]any{"min_decryption_version": 2})
	cold := newController(t, s.source(cluster))
	cold.stuck(keyring.ReasonKeyUnreadable, "Secret "+form.KeySecretName("first", first)+" is encrypted with version 1", "which is disabled", "min_decryption_version=1")
	if !running.opens(first) || running.ready().Reason != keyring.ReasonKeyActive {
		t.Error("a version that is disabled takes a key out of memory")
	}
	v.Write("transit/keys/waxwing/config", map[string]any{"min_decryption_version": 1})
	if cold.eventually(); !cold.opens(first) {
		t.Error("the version is enabled again and the key does not open")
	}
	v.Restore(snapshot)
	cold = newController(t, s.source(cluster))
	cold.eventually()
	cold.impaired("Secret "+form.KeySecretName("first", second)+" is encrypted with version 2", "restored from an older snapshot")
	if !cold.opens(first) {
		t.Error("an older snapshot takes a key away that it has")
	}
	if res := running.ready(); res.Reason != keyring.ReasonKeyActive || len(res.Keys) != 2 {
		t.Errorf("an older snapshot takes a key out of memory: %+v", res)
	}
}

func TestTransitKeysThatDoNotKeepWhatTheyEncrypt(t *testing.T) {
	c, v := harness.Start(t), newVault(t)
	for what, tc := range map[string]struct {
		make map[string]any // nil: the key does not exist
		says string
	}{
		"there is none":           {nil, "does not exist"},
		"exportable":              {map[string]any{"exportable": true}, "is exportable"},
		"with a plaintext backup": {map[string]any{"allow_plaintext_backup": true}, "has allow_plaintext_backup"},
		"derived":                 {map[string]any{"derived": true}, "is derived or convergent"},
		"convergent":              {map[string]any{"derived": true, "convergent_encryption": true}, "is derived or convergent"},
		"of type rsa-4096":        {map[string]any{"type": "rsa-4096"}, `is of type "rsa-4096", not aes256-gcm96`},
		"of type aes128-gcm96":    {map[string]any{"type": "aes128-gcm96"}, `is of type "aes128-gcm96"`},
	} {
		t.Run(what, func(t *testing.T) {
			name := strings.NewReplacer(" ", "-").Replace(what)
			if tc.make != nil {
				v.TransitKey("transit", name, tc.make)
			}
			s := newKeySecrets(t, c, secretsource.SealedForm())
			client := v.client(t, vaultpolicy.SealedKeys, vaultpolicy.Place{Transit: "transit", Key: name})
			custody := sealed.New(sealed.Config{Vault: client, Mount: "transit", Key: name, Cluster: cluster, Rand: rand.Reader})
			ctl := newController(t, secretsource.NewIn(s.secrets, custody, time.Now))
			ctl.stuck(keyring.ReasonKeySourceUnavailable, "Vault's transit/keys/"+name+" "+tc.says)
			if s.content() != "[]" {
				t.Errorf("Secrets were made: %s", s.content())
			}
			if tc.make == nil {
				if v.Read("transit/keys/"+name) != nil {
					t.Error("the Transit key was made")
				}
				v.TransitKey("transit", name, nil)
				ctl.ready()
			}
		})
	}
	t.Run("one that the controller could make", func(t *testing.T) {
		v.TransitKey("transit", "upsertable", nil)
		policy, err := vaultpolicy.Read(vaultpolicy.SealedKeys, vaultpolicy.Place{Transit: "transit", Key: "upsertable"})
		if err != nil {
			t.Fatal(err)
		}
		const rule = "path \"transit/encrypt/upsertable\" {\n  capabilities = [\""
		if !strings.Contains(policy, rule) {
			t.Fatalf("the policy has no rule to widen:\n%s", policy)
		}
		v.Policy("upsert", strings.Replace(policy, rule, rule+"create\", \"", 1))
		s := newKeySecrets(t, c, secretsource.SealedForm())
		custody := sealed.New(sealed.Config{Vault: v.clientAs(t, "upsert"), Mount: "transit", Key: "upsertable", Cluster: cluster, Rand: rand.Reader})
		ctl := newController(t, secretsource.NewIn(s.secrets, custody, time.Now))
		ctl.stuck(keyring.ReasonKeySourceUnavailable, "could be made anew by this controller", "take `create` from its policy for transit/encrypt/upsertable")
		v.Policy("upsert", policy)
		ctl.ready()
	})
}
