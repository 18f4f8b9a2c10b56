package seal

import (
	"crypto/hmac"
	"fmt"
	"maps"
	"slices"
)

// Use says that a key has opened a wrap of an envelope.
type Use struct{ Envelope, Holder, KeyID string }

// Opened is the result of Open: the values, and the keys that were used for them in byte order of the envelopes.
type Opened struct {
	Values Values
	Uses   []Use
}

// Open opens every item of c at target with keys, in the order of section 9 from step 3 on (the signature of step 2 is VerifySignature's part). It is all or nothing.
func (c *Checked) Open(target Target, keys Keys) (*Opened, error) {
	values := make(Values, len(c.items))
	envelopeKeys, uses, err := c.openAll(target, keys, func(name string, v Value) { values[name] = v })
	clearKeys(envelopeKeys)
	if err != nil {
		return nil, err
	}
	return &Opened{Values: values, Uses: uses}, nil
}

// openAll gives take each value, in the order of the items' names, and the keys of the envelopes, which the caller clears.
func (c *Checked) openAll(target Target, keys Keys, take func(name string, v Value)) (map[string][]byte, []Use, error) {
	if !c.spec.For.Allows(target) {
		return nil, nil, c.spec.For.mismatch(target)
	}
	envelopeKeys, uses, err := c.openEnvelopes(keys)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.items)) {
		id := c.spec.Items[name].Envelope
		v, err := openItem(c.envelopes[id].place, envelopeKeys[id], name, c.items[name])
		if err != nil {
			clearKeys(envelopeKeys)
			return nil, nil, err
		}
		take(name, v)
	}
	return envelopeKeys, uses, nil
}

// clearKeys overwrites the keys of envelopes with zeros.
func clearKeys(keys map[string][]byte) {
	for _, k := range keys {
		clear(k)
	}
}

func tooLarge(n int) error {
	return &Error{Kind: ErrTooLarge, Msg: fmt.Sprintf("the values are up to %d bytes in sum with their padding; a Kubernetes Secret holds at most 1 MiB (%d bytes)", n, MaxValues)}
}

// Referenced lists the ids of the envelopes that an item names, in byte order.
func (s *Spec) Referenced() []string {
	ids := make(map[string]bool, len(s.Envelopes))
	for _, item := range s.Items {
		ids[item.Envelope] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

func (c *Checked) openEnvelopes(keys Keys) (map[string][]byte, []Use, error) {
	ids := c.spec.Referenced()
	opened, uses := make(map[string][]byte, len(ids)), make([]Use, 0, len(ids))
	for _, id := range ids {
		key, use, err := c.openEnvelope(id, keys)
		if err != nil {
			return nil, nil, err
		}
		opened[id], uses = key, append(uses, use)
	}
	return opened, uses, nil
}

// openEnvelope unwraps with the first key id that keys knows; there is no second try.
func (c *Checked) openEnvelope(id string, keys Keys) ([]byte, Use, error) {
	holder, keyID, ok := c.chosen(id, keys)
	if !ok {
		return nil, Use{}, c.noKey(id)
	}
	key, err := c.openWrap(id, holder, keyID, keys)
	if err != nil {
		return nil, Use{}, err
	}
	return key, Use{Envelope: id, Holder: holder, KeyID: keyID}, nil
}

// openWrap unwraps the key of an envelope by one holder's wrap, and checks the commit.
func (c *Checked) openWrap(id, holder, keyID string, keys Keys) ([]byte, error) {
	identity, ok := keys.Identity(keyID)
	if !ok {
		return nil, c.noKey(id)
	}
	e := c.envelopes[id]
	key, err := unwrap("envelopes."+id+".wraps."+holder, e.wraps[holder], c.spec.Envelopes[id].Wraps[holder].Keys, identity)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(e.place.commitment(key), e.commit) {
		clear(key)
		return nil, tampered("envelopes."+id, "the envelope was moved or changed after it was sealed")
	}
	return key, nil
}

// chosen is the wrap that an envelope is opened with, and the key.
func (c *Checked) chosen(id string, keys Keys) (holder, keyID string, ok bool) {
	wraps := c.spec.Envelopes[id].Wraps
	for _, holder := range slices.Sorted(maps.Keys(wraps)) {
		for _, keyID := range wraps[holder].Keys {
			if _, ok := keys.Identity(keyID); ok {
				return holder, keyID, true
			}
		}
	}
	return "", "", false
}

func (c *Checked) noKey(id string) error {
	var wants []string
	for holder, w := range c.spec.Envelopes[id].Wraps {
		for _, k := range w.Keys {
			wants = append(wants, holder+" "+k[:KeyIDDisplay])
		}
	}
	slices.Sort(wants)
	const most = 8
	more := ""
	if len(wants) > most {
		more = fmt.Sprintf(" and %d more", len(wants)-most)
		wants = wants[:most]
	}
	return &Error{Kind: ErrNoKey, Field: "envelopes." + id, Msg: fmt.Sprintf("no identity fits; it was sealed for %q%s", wants, more)}
}

func openItem(p place, envelopeKey []byte, name string, sealed []byte) (Value, error) {
	field := "items." + name
	aead, info, err := p.valueAEAD(envelopeKey, name)
	if err != nil {
		return Value{}, fmt.Errorf("opening %s: %w", field, err)
	}
	padded, err := aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], info)
	if err != nil {
		return Value{}, tampered(field, "the value was changed, or moved here from another item, object or envelope")
	}
	value, ok := unpad(padded)
	if !ok {
		return Value{}, tampered(field, "the value is not padded as the format says")
	}
	return NewValue(value), nil
}
