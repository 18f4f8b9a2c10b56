package seal

import (
	"fmt"
	"slices"
)

// Stale lists the envelopes, among those that an item names, whose wrap of h is for other keys than h has now; in byte order.
func (s *Spec) Stale(h Holder) []string {
	var stale []string
	for _, id := range s.Referenced() {
		if w, ok := s.Envelopes[id].Wraps[h.Name]; ok && !w.For(h.Recipients) {
			stale = append(stale, id)
		}
	}
	return stale
}

// For says whether w is for these recipients and no others, as its keys say.
func (w Wrap) For(recipients []Recipient) bool {
	ids := make([]string, len(recipients))
	for i, r := range recipients {
		ids[i] = r.KeyID()
	}
	slices.Sort(ids)
	return slices.Equal(slices.Sorted(slices.Values(w.Keys)), ids)
}

// Rewrap replaces one holder's wraps, in every envelope that has one and that an item names, by wraps for the holder's present recipients. Values, other holders and the
// signature stay. Envelope keys come from keys, and their commits are checked. It gives the number of wraps that it replaced.
func Rewrap(spec *Spec, h Holder, keys Keys) (int, error) {
	c, err := Check(spec)
	if err != nil {
		return 0, err
	}
	ids := slices.DeleteFunc(spec.Referenced(), func(id string) bool { _, has := spec.Envelopes[id].Wraps[h.Name]; return !has })
	wraps, err := c.MakeWraps(h, ids, keys)
	if err != nil {
		return 0, err
	}
	next := spec.clone()
	for id, w := range wraps {
		next.Envelopes[id].Wraps[h.Name] = w
	}
	*spec = *next
	return len(wraps), nil
}

// MakeWraps makes wraps for the present recipients of h, by the ids of envelopes that have one of h; c stays as it is. With all of them in their places it checks. Envelope
// keys come from keys, and their commits are checked; the other envelopes need not open.
func (c *Checked) MakeWraps(h Holder, ids []string, keys Keys) (map[string]Wrap, error) {
	if err := c.takes(h, ids); err != nil {
		return nil, err
	}
	envelopeKeys := make(map[string][]byte, len(ids))
	defer func() { clearKeys(envelopeKeys) }()
	for _, id := range ids {
		key, _, err := c.openEnvelope(id, keys)
		if err != nil {
			return nil, err
		}
		envelopeKeys[id] = key
	}
	return c.wrapsFor(h, ids, envelopeKeys)
}

// OpenAndRewrap opens everything as Open does and gives no value, but new wraps of h for the envelopes ids, as MakeWraps does. The present wraps of h there have to open with own: who is no
// holder of an envelope already does not become one by somebody's writing his name beside the others.
func (c *Checked) OpenAndRewrap(target Target, keys Keys, h Holder, ids []string, own Keys) (map[string]Wrap, error) {
	if err := c.takes(h, ids); err != nil {
		return nil, err
	}
	envelopeKeys, uses, err := c.openAll(target, keys, func(_ string, v Value) { clear(v.Bytes()) })
	if err != nil {
		return nil, err
	}
	defer clearKeys(envelopeKeys)
	for _, id := range ids {
		if err := c.holds(h.Name, id, own, uses); err != nil {
			return nil, err
		}
	}
	return c.wrapsFor(h, ids, envelopeKeys)
}

// holds says whether the wrap of a holder opens with its own keys; uses are the wraps that were opened already.
func (c *Checked) holds(holder, id string, own Keys, uses []Use) error {
	for _, keyID := range c.spec.Envelopes[id].Wraps[holder].Keys {
		if _, ok := own.Identity(keyID); !ok {
			continue
		}
		if slices.Contains(uses, Use{Envelope: id, Holder: holder, KeyID: keyID}) {
			return nil
		}
		key, err := c.openWrap(id, holder, keyID, own)
		clear(key)
		return err
	}
	return c.noKey(id)
}

// takes says whether wraps of h, in the place of those that the envelopes have, break no rule of the format.
func (c *Checked) takes(h Holder, ids []string) error {
	if err := checkHolders([]Holder{h}); err != nil {
		return err
	}
	for _, id := range ids {
		if _, ok := c.envelopes[id].wraps[h.Name]; !ok {
			return formatErr("envelopes."+shown(id)+".wraps."+h.Name, "is not there")
		}
	}
	if len(ids) == 0 || h.Recipients[0].Class() == c.class {
		return nil
	}
	for id, e := range c.envelopes {
		if len(e.wraps) > 1 || !slices.Contains(ids, id) {
			return mixes("envelopes." + ids[0] + ".wraps." + h.Name)
		}
	}
	return nil
}

func (c *Checked) wrapsFor(h Holder, ids []string, envelopeKeys map[string][]byte) (map[string]Wrap, error) {
	wraps := make(map[string]Wrap, len(ids))
	for _, id := range ids {
		w, err := newWrap(envelopeKeys[id], h)
		if err != nil {
			return nil, err
		}
		if w.WrappedBefore = wrappedBefore(c.spec.Envelopes[id].Wraps[h.Name], w.Keys); len(w.WrappedBefore) > MaxWrappedBefore {
			return nil, &Error{Kind: ErrFormat, Field: "envelopes." + id + ".wraps." + h.Name, Msg: fmt.Sprintf("was rewrapped from more than %d keys", MaxWrappedBefore),
				Hint: "reseal: a new envelope starts a new list"}
		}
		wraps[id] = w
	}
	return wraps, nil
}

// wrappedBefore is what section 10 says of a rewrap.
func wrappedBefore(old Wrap, now []string) []string {
	all := slices.Concat(old.WrappedBefore, old.Keys)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(id string) bool { return slices.Contains(now, id) })
}
