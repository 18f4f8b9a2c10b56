package vault_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestVaultRefusesInTheMiddleOfABatch takes the controller's rights away between two requests of a cold start with more objects than go into one. What was opened
// stays, what was not says why, and is opened once the rights are back.
func TestVaultRefusesInTheMiddleOfABatch(t *testing.T) {
	const objects = 200
	s := newScene(t, vaultTransit(t))
	s.controller.Kill()
	name := func(i int) string { return fmt.Sprintf("db-%d", i) }
	for i := range objects {
		s.put(name(i), s.holder)
	}
	taken := make(chan struct{})
	s.proxy.Add(faultproxy.Fault{
		Match: func(r faultproxy.Request) bool { return strings.HasPrefix(r.Path, "/v1/"+transit+"/decrypt/") }, Skip: 1, Times: 1,
		Before: func(faultproxy.Request) faultproxy.Verdict {
			s.vault.Policy(policy, "# nothing")
			close(taken)
			return faultproxy.Pass()
		},
	})
	mark := s.vault.Mark()
	s.start()
	harness.Eventually(s.ctx, t, "the rights are taken away before the second request", func(ctx context.Context) error {
		select {
		case <-taken:
			return nil
		case <-ctx.Done():
			return errors.New("Vault was not asked, or has kept the policy")
		}
	})
	s.look()
	s.says(keyring.ReasonKeySourceUnavailable, "permission denied")
	s.allow(s.vault, s.kind)
	for i := range objects {
		s.comesTo(name(i), unseal.Unsealed)
	}
	s.says(keyring.ReasonKeyActive)
	s.untouched(s.old)
	decrypts := s.vault.Requests(mark, vaulttest.To(transit+"/decrypt/*"))
	refused := 0
	for _, r := range decrypts {
		if r.Error != "" {
			refused++
		}
	}
	t.Logf("%d requests to decrypt, %d of them refused", len(decrypts), refused)
	if refused == 0 || len(decrypts) > 40 {
		t.Errorf("%d requests to decrypt %d objects, %d of them refused", len(decrypts), objects, refused)
	}
}

// TestTheVersionOfAKeyIsDisabled raises min_decryption_version of the Transit key above that of sealed keys. Keys in memory go on; a controller that starts says what
// is the matter, makes no other key, and has its keys once the version is allowed again.
func TestTheVersionOfAKeyIsDisabled(t *testing.T) {
	s := newScene(t, sealedKeys())
	key := transit + "/keys/" + keyOfKeys
	s.vault.Write(key+"/rotate", nil)
	s.vault.Write(key+"/config", map[string]any{"min_decryption_version": 2})
	s.look()
	s.opened("in-memory", s.holder)
	s.says(keyring.ReasonKeyActive)
	s.controller.Kill()
	kept := s.keySecrets()
	s.start()
	s.look()
	s.saysNot(keyring.ReasonKeyActive, "min_decryption_version")
	s.put("after", s.holder)
	s.comesTo("after", unseal.KeySourceUnavailable, s.keyring)
	if now := s.keySecrets(); !slices.Equal(now, kept) {
		t.Errorf("there were the Secrets %s, and now there are %s", kept, now)
	}
	s.vault.Write(key+"/config", map[string]any{"min_decryption_version": 1})
	s.look()
	s.says(keyring.ReasonKeyActive)
	s.comesTo("after", unseal.Unsealed)
	s.untouched(s.old)
}

// keySecrets are the Secrets of the keyring's keys, with their versions.
func (s *scene) keySecrets() []string {
	s.t.Helper()
	list, err := s.Clientset().CoreV1().Secrets(home).List(s.ctx, metav1.ListOptions{LabelSelector: secretsource.LabelKeyring + "=" + s.keyring})
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, secret := range list.Items {
		all = append(all, secret.Name+"@"+secret.ResourceVersion)
	}
	if len(all) < 2 {
		s.t.Fatalf("the keyring has the Secrets %s", all)
	}
	return all
}

// TestVaultIsRestoredFromAnOlderSnapshot puts Vault back to before the keyring had any key. No key is made in their place, with the controller that knew them nor
// after a start, and nothing that is there is touched; a snapshot that has them mends it.
func TestVaultIsRestoredFromAnOlderSnapshot(t *testing.T) {
	for _, k := range []kind{vaultKV(), vaultTransit(t)} {
		t.Run(k.name, func(t *testing.T) {
			s := newScene(t, k)
			with := s.vault.Snapshot()
			s.vault.Restore(s.empty)
			s.holds(t, "it knew the keys")
			s.controller.Kill()
			s.start()
			s.holds(t, "it has started")
			s.put("lost", s.holder)
			s.vault.Restore(with)
			s.look()
			s.says(keyring.ReasonKeyActive)
			s.comesTo("lost", unseal.Unsealed)
			s.untouched(s.old)
		})
	}
}

// holds that a look at a keyring whose keys are gone makes none.
func (s *scene) holds(t *testing.T, when string) {
	t.Helper()
	mark := s.vault.Mark()
	s.look()
	s.saysNot(keyring.ReasonKeyActive)
	s.untouched(s.old)
	for _, r := range s.vault.Requests(mark, func(r vaulttest.Request) bool {
		return r.Error == "" && (r.Operation == "create" || r.Operation == "update")
	}) {
		if !strings.HasPrefix(r.Path, "auth/") {
			t.Errorf("when %s, it writes to %s", when, r.Path)
		}
	}
}
