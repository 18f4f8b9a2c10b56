package keysources_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
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
func (s *sealedKeys) source(cluster string) keyring.Source {
	custody := sealed.New(sealed.Config{Vault: s.vault, Mount: "transit", Key: transitKey, Cluster: cluster, Rand: rand.Reader})
	return secretsource.NewIn(s.secrets, custody, time.Now)
}

func (s *sealedKeys) world(v *vaults, class seal.Class) keyringtest.World {
	w := s.keySecrets.world(class)
	w.Source = func(string) keyring.Source { return s.source(cluster) }
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
