package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// Sealer makes envelopes. Its methods change the Spec only when all of the work has succeeded, and take no copy of values.
type Sealer struct {
	// Rand is the source of envelope keys, nonces and ids; it must be cryptographically secure. age draws from crypto/rand.
	Rand io.Reader
	// Now is the clock for sealedAt.
	Now func() time.Time
}

// Seal makes a Spec for f with all values in one envelope.
func (s Sealer) Seal(f For, values Values, holders []Holder) (*Spec, error) {
	spec := &Spec{Format: Format, For: f}
	if err := s.Put(spec, values, holders); err != nil {
		return nil, err
	}
	return spec, nil
}

// Put adds or replaces items: a new envelope for values, wrapped for holders; no private key is needed, other items keep their bytes. The signature is dropped.
func (s Sealer) Put(spec *Spec, values Values, holders []Holder) error {
	if len(values) == 0 {
		_, err := Check(spec)
		return err
	}
	id, envelope, key, err := s.newEnvelope(spec.For, holders)
	if err != nil {
		return err
	}
	defer clear(key)
	next := spec.clone()
	p := place{f: spec.For, id: id, sealedAt: envelope.SealedAt}
	for _, name := range values.Names() {
		if err := CheckItemName(name); err != nil {
			return err
		}
		sealed, err := s.sealItem(p, key, name, values[name])
		if err != nil {
			return err
		}
		next.Items[name] = Item{Envelope: id, Value: base64.StdEncoding.EncodeToString(sealed)}
	}
	next.Envelopes[id] = envelope
	return next.commit(spec)
}

// Remove drops items by name; a name that is not there is an error. The signature is dropped.
func Remove(spec *Spec, names ...string) error {
	next := spec.clone()
	for _, name := range names {
		if _, ok := next.Items[name]; !ok {
			return formatErr("items", "%s is not there", shown(name))
		}
		delete(next.Items, name)
	}
	return next.commit(spec)
}

// Reseal opens everything and seals it into one new envelope: new envelope key, new ciphertexts, the same place. The signature is dropped.
func (s Sealer) Reseal(spec *Spec, target Target, holders []Holder, keys Keys) error {
	c, err := Check(spec)
	if err != nil {
		return err
	}
	opened, err := c.Open(target, keys)
	if err != nil {
		return err
	}
	next := *spec
	next.Items, next.Envelopes, next.Signature = nil, nil, nil
	if err := s.Put(&next, opened.Values, holders); err != nil {
		return err
	}
	*spec = next
	return nil
}

func (s Sealer) newEnvelope(f For, holders []Holder) (id string, e Envelope, key []byte, err error) {
	if err := f.Check(); err != nil {
		return "", e, nil, err
	}
	if err := checkHolders(holders); err != nil {
		return "", e, nil, err
	}
	u, err := ulid.New(ulid.Timestamp(s.Now()), s.Rand)
	if err != nil {
		return "", e, nil, fmt.Errorf("making an envelope id: %w", err)
	}
	key = make([]byte, keySize)
	if _, err := io.ReadFull(s.Rand, key); err != nil {
		return "", e, nil, fmt.Errorf("making an envelope key: %w", err)
	}
	id = strings.ToLower(u.String())
	t, ok := sealedAt(u)
	if !ok {
		return "", e, nil, errors.New("making an envelope id: the clock shows a year above 9999")
	}
	p := place{f: f, id: id, sealedAt: t}
	e = Envelope{SealedAt: p.sealedAt, Commit: base64.StdEncoding.EncodeToString(p.commitment(key)), Wraps: make(map[string]Wrap, len(holders))}
	for _, h := range holders {
		if e.Wraps[h.Name], err = newWrap(key, h); err != nil {
			return "", e, nil, err
		}
	}
	return id, e, key, nil
}

func (s Sealer) sealItem(p place, key []byte, name string, v Value) ([]byte, error) {
	aead, info, err := p.valueAEAD(key, name)
	if err != nil {
		return nil, fmt.Errorf("sealing %s: %w", name, err)
	}
	padded := pad(v.Bytes())
	defer clear(padded)
	out := make([]byte, nonceSize, nonceSize+len(padded)+aead.Overhead())
	if _, err := io.ReadFull(s.Rand, out); err != nil {
		return nil, fmt.Errorf("sealing %s: %w", name, err)
	}
	return aead.Seal(out, out, padded, info), nil
}

func checkHolders(holders []Holder) error {
	if len(holders) == 0 || len(holders) > MaxWraps {
		return fmt.Errorf("sealing needs 1 to %d holders, not %d", MaxWraps, len(holders))
	}
	seen := map[string]bool{}
	class := Class("")
	for _, h := range holders {
		if !holderRE.MatchString(h.Name) || seen[h.Name] {
			return fmt.Errorf("holder %s: names must be different, lower case, at most 63 long", shown(h.Name))
		}
		seen[h.Name] = true
		if len(h.Recipients) == 0 || len(h.Recipients) > MaxRecipients {
			return fmt.Errorf("holder %s has %d recipients; a wrap takes 1 to %d", h.Name, len(h.Recipients), MaxRecipients)
		}
		ids := map[string]bool{}
		for _, r := range h.Recipients {
			if ids[r.KeyID()] {
				return fmt.Errorf("holder %s has the recipient with key id %s twice", h.Name, r.KeyID()[:KeyIDDisplay])
			}
			ids[r.KeyID()] = true
			if class != "" && r.Class() != class {
				return &Error{Kind: ErrFormat, Msg: fmt.Sprintf("holder %s mixes post-quantum (age1pq1…) and classical (age1…, waxrsa1…, ssh-…) recipients", h.Name),
					Hint: "one classical wrap voids the post-quantum ones: use recipients of one class"}
			}
			class = r.Class()
		}
	}
	return nil
}

// clone copies what Put, Remove and Rewrap change: the maps down to the wraps.
func (s *Spec) clone() *Spec {
	next := *s
	next.Items, next.Envelopes = maps.Clone(s.Items), maps.Clone(s.Envelopes)
	if next.Items == nil {
		next.Items = map[string]Item{}
	}
	if next.Envelopes == nil {
		next.Envelopes = map[string]Envelope{}
	}
	for id, e := range next.Envelopes {
		e.Wraps = maps.Clone(e.Wraps)
		next.Envelopes[id] = e
	}
	return &next
}

// commit drops what no item names and the signature, checks the result and moves it to dst.
func (s *Spec) commit(dst *Spec) error {
	used := s.Referenced()
	maps.DeleteFunc(s.Envelopes, func(id string, _ Envelope) bool { _, ok := slices.BinarySearch(used, id); return !ok })
	s.Signature = nil
	if _, err := Check(s); err != nil {
		return err
	}
	*dst = *s
	return nil
}
