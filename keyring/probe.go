package keyring

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Probe proves a key before anything is sealed to it: a random value is sealed to its recipient and opened with its private half, both as the source gave them.
func Probe(k Key, now func() time.Time, rand io.Reader) error {
	r, err := seal.ParseRecipient(k.Recipient)
	if err != nil {
		return fmt.Errorf("proving key %s: %w", k.Display(), err)
	}
	if r.KeyID() != k.ID || k.identity == nil {
		return fmt.Errorf("proving key %s: its recipient or its private half is not its own", k.Display())
	}
	value := make([]byte, 32)
	if _, err := io.ReadFull(rand, value); err != nil {
		return fmt.Errorf("proving key %s: %w", k.Display(), err)
	}
	const item = "probe"
	place := seal.For{Scope: seal.ScopeStrict, Namespace: item, Name: item}
	spec, err := seal.Sealer{Rand: rand, Now: now}.Seal(place, seal.Values{item: seal.NewValue(value)}, []seal.Holder{{Name: k.Keyring, Recipients: []seal.Recipient{r}}})
	if err != nil {
		return fmt.Errorf("proving key %s: %w", k.Display(), err)
	}
	checked, err := seal.Check(spec)
	if err != nil {
		return fmt.Errorf("proving key %s: %w", k.Display(), err)
	}
	opened, err := checked.Open(seal.Target{Namespace: item, Name: item}, seal.Identities{k.ID: k.identity})
	if err != nil {
		return fmt.Errorf("proving key %s: %w", k.Display(), err)
	}
	if subtle.ConstantTimeCompare(opened.Values[item].Bytes(), value) != 1 {
		return fmt.Errorf("proving key %s: %w", k.Display(), errors.New("what was opened is not what was sealed"))
	}
	return nil
}
