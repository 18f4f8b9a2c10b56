package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness/toolcache"
)

const (
	rounds   = 200
	baseline = "kubeseal's scheme, RSA-4096 for each key"
)

// cryptoRows seals and opens 5 values for one post-quantum holder, parsing and checks included, beside the cryptography alone of Sealed Secrets.
func cryptoRows(ctx context.Context, c config) ([]row, error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, err
	}
	recipient, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		return nil, err
	}
	place := seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}
	holders := []seal.Holder{{Name: "prod", Recipients: []seal.Recipient{recipient}}}
	keys := seal.NewIdentities(seal.NewIdentity(id.Recipient().String(), id))
	sealer := seal.Sealer{Rand: rand.Reader, Now: time.Now}
	var sealing, opening []time.Duration
	for range rounds {
		start := time.Now()
		spec, err := sealer.Seal(place, fiveValues(), holders)
		if err != nil {
			return nil, err
		}
		sealing = append(sealing, time.Since(start))
		start = time.Now()
		checked, err := seal.Check(spec)
		if err != nil {
			return nil, err
		}
		if _, err := checked.Open(seal.Target{Namespace: "prod", Name: "db"}, keys); err != nil {
			return nil, err
		}
		opening = append(opening, time.Since(start))
	}
	var theirSeal, theirOpen int64
	bench, err := tool(ctx, "rsabench")
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, bench).Output()
	if err != nil {
		return nil, fmt.Errorf("running the baseline: %w", err)
	}
	if _, err := fmt.Sscan(string(out), &theirSeal, &theirOpen); err != nil {
		return nil, fmt.Errorf("reading the baseline: %w", err)
	}
	return []row{
		{what: "seal 5 keys", ours: median(sealing), baseline: baseline, theirs: time.Duration(theirSeal)},
		{what: "open 5 keys", ours: median(opening), baseline: baseline, theirs: time.Duration(theirOpen)},
	}, nil
}

func fiveValues() seal.Values {
	v := seal.Values{}
	for i := range 5 {
		v[fmt.Sprintf("key%d", i)] = seal.NewValue([]byte("a value of thirty-two bytes here"))
	}
	return v
}

func tool(ctx context.Context, name string) (string, error) {
	b, err := toolcache.FromEnvironment(os.Stderr)
	if err != nil {
		return "", err
	}
	return b.Path(ctx, name)
}
