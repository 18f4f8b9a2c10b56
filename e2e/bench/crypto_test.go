package bench_test

import (
	"crypto/rand"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const (
	cryptoRounds = 200
	rsaScheme    = "kubeseal's scheme, RSA-4096 for each key"
)

// BenchmarkCrypto seals and opens 5 values for one post-quantum holder, checks included, beside the cryptography alone of Sealed Secrets.
func BenchmarkCrypto(b *testing.B) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		b.Fatal(err)
	}
	h, keys := holderOf(b, "prod", id)
	place := seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}
	var sealing, opening []time.Duration
	for range cryptoRounds {
		start := time.Now()
		spec, err := sealer().Seal(place, fiveValues(), []seal.Holder{h})
		if err != nil {
			b.Fatal(err)
		}
		sealing = append(sealing, time.Since(start))
		start = time.Now()
		checked, err := seal.Check(spec)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := checked.Open(seal.Target{Namespace: "prod", Name: "db"}, keys); err != nil {
			b.Fatal(err)
		}
		opening = append(opening, time.Since(start))
	}
	out, err := exec.CommandContext(b.Context(), tool(b, "rsabench")).Output()
	if err != nil {
		b.Fatalf("running the baseline: %v", err)
	}
	var theirSeal, theirOpen int64
	if _, err := fmt.Sscan(string(out), &theirSeal, &theirOpen); err != nil {
		b.Fatalf("reading the baseline: %v", err)
	}
	report(b, "5-key Secret, in process",
		row{what: "seal", ours: median(sealing), baseline: rsaScheme, theirs: time.Duration(theirSeal)},
		row{what: "open", ours: median(opening), baseline: rsaScheme, theirs: time.Duration(theirOpen)})
}

func sealer() seal.Sealer { return seal.Sealer{Rand: rand.Reader, Now: time.Now} }

func holderOf(b *testing.B, name string, id *age.HybridIdentity) (seal.Holder, seal.Identities) {
	b.Helper()
	r, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		b.Fatal(err)
	}
	return seal.Holder{Name: name, Recipients: []seal.Recipient{r}}, seal.NewIdentities(seal.NewIdentity(r.String(), id))
}

func fiveValues() seal.Values {
	v := seal.Values{}
	for i := range 5 {
		v[fmt.Sprintf("key%d", i)] = seal.NewValue([]byte("a value of thirty-two bytes here"))
	}
	return v
}
