package unseal

import (
	"maps"
	"slices"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

// Remote is what opening an object needs from one key whose private half is elsewhere.
type Remote struct {
	KeyID string
	// Uses are the uses of the key in the plan.
	Uses []v1alpha1.KeyUse
	// Ciphertexts are those that are not in memory decrypted; with none of them, opening makes no request.
	Ciphertexts [][]byte
}

// Remote lists the keys whose private half is elsewhere, by key id. It has what is in memory kept for a while longer.
func (p *Plan) Remote() []Remote {
	if !slices.ContainsFunc(p.Keys, func(u v1alpha1.KeyUse) bool { _, ok := p.permits.ring.Prefetcher(u.ID); return ok }) {
		return nil
	}
	var all []Remote
	found := p.checked.RSACiphertexts(p.permits)
	for _, id := range slices.Sorted(maps.Keys(found)) {
		from, ok := p.permits.ring.Prefetcher(id)
		if !ok {
			continue
		}
		r := Remote{KeyID: id}
		for _, u := range p.Keys {
			if u.ID == id {
				r.Uses = append(r.Uses, u)
			}
		}
		for _, c := range found[id] {
			if !from.Prefetched(c) {
				r.Ciphertexts = append(r.Ciphertexts, c)
			}
		}
		all = append(all, r)
	}
	return all
}

// Unasked is the outcome of an object whose key could not be asked for.
func Unasked(u v1alpha1.KeyUse, err error) Outcome {
	return refuse(KeySourceUnavailable, "envelopes."+u.Envelope, "the source of keyring %s cannot open with the key %s: %v", u.Keyring, keyring.Display(u.ID), err).Outcome()
}
