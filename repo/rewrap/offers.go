package rewrap

import (
	"errors"
	"fmt"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// Offers are the wraps that keyrings offer for what they have opened (docs/statements.md). Only those are kept that verify under a key which is pinned for their holder.
// Nothing may be added while wraps are looked for; those who look may be many.
type Offers struct {
	pins  map[string][]string
	wraps map[offerKey][]offered
}

type offerKey struct{ pin, envelope string }

// offered is one wrap of an offer.
type offered struct {
	set   uint64
	class seal.Class
	statement.OfferedWrap
}

// NewOffers takes offers under pins: the verifier keys of each holder. Those of other holders are passed over.
func NewOffers(pins map[string][]string) *Offers {
	return &Offers{pins: pins, wraps: map[offerKey][]offered{}}
}

// Add takes the signed offer of holder that was found with the GitSecret namespace/name. The error says why it is refused; whoever may write there can put anything into it.
func (o *Offers) Add(namespace, name, holder string, signed []byte) error {
	var refusal error
	for _, pin := range o.pins[holder] {
		offer, err := statement.OpenOffer(signed, pin)
		if err == nil {
			return o.take(namespace, name, pin, offer)
		}
		if refusal == nil {
			refusal = err
		}
	}
	return refusal
}

func (o *Offers) take(namespace, name, pin string, offer statement.Offer) error {
	if offer.Namespace != namespace || offer.Name != name {
		return fmt.Errorf("it was made for %s/%s, and copied", offer.Namespace, offer.Name)
	}
	taken := make([]offered, len(offer.Wraps))
	for i, w := range offer.Wraps {
		class, err := seal.CheckWrap(offer.Holder, w.Wrap)
		if err != nil {
			return fmt.Errorf("envelope %s: %w", w.Envelope, err)
		}
		taken[i] = offered{offer.Set, class, w}
	}
	for _, w := range taken {
		k := offerKey{pin, w.Envelope}
		o.wraps[k] = append(o.wraps[k], w)
	}
	return nil
}

// Why there is no wrap.
var (
	ErrNoOffer     = errors.New("no offer")
	ErrOlderOffer  = errors.New("the offer is for an older set of recipients")
	ErrNewerOffer  = errors.New("the offer is for a newer set of recipients")
	ErrOtherKeys   = errors.New("the offer is not for the recipients of its set")
	ErrOtherCommit = errors.New("the cluster has another envelope under this id")
	ErrOtherClass  = errors.New("the offer is of another class than the object")
	ErrTooOften    = fmt.Errorf("it was wrapped for more than %d keys before", seal.MaxWrappedBefore)
)

// Find gives the wrap that is offered for the recipients now, a set that verifies under pin, in place of old: the wrap of their holder in envelope id, with this commit,
// of an object of this class. Errors are those above, not wrapped.
func (o *Offers) Find(pin string, now statement.Recipients, id, commit string, class seal.Class, old seal.Wrap) (Wrap, error) {
	why := ErrNoOffer
	for _, w := range o.wraps[offerKey{pin, id}] {
		err := w.fits(now, commit, class)
		if err != nil {
			// Of an object and its copies with other scopes, one may be behind the other.
			if !errors.Is(err, ErrOtherCommit) || errors.Is(why, ErrNoOffer) {
				why = err
			}
			continue
		}
		next := w.Wrap
		// A copy in Git may have been wrapped for others than the object in the cluster.
		if next.WrappedBefore = before(old, next); len(next.WrappedBefore) > seal.MaxWrappedBefore {
			return Wrap{}, ErrTooOften
		}
		return Wrap{Envelope: id, Commit: commit, Holder: now.Holder, Wrap: next, checked: w.class}, nil
	}
	return Wrap{}, why
}

func (w offered) fits(now statement.Recipients, commit string, class seal.Class) error {
	switch {
	case w.Commit != commit:
		return ErrOtherCommit
	case w.set < now.Set:
		return ErrOlderOffer
	case w.set > now.Set:
		return ErrNewerOffer
	case !w.Wrap.For(now.Recipients):
		return ErrOtherKeys
	case w.class != class:
		return ErrOtherClass
	}
	return nil
}

// before are the keys that an envelope key was wrapped for before next takes the place of old (docs/format.md, section 10).
func before(old, next seal.Wrap) []string {
	all := slices.Concat(old.WrappedBefore, old.Keys, next.WrappedBefore)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(id string) bool { return slices.Contains(next.Keys, id) })
}
