package bench_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
)

// vaultWorld is a cluster beside a Vault.
type vaultWorld struct {
	*coldWorld
	vault  *vaulttest.Vault
	tokens string // the folder of token files
}

// vaultSource is a kind of source to be measured.
type vaultSource struct {
	name, policy string
	class        seal.Class
	source       v1alpha1.KeySource
}

// BenchmarkVaultSources measures, for each source of keys, how long the controller takes from the start of its process until all objects are Ready, and what it asks of
// Vault: for opening, besides that at the start, and in a minute in which nothing changes. Beside it stands the source without a Vault. For vaultTransit it measures in the
// same run, on the same Vault, the rate of a client that does nothing but decrypt the same ciphertexts, in batches as large and with as many requests at a time.
func BenchmarkVaultSources(b *testing.B) {
	n := sizes()[0]
	w := newVaultWorld(b)
	b.ReportMetric(0, "ns/op")
	fmt.Printf("\n%d GitSecrets of 5 keys and 2 holders, from the start of the process to all Ready; %d workers, audit log on\n", n, coldWorkers)
	var plain time.Duration
	for _, s := range w.sources() {
		took := w.measureSource(b, s, n, plain)
		if plain == 0 {
			plain = took
		}
	}
}

func newVaultWorld(b *testing.B) *vaultWorld {
	b.Helper()
	c := harness.Start(b)
	c.InstallWaxwing(b)
	w := &vaultWorld{
		coldWorld: &coldWorld{Cluster: c, kube: c.Client(b, v1alpha1.AddToScheme), binary: harness.BuildBinary(b, "./cmd/waxwing-controller"), audit: b.TempDir() + "/audit"},
		vault:     vaulttest.Start(b, vaulttest.Options{}), tokens: harness.Folder(b, "tokens"),
	}
	w.vault.EnableTransit("transit")
	w.vault.TransitKey("transit", "waxwing", nil)
	w.vault.EnableKV("secret")
	return w
}

func (w *vaultWorld) sources() []vaultSource {
	at := v1alpha1.VaultConnection{Address: w.vault.Address, CABundle: w.vault.CA(), Auth: v1alpha1.VaultAuth{TokenFile: &v1alpha1.VaultTokenFileAuth{Name: "waxwing"}}}
	return []vaultSource{
		{"secret", "", seal.PostQuantum, v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}},
		{"secret, sealed by Transit", vaultpolicy.SealedKeys, seal.PostQuantum, v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{EncryptedBy: &v1alpha1.KeyEncryption{
			Transit: &v1alpha1.TransitEncryption{Vault: at, Key: "waxwing"},
		}}}},
		{"vaultKV", vaultpolicy.KV, seal.PostQuantum, v1alpha1.KeySource{VaultKV: &v1alpha1.VaultKVSource{Vault: at, Path: "waxwing/bench"}}},
		{"vaultTransit", vaultpolicy.Transit, seal.Classical, v1alpha1.KeySource{VaultTransit: &v1alpha1.VaultTransitSource{Vault: at, Prefix: "bench-"}}},
	}
}

// grant has the token file hold a token with the policies that the chart ships for this source.
func (w *vaultWorld) grant(b *testing.B, policy string) {
	b.Helper()
	place := vaultpolicy.Place{Transit: "transit", KV: "secret", Key: "waxwing", Folder: "waxwing/bench", Prefix: "bench-"}
	for _, name := range []string{vaultpolicy.Login, policy} {
		text, err := vaultpolicy.Read(name, place)
		if err != nil {
			b.Fatal(err)
		}
		w.vault.Policy(name, text)
	}
	if err := os.WriteFile(filepath.Join(w.tokens, "waxwing"), []byte(w.vault.Token(2*time.Hour, vaultpolicy.Login, policy)), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (w *vaultWorld) start(b *testing.B) *controller {
	b.Helper()
	return w.run(b, w.binary, "--audit-log", w.audit, "--leader-elect=false", "--log-level", "WARN", "--health-bind-address", "127.0.0.1:0",
		"--recipients-bind-address", "0", "--audit-bind-address", "0", "--replica", harness.ReplicaOf(w.audit), "--vault-tokens", w.tokens)
}

// measureSource prints the figures of one source, and gives the time.
func (w *vaultWorld) measureSource(b *testing.B, s vaultSource, n int, plain time.Duration) time.Duration {
	b.Helper()
	ns, keyring := w.Namespace(b), strings.ToLower(strings.NewReplacer(" ", "-", ",", "").Replace(s.name))
	if s.policy != "" {
		w.grant(b, s.policy)
	}
	glass, _ := age.GenerateX25519Identity()
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: keyring}, Spec: v1alpha1.KeyringSpec{
		Class: string(s.class), Source: s.source, Namespaces: []string{ns},
	}}
	outside := breakGlass(b)
	if s.class == seal.Classical {
		r, err := seal.ParseRecipient(glass.Recipient().String())
		if err != nil {
			b.Fatal(err)
		}
		outside.Recipients = []seal.Recipient{r}
		kr.Spec.BreakGlass = &v1alpha1.BreakGlass{Recipients: []string{r.String()}}
	}
	if err := w.kube.Create(b.Context(), kr); err != nil {
		b.Fatal(err)
	}
	run := w.start(b)
	w.holders = []seal.Holder{w.holder(b, keyring), outside}
	run.Kill()
	w.sealedObjects(b, ns, n)

	mark, began := w.vault.Mark(), time.Now()
	run = w.start(b)
	run.until(b, "all are Ready", func(m metrics) bool { return m.sum("waxwing_unseal_total", `reason="Unsealed"`) >= float64(n) })
	took := time.Since(began)
	asked := w.vault.Requests(mark)
	quiet := w.vault.Mark()
	time.Sleep(time.Minute)
	later := w.vault.Requests(quiet)
	run.Kill()
	w.checkReady(b, ns, n)

	unwraps := w.vault.Requests(mark, vaulttest.To("transit/decrypt/bench-*"))
	beside := ""
	if plain > 0 {
		beside = fmt.Sprintf("   %.2f of the time with the source secret", took.Seconds()/plain.Seconds())
	}
	fmt.Printf("  %-28s %7.1f s, %d requests to unwrap, %d others at the start, %d in a quiet minute%s\n", s.name, took.Seconds(), len(unwraps), len(asked)-len(unwraps), len(later), beside)
	if s.policy == vaultpolicy.Transit {
		w.bare(b, ns, keyring, n, took, plain)
	}
	w.removeAll(b, ns)
	if err := w.kube.Delete(b.Context(), kr); err != nil {
		b.Fatal(err)
	}
	return took
}

func (w *vaultWorld) holder(b *testing.B, keyring string) seal.Holder {
	b.Helper()
	var set statement.Recipients
	harness.Eventually(b.Context(), b, "the keyring has recipients", func(ctx context.Context) error {
		var k v1alpha1.Keyring
		if err := w.kube.Get(ctx, client.ObjectKey{Name: keyring}, &k); err != nil {
			return err
		}
		var err error
		set, err = statement.OpenRecipients([]byte(k.Status.Recipients), k.Status.StatementKey)
		return err
	})
	return set.SealHolder()
}
