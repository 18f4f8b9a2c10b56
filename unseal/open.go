package unseal

import (
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Contents are the opened and rendered values of one Secret.
type Contents struct {
	// sealed are the values of the items, values those and the rendered ones.
	sealed, values seal.Values
	// Keys are the keys that have opened the envelopes.
	Keys []v1alpha1.KeyUse
	// MACs are those of the items, if MAC has made them.
	MACs MACs
}

// Open opens and renders. The caller must have a durable intent. The error is a *Refusal.
func (p *Plan) Open(target seal.Target) (*Contents, error) {
	opened, err := p.checked.Open(target, p.permits)
	if err != nil {
		return nil, fromSeal(err)
	}
	c := &Contents{sealed: opened.Values}
	for _, use := range opened.Uses {
		key, _ := p.permits.ring.Key(use.KeyID)
		c.Keys = append(c.Keys, v1alpha1.KeyUse{Keyring: key.Keyring, ID: use.KeyID, Envelope: use.Envelope})
	}
	c.values = render(p.programs, opened.Values)
	return c, nil
}

// MAC makes the MACs of the items of target; with a nil key there are none.
func (c *Contents) MAC(target seal.Target, key *MACKey) {
	if key != nil {
		c.MACs = key.of(target, c.sealed)
	}
}

// Data is the Secret's data. It shares memory with c, so it ends with Clear.
func (c *Contents) Data() map[string][]byte {
	data := make(map[string][]byte, len(c.values))
	for name, v := range c.values {
		data[name] = v.Bytes()
	}
	return data
}

// Names of the Secret's data keys, sorted.
func (c *Contents) Names() []string { return c.values.Names() }

// Clear overwrites the values with zeros; c is of no use after.
func (c *Contents) Clear() {
	for _, v := range c.values {
		clear(v.Bytes())
	}
}
