package vault_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/unseal"
)

// clearKeys is the kind that the others are compared with: private keys in the clear in Secrets.
func clearKeys() kind {
	return kind{name: "keys in the clear", policy: vaultpolicy.SealedKeys, quiet: true, keyring: func(v1alpha1.VaultConnection) v1alpha1.KeyringSpec {
		return v1alpha1.KeyringSpec{Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}}
	}}
}

// TestACopyOfEtcdOpensNothing has somebody who has every Secret of the cluster, as a backup of etcd has them, and the sealed file from Git. Nothing in there is an
// identity that opens it. With keys in the clear the same search finds the key, so it does look where keys are.
func TestACopyOfEtcdOpensNothing(t *testing.T) {
	for _, k := range append(kinds(t), clearKeys()) {
		t.Run(k.name, func(t *testing.T) {
			s := newScene(t, k)
			raw, err := yaml.Marshal(s.put("stolen", s.holder))
			if err != nil {
				t.Fatal(err)
			}
			s.comesTo("stolen", unseal.Unsealed)
			dir := t.TempDir()
			file := filepath.Join(dir, "stolen.yaml")
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			texts := s.stored()
			opened := 0
			for i, text := range texts {
				identity := filepath.Join(dir, fmt.Sprintf("identity-%d", i))
				if err := os.WriteFile(identity, text, 0o600); err != nil {
					t.Fatal(err)
				}
				p := harness.StartProcess(t, harness.Command{Name: "seal", Path: harness.BuildBinary(t, "./cmd/seal"), Args: []string{"open", "-i", identity, file}})
				if p.Wait(t) == 0 {
					opened++
				}
			}
			t.Logf("%d texts in Secrets", len(texts))
			if want := k.name == clearKeys().name; (opened > 0) != want || len(texts) < 3 {
				t.Errorf("%d of %d texts of Secrets open what is in Git", opened, len(texts))
			}
		})
	}
}

// identities are what looks like an age identity, or the key of a signer, wherever it stands.
var identities = regexp.MustCompile(`AGE-SECRET-KEY-[0-9A-Z-]+|PRIVATE\+KEY\+[^\s]+`)

// stored is every text of every Secret that the API server has for the controller and for this test, but what the test itself has sealed.
func (s *scene) stored() [][]byte {
	s.t.Helper()
	var texts [][]byte
	for _, namespace := range []string{home, s.namespace, "kube-system", "default"} {
		list, err := s.Clientset().CoreV1().Secrets(namespace).List(s.ctx, metav1.ListOptions{})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, secret := range list.Items {
			texts = append(texts, s.textsOf(secret)...)
		}
	}
	return texts
}

func (s *scene) textsOf(secret corev1.Secret) [][]byte {
	var texts [][]byte
	for _, value := range secret.Data {
		texts = append(texts, value)
		texts = append(texts, identities.FindAll(value, -1)...)
	}
	return texts
}
