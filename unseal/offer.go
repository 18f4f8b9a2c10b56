package unseal

import (
	"maps"
	"slices"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// Offering is what DecideOffers says.
type Offering struct {
	// Settled is false while the object is to be opened, or waits: what is offered of it stays as it is until then.
	Settled bool
	// Due are the wraps that are to be offered, by keyring; of an object that is not opened there are none.
	Due []Due
	// Plan opens the object, for what is due.
	Plan *Plan
	// Signer is that of Decision.
	Signer string
}

// Due are wraps of a keyring that are for other keys than it has now.
type Due struct {
	Keyring string
	// Set is to whom the keyring seals now.
	Set statement.Recipients
	// Envelopes whose wraps these are, in byte order.
	Envelopes []string
}

// DecideOffers says which wraps of an object are to be offered anew: of one whose Secret is as it should be, and that would be opened again by the same rules as if there
// were none. It is a pure function.
func DecideOffers(in Input) Offering {
	o := in.Object
	if o.DeletionTimestamp != nil || in.Ring == nil {
		return Offering{}
	}
	p, seen, claims := &Plan{}, sightOf(&in), in.Marks.Mark
	if !in.Marks.Damaged {
		claims, _ = claims.look(seen)
	}
	d := decide(in, p, seen, claims)
	if d.Action != Report {
		return Offering{}
	}
	reason := d.Outcome.Reason
	if reason == Unsealed {
		if r := judge(&in, p); r != nil {
			reason = r.Reason
		}
	}
	row, _ := reason.Row()
	if reason != Unsealed {
		return Offering{Settled: row.Then != Retrying}
	}
	return Offering{Settled: true, Due: p.due(&o.Spec), Plan: p, Signer: p.fingerprint}
}

// due lists what is to be offered: for holders that are keyrings of this controller, where the present wrap names a key of that keyring which may open it. A holder whom
// somebody has only written beside the others gets nothing by it.
func (p *Plan) due(spec *seal.Spec) []Due {
	holders := map[string]bool{}
	for _, id := range spec.Referenced() {
		for holder := range spec.Envelopes[id].Wraps {
			holders[holder] = true
		}
	}
	var all []Due
	for _, holder := range slices.Sorted(maps.Keys(holders)) {
		set, ok := p.permits.ring.Current(holder)
		if !ok {
			continue
		}
		own := ownKeys{p.permits, holder}
		stale := slices.DeleteFunc(spec.Stale(set.SealHolder()), func(id string) bool {
			return !slices.ContainsFunc(spec.Envelopes[id].Wraps[holder].Keys, own.opens)
		})
		if len(stale) > 0 {
			all = append(all, Due{Keyring: holder, Set: set, Envelopes: stale})
		}
	}
	return all
}

// ownKeys are the permitted keys of one keyring.
type ownKeys struct {
	permits permits
	keyring string
}

// Identity implements seal.Keys.
func (k ownKeys) Identity(id string) (age.Identity, bool) {
	if !k.opens(id) {
		return nil, false
	}
	return k.permits.ring.Identity(id)
}

func (k ownKeys) opens(id string) bool {
	key, ok := k.permits.ring.Key(id)
	return ok && key.Keyring == k.keyring && k.permits.obstacle(k.keyring, id) == none
}

// Rewrap opens everything, as Open does, and makes the wraps that are due; no value is left when it returns. The caller must have a durable intent. The error is a *Refusal.
func (p *Plan) Rewrap(target seal.Target, d Due) ([]statement.OfferedWrap, error) {
	made, err := p.checked.OpenAndRewrap(target, p.permits, d.Set.SealHolder(), d.Envelopes, ownKeys{p.permits, d.Keyring})
	if err != nil {
		return nil, fromSeal(err)
	}
	wraps := make([]statement.OfferedWrap, len(d.Envelopes))
	for i, id := range d.Envelopes {
		wraps[i] = statement.OfferedWrap{Envelope: id, Commit: p.checked.Spec().Envelopes[id].Commit, Wrap: made[id]}
	}
	return wraps, nil
}

// OpenedByPresentKey is the use of a key by which an envelope of the object was opened, if the object has it with a wrap of the keyring for exactly its present keys, and that is the
// wrap that was used.
func OpenedByPresentKey(in Input, keyring, envelope string) (use v1alpha1.KeyUse, ok bool) {
	o := in.Object
	set, ok := in.Ring.Current(keyring)
	wrap, has := o.Spec.Envelopes[envelope].Wraps[keyring]
	if !ok || !has || ReasonOf(o.Status) != Unsealed || o.Status.ObservedGeneration != o.Generation || slices.Contains(o.Spec.Stale(set.SealHolder()), envelope) {
		return v1alpha1.KeyUse{}, false
	}
	for _, use := range o.Status.Keys {
		if use.Envelope == envelope && use.Keyring == keyring && slices.Contains(wrap.Keys, use.ID) {
			return use, true
		}
	}
	return v1alpha1.KeyUse{}, false
}

var _ seal.Keys = ownKeys{}
