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
	// Uses are those of the key in the plan that Ciphertexts are for, in the same order.
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
		uses := slices.DeleteFunc(slices.Clone(p.Keys), func(u v1alpha1.KeyUse) bool { return u.ID != id }) // of the same envelopes
		for n, c := range found[id] {
			if c != nil && !from.Prefetched(c) {
				r.Uses, r.Ciphertexts = append(r.Uses, uses[n]), append(r.Ciphertexts, c)
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
