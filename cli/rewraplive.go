package cli

import (
	"errors"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// liveObject is the part of a GitSecret of the cluster, or of a Keyring, that a rewrap looks at.
type liveObject struct {
	Kind     string
	Metadata struct {
		Namespace, Name   string
		Generation        int64
		DeletionTimestamp *string
	}
	Spec struct {
		Envelopes map[string]struct {
			Wraps map[string]struct{ Keys []string }
		}
	}
	Status struct {
		ObservedGeneration int64
		Conditions         []rewrap.Condition
		Rewrap             []v1alpha1.RewrapOffer
		Recipients         string // of a Keyring
		StatementKey       string
	}
}

// add takes one object of a list.
func (c *clusterOffers) add(doc cluster.Decode) error {
	var o liveObject
	if err := doc(&o); err != nil {
		return errors.New("one of the objects cannot be read")
	}
	switch o.Kind {
	case "Keyring":
		c.keyrings[o.Metadata.Name] = keyringAnswer{published: &cluster.Published{Note: []byte(o.Status.Recipients), StatementKey: o.Status.StatementKey}}
	case seal.Kind, "": // items of a list may leave it out
		c.addObject(&o)
	}
	return nil
}

func (c *clusterOffers) addObject(o *liveObject) {
	for _, offer := range o.Status.Rewrap {
		if err := c.offers.Add(o.Metadata.Namespace, o.Metadata.Name, offer.Holder, []byte(offer.Note)); err != nil {
			c.refused = append(c.refused, refusedOffer{o.Metadata.Namespace, o.Metadata.Name, offer.Holder, err.Error()})
		}
	}
	state := rewrap.Closed(o.Metadata.DeletionTimestamp != nil, o.Metadata.Generation, o.Status.ObservedGeneration, o.Status.Conditions)
	for id, e := range o.Spec.Envelopes {
		if known, ok := c.live[id]; ok && known.Closed == "" {
			continue // an object that was opened tells more than a copy that was not
		}
		l := rewrap.Live{Closed: state, Keys: map[string][]string{}}
		for _, h := range c.pinned {
			if w, ok := e.Wraps[h.Name]; ok {
				l.Keys[h.Name] = w.Keys
			}
		}
		c.live[id] = l
	}
}
