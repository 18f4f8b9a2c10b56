package seal

import (
	"fmt"
	"slices"
)

// Stale lists the envelopes, among those that an item names, whose wrap of h is for other keys than h has now; in byte order.
func (s *Spec) Stale(h Holder) []string {
	now := make([]string, len(h.Recipients))
	for i, r := range h.Recipients {
		now[i] = r.KeyID()
	}
	slices.Sort(now)
	var stale []string
	for _, id := range s.Referenced() {
		if w, ok := s.Envelopes[id].Wraps[h.Name]; ok && !slices.Equal(slices.Sorted(slices.Values(w.Keys)), now) {
			stale = append(stale, id)
		}
	}
	return stale
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

// Due are wraps to be made, of Holder for Envelopes, whose present wraps of that holder have to open with Keys.
type Due struct {
	Holder    Holder
	Envelopes []string
	Keys      Keys
}

// OpenAndRewrap opens everything as Open does, and gives new wraps for each of due, by envelope, and no values. Who is not a holder of an envelope already, by a wrap that opens, does not
// become one by it.
func (c *Checked) OpenAndRewrap(target Target, keys Keys, due []Due) ([]map[string]Wrap, []Use, error) {
	for _, d := range due {
		if err := c.takes(d.Holder, d.Envelopes); err != nil {
			return nil, nil, err
		}
	}
	envelopeKeys, uses, err := c.openAll(target, keys, func(_ string, v Value) { clear(v.Bytes()) })
	if err != nil {
		return nil, nil, err
	}
	defer clearKeys(envelopeKeys)
	all := make([]map[string]Wrap, len(due))
	for i, d := range due {
		if err := c.holds(d, uses); err != nil {
			return nil, nil, err
		}
		if all[i], err = c.wrapsFor(d.Holder, d.Envelopes, envelopeKeys); err != nil {
			return nil, nil, err
		}
	}
	return all, uses, nil
}

// holds says whether the wraps of a holder open with its keys; uses are the wraps that were opened already.
func (c *Checked) holds(d Due, uses []Use) error {
	for _, id := range d.Envelopes {
		opened := slices.ContainsFunc(uses, func(u Use) bool {
			if u.Envelope != id || u.Holder != d.Holder.Name {
				return false
			}
			_, own := d.Keys.Identity(u.KeyID)
			return own
		})
		if opened {
			continue
		}
		all := c.spec.Envelopes[id].Wraps[d.Holder.Name].Keys
		n := slices.IndexFunc(all, func(keyID string) bool { _, own := d.Keys.Identity(keyID); return own })
		if n < 0 {
			return c.noKey(id)
		}
		key, err := c.openWrap(id, d.Holder.Name, all[n], d.Keys)
		if err != nil {
			return err
		}
		clear(key)
	}
	return nil
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
