package cli

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// liveEnvelope is an envelope of an object of the cluster, as far as it tells why nothing is offered for it.
type liveEnvelope struct {
	closed string              // why the controller has not opened the object; empty where it has
	keys   map[string][]string // which keys its wraps are for, of holders whose statement keys are pinned
}

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
		Conditions         []struct{ Type, Status, Reason string }
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
	state := o.closed()
	for id, e := range o.Spec.Envelopes {
		if known, ok := c.live[id]; ok && known.closed == "" {
			continue // an object that was opened tells more than a copy that was not
		}
		l := liveEnvelope{closed: state, keys: map[string][]string{}}
		for _, h := range c.pinned {
			if w, ok := e.Wraps[h.Name]; ok {
				l.keys[h.Name] = w.Keys
			}
		}
		c.live[id] = l
	}
}

// closed says why the controller has not opened the object as it is; empty where it has.
func (o *liveObject) closed() string {
	if o.Metadata.DeletionTimestamp != nil {
		return "it is being deleted"
	}
	for _, condition := range o.Status.Conditions {
		if condition.Type != v1alpha1.ConditionReady || o.Status.ObservedGeneration != o.Metadata.Generation {
			continue
		}
		if condition.Status == string(metav1.ConditionTrue) && condition.Reason == reasonUnsealed {
			return ""
		}
		return condition.Reason
	}
	return "the controller has not looked at it yet"
}

// reasonUnsealed is the controller's reason for an object that it has opened.
const reasonUnsealed = "Unsealed"
