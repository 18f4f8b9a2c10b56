package vaultrights_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/keyring"
)

// TestDestroyingNeedsAPolicyOfItsOwn has a key destroyed with the policy of every day alone, then with the right to delete taken out of the one for it, then with both.
func TestDestroyingNeedsAPolicyOfItsOwn(t *testing.T) {
	w := newWorld(t)
	n := 2000
	for everyday, more := range map[string]string{vaultpolicy.KV: vaultpolicy.KVRemove, vaultpolicy.Transit: vaultpolicy.TransitRemove} {
		t.Run(more, func(t *testing.T) {
			n++
			p := empty(w.Vault, n)
			name, additional := "test-"+p.Transit, render(t, more, p.Place)
			may := func(policies ...string) { w.Policy(name, strings.Join(policies, "\n")) }
			may(render(t, everyday, p.Place))
			tokens := t.TempDir()
			if err := os.WriteFile(filepath.Join(tokens, "token"), []byte(w.token(t, name)), 0o600); err != nil {
				t.Fatal(err)
			}
			c := w.client(t, v1alpha1.VaultAuth{TokenFile: &v1alpha1.VaultTokenFileAuth{Name: "token"}}, tokens, nil)
			src := source(everyday, p, c, w.cluster.Clientset().CoreV1().Secrets(w.cluster.Namespace(t)))
			retire(t, src, seal.Class(keyringOf(everyday).Spec.Class))
			for what, policy := range map[string]string{"all of it": "", "the right to delete": without(t, additional, p.Fill(keysOf(t, more)), "delete")} {
				may(render(t, everyday, p.Place), policy)
				err := destroy(t, src)
				if problem := (*keyring.Problem)(nil); !errors.As(err, &problem) || !strings.Contains(err.Error(), more+".hcl") || only(t, src).State != keyring.Deactivated {
					t.Errorf("without %s: %v", what, err)
				}
			}
			may(render(t, everyday, p.Place), additional)
			mark := w.Mark()
			if err := destroy(t, src); err != nil || len(w.refused(mark)) > 0 || only(t, src).State != keyring.Destroyed {
				t.Errorf("with both: %v, refused %+v", err, w.refused(mark))
			}
		})
	}
}

// keysOf is the path of the rule of a policy for sealing keys.
func keysOf(t *testing.T, policy string) string {
	t.Helper()
	for _, r := range rightsOf(t, policy, shipped(t)[policy]) {
		if r.capability == "delete" && strings.Contains(r.path, "/keys/") {
			return r.path
		}
	}
	t.Fatalf("policy %s deletes no keys", policy)
	return ""
}

// retire makes the one key of a keyring, which opens only.
func retire(t *testing.T, src keyring.Source, class seal.Class) {
	t.Helper()
	if _, err := src.Create(t.Context(), "prod", class); err != nil {
		t.Fatal(err)
	}
	for _, to := range []keyring.State{keyring.Active, keyring.Deactivated} {
		if err := src.SetState(t.Context(), only(t, src), to, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

func only(t *testing.T, src keyring.Source) keyring.Stored {
	t.Helper()
	keys, faults, err := src.Load(t.Context(), "prod")
	if err != nil || len(keys) != 1 || len(faults) > 0 {
		t.Fatalf("%v, %v, %v", keys, faults, err)
	}
	return keys[0]
}

func destroy(t *testing.T, src keyring.Source) error {
	t.Helper()
	return src.SetState(t.Context(), only(t, src), keyring.Destroyed, time.Now())
}
