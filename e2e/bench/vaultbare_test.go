package bench_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

// anyKey is a key of that id which opens nothing.
type anyKey string

func (k anyKey) Identity(id string) (age.Identity, bool) { return nil, id == string(k) }

// mostFlying is how many requests the controller has under way at the most.
const mostFlying = 2

// bare has Vault decrypt the ciphertexts of all objects of a namespace and does nothing else. Where Vault, the API server and the controller have the same cores, its rate
// is out of reach: beside it stands the time that the objects take without Vault (plain) and these decryptions one after the other, which is what those cores have to do.
func (w *vaultWorld) bare(b *testing.B, ns, holder string, n int, took, plain time.Duration) {
	b.Helper()
	var list v1alpha1.GitSecretList
	if err := w.kube.List(b.Context(), &list, client.InNamespace(ns)); err != nil {
		b.Fatal(err)
	}
	var all [][]byte
	for i := range list.Items {
		spec := &list.Items[i].Spec
		checked, err := seal.Check(spec)
		if err != nil {
			b.Fatal(err)
		}
		id := anyKey(spec.Envelopes[spec.Referenced()[0]].Wraps[holder].Keys[0])
		all = append(all, checked.RSACiphertexts(id)[string(id)]...)
	}
	path := w.transitKey(b)
	rate := float64(n) / took.Seconds()
	for _, flying := range []int{1, mostFlying} {
		began := time.Now()
		w.decryptAll(b, path, all, flying)
		alone := time.Since(began)
		theirs := float64(len(all)) / alone.Seconds()
		fmt.Printf("  %-28s %7.1f objects/s   client that only decrypts, in batches of %d, %d at a time %7.1f/s   ratio %.2f\n", "", rate, keyring.MaxPrefetch, flying, theirs, rate/theirs)
		if both := plain + alone; flying == mostFlying {
			fmt.Printf("  %-28s %7.1f s             the source secret, and then that client, on the same cores  %7.1f s    ratio %.2f\n", "", took.Seconds(), both.Seconds(), both.Seconds()/took.Seconds())
		}
	}
}

// transitKey is the path of the sealing key.
func (w *vaultWorld) transitKey(b *testing.B) string {
	b.Helper()
	listed, err := w.vault.Root().Logical().ListWithContext(b.Context(), "transit/keys")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range listed.Data["keys"].([]any) {
		if text := name.(string); strings.HasPrefix(text, "bench-") && !strings.HasPrefix(text, "bench-statement-") {
			return "transit/decrypt/" + text
		}
	}
	b.Fatal("no key in Vault")
	return ""
}

// decryptAll decrypts ciphertexts in batches, some of them at a time.
func (w *vaultWorld) decryptAll(b *testing.B, path string, all [][]byte, flying int) {
	b.Helper()
	batches := make(chan [][]byte)
	var working sync.WaitGroup
	for range flying {
		working.Go(func() {
			for batch := range batches {
				input := make([]map[string]any, len(batch))
				for i, c := range batch {
					input[i] = map[string]any{"ciphertext": "vault:v1:" + base64.StdEncoding.EncodeToString(c), "reference": strconv.Itoa(i)}
				}
				if _, err := w.vault.Root().Logical().WriteWithContext(b.Context(), path, map[string]any{"batch_input": input}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for batch := range slices.Chunk(all, keyring.MaxPrefetch) {
		batches <- batch
	}
	close(batches)
	working.Wait()
}
