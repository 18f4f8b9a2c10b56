package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	// EventRewrapNotOffered is the reason of the event about an object for which no new wraps can be offered.
	EventRewrapNotOffered = "RewrapNotOffered"
	// leastOffered is what the wrap of one envelope takes in an offer at the least, in bytes; what cannot fit is not opened for it.
	leastOffered = 400
	// offerMargin is what a status needs besides offers, with its managed fields: an offer must not keep the outcome of a later look from being stored.
	offerMargin = 16 << 10
)

// deal makes status.rewrap of one object what it should be.
func (l *offerLane) deal(ctx context.Context, job offerJob, signers *offerSigners) error {
	l.index.begin(job.key)
	o := &v1alpha1.GitSecret{}
	err := l.gather.live.Get(ctx, job.key, o)
	if apierrors.IsNotFound(err) {
		l.index.forget(job.key)
		l.unwrapper.forget(job.key)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading GitSecret %s: %w", job.key, err)
	}
	if job.withdraw {
		_, err := l.put(ctx, o, nil, dealt{open: true})
		return err
	}
	in, err := l.gather.around(ctx, o)
	if err != nil {
		return err
	}
	offering := unseal.DecideOffers(*in)
	if !offering.Settled {
		l.index.later(job.key, l.now().Add(offerRetry))
		return nil
	}
	kept, due := l.kept(o, offering.Due, signers)
	if len(due) == 0 {
		l.unwrapper.forget(job.key)
	} else if p := l.unwrapper.come(job.key, offering.Plan.Remote()); p.missing != nil {
		l.unwrapper.ask(job.key, *p.missing)
		l.index.later(job.key, l.now().Add(unwrapLook))
		return nil
	}
	if err := l.seen(ctx, in, kept, offering, signers); err != nil {
		return err
	}
	if len(due) == 0 {
		return l.leave(ctx, o, kept)
	}
	return l.make(ctx, in, kept, due, offering, signers)
}

// kept parts what the object offers already, as it should be, from what is still due.
func (l *offerLane) kept(o *v1alpha1.GitSecret, all []unseal.Due, signers *offerSigners) (kept []v1alpha1.RewrapOffer, due []unseal.Due) {
	for _, d := range all {
		n := slices.IndexFunc(o.Status.Rewrap, func(r v1alpha1.RewrapOffer) bool { return r.Holder == d.Keyring })
		if n >= 0 && offersDue(o, o.Status.Rewrap[n], d, signers.verifierKey(d.Keyring)) {
			kept = append(kept, o.Status.Rewrap[n])
		} else {
			due = append(due, d)
		}
	}
	return kept, due
}

// verified reads an offer that stands in the status of o, if the keyring has signed it for this object.
func verified(o *v1alpha1.GitSecret, r v1alpha1.RewrapOffer, verifierKey string) (statement.Offer, bool) {
	if verifierKey == "" {
		return statement.Offer{}, false
	}
	offer, err := statement.OpenOffer([]byte(r.Note), verifierKey)
	return offer, err == nil && offer.Holder == r.Holder && int64(offer.Set) == r.Set && offer.Namespace == o.Namespace && offer.Name == o.Name
}

// offersDue says whether an offer is what is due.
func offersDue(o *v1alpha1.GitSecret, r v1alpha1.RewrapOffer, d unseal.Due, verifierKey string) bool {
	offer, ok := verified(o, r, verifierKey)
	return ok && offer.Set == d.Set.Set && slices.EqualFunc(offer.Wraps, d.Envelopes, func(w statement.OfferedWrap, id string) bool {
		return w.Envelope == id && w.Commit == o.Spec.Envelopes[id].Commit
	})
}

// seen notes the offered wraps that have come back from Git, of offers that are about to go.
func (l *offerLane) seen(ctx context.Context, in *unseal.Input, kept []v1alpha1.RewrapOffer, offering unseal.Offering, signers *offerSigners) error {
	o := in.Object
	var keys []audit.Key
	for _, r := range o.Status.Rewrap {
		if slices.ContainsFunc(kept, func(k v1alpha1.RewrapOffer) bool { return k.Holder == r.Holder }) {
			continue
		}
		offer, ok := verified(o, r, signers.verifierKey(r.Holder))
		if !ok {
			continue
		}
		for _, w := range offer.Wraps {
			if use, ok := unseal.OpenedByPresentKey(*in, r.Holder, w.Envelope); ok {
				keys = append(keys, audit.Key{Keyring: use.Keyring, ID: use.ID, Envelope: use.Envelope})
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	op := l.report.operation(audit.ActionRewrapSeen, o, nil, offering.Signer)
	op.Keys = keys
	if err := l.audit.Note(ctx, op, audit.Outcome{OK: true}); err != nil {
		return errors.Join(errOffersHeld, err)
	}
	return nil
}

// make opens the object and offers the wraps that are due, between an intent and an outcome in the audit log.
func (l *offerLane) make(ctx context.Context, in *unseal.Input, kept []v1alpha1.RewrapOffer, due []unseal.Due, offering unseal.Offering, signers *offerSigners) error {
	o := in.Object
	if n := envelopesOf(due); n*leastOffered > statement.MaxOffer {
		l.refused(ctx, o, due, tooMuch(n))
		return l.leave(ctx, o, kept)
	}
	if current, err := signers.all(due); err != nil || !current {
		l.index.later(keyOf(o), l.now().Add(offerRetry)) // a keyring is being changed
		return err
	}
	id, err := l.audit.Intent(ctx, l.report.operation(audit.ActionRewrapOffered, o, offering.Plan, offering.Signer))
	if err != nil {
		return errors.Join(errOffersHeld, err)
	}
	made := l.sign(o, offering.Plan, due, signers)
	outcome := audit.Outcome{OK: len(made.offers) > 0, Keys: made.keys, Reason: made.reason, Message: made.message}
	if len(made.offers) > 0 {
		var stored bool
		if stored, err = l.put(ctx, o, append(made.offers, kept...), dealt{made: true, open: made.again}); !stored {
			outcome = audit.Outcome{Reason: "NotStored", Message: "the object has changed meanwhile, or its status could not be written"}
			made.offers = nil
		}
	}
	// What was done is recorded also when the controller is about to stop.
	if oerr := l.audit.Outcome(context.WithoutCancel(ctx), id, outcome); oerr != nil {
		return errors.Join(errOffersHeld, oerr)
	}
	if err != nil || outcome.Reason == "NotStored" {
		return err
	}
	l.made.Add(float64(len(made.offers)))
	if made.message != "" && !made.again {
		l.refused(ctx, o, due, made.message)
	}
	switch {
	case len(made.offers) > 0:
		return nil
	case made.again:
		l.index.later(keyOf(o), l.now().Add(offerRetry))
		return nil
	}
	return l.leave(ctx, o, kept)
}

// signed is what sign has made.
type signed struct {
	offers []v1alpha1.RewrapOffer
	keys   []audit.Key // that the wraps are for
	// reason and message say why something could not be made; again that it is tried once more.
	reason, message string
	again           bool
}

// sign makes the offers, which hold nothing but wraps. What is due of one keyring does not hinder what is due of another.
func (l *offerLane) sign(o *v1alpha1.GitSecret, p *unseal.Plan, due []unseal.Due, signers *offerSigners) (made signed) {
	size := 0
	for _, d := range due {
		wraps, err := p.Rewrap(seal.Target{Namespace: o.Namespace, Name: o.Name}, d)
		if refusal := (*unseal.Refusal)(nil); errors.As(err, &refusal) {
			made.reason, made.message = string(refusal.Reason), refusal.Error()
			made.again = made.again || refusal.Reason == unseal.KeySourceUnavailable
			continue
		}
		offerer, err := signers.of(d.Keyring)
		if err != nil {
			made.reason, made.message, made.again = string(unseal.KeySourceUnavailable), err.Error(), true
			continue
		}
		offer := statement.Offer{Holder: d.Keyring, Set: d.Set.Set, At: l.now().UTC().Truncate(time.Second), Namespace: o.Namespace, Name: o.Name, Wraps: wraps}
		note, err := offer.Sign(offerer.Signer)
		if err != nil || size+len(note) > statement.MaxOffer {
			made.reason, made.message = string(unseal.TooLarge), tooMuch(len(wraps))
			continue
		}
		if !fits(o, size+len(note)) {
			made.reason, made.message = string(unseal.TooLarge), "the object has no room for them: run seal rewrap with a key that opens it, or split it"
			continue
		}
		size += len(note)
		made.offers = append(made.offers, v1alpha1.RewrapOffer{Holder: d.Keyring, Set: int64(d.Set.Set), Note: string(note)})
		for _, w := range wraps {
			for _, id := range w.Wrap.Keys {
				made.keys = append(made.keys, audit.Key{Keyring: d.Keyring, ID: id, Envelope: w.Envelope})
			}
		}
	}
	return made
}

func envelopesOf(due []unseal.Due) (n int) {
	for _, d := range due {
		n += len(d.Envelopes)
	}
	return n
}

func tooMuch(envelopes int) string {
	return fmt.Sprintf("the new wraps of %d envelopes are more than %d KiB: run seal rewrap with a key that opens them, or seal rewrap --fresh, which makes one envelope of them", envelopes, statement.MaxOffer>>10)
}

// fits says whether the API server's store takes the object with offers of this size, and a status with another outcome after that.
func fits(o *v1alpha1.GitSecret, size int) bool {
	bare := *o
	bare.Status.Rewrap = nil
	b, err := json.Marshal(&bare)
	return err == nil && len(b)+size+size/8+offerMargin <= seal.MaxDocument
}

// refused says once what cannot be offered.
func (l *offerLane) refused(ctx context.Context, o *v1alpha1.GitSecret, due []unseal.Due, why string) {
	what := uint64(1)
	for _, d := range due {
		what += d.Set.Set
		for _, id := range d.Envelopes {
			what += envelopeSum(id, o.Spec.Envelopes[id].Commit)
		}
	}
	if l.index.news(keyOf(o), what) {
		l.log.WarnContext(ctx, "GitSecret "+EventRewrapNotOffered, "gitsecret", keyOf(o).String(), "uid", o.UID, "generation", o.Generation, "message", why)
		l.report.events.say(o, corev1.EventTypeWarning, EventRewrapNotOffered, shorten("new wraps are not offered: "+why, maxEvent))
	}
}

// leave leaves of the offers those that are as they should be.
func (l *offerLane) leave(ctx context.Context, o *v1alpha1.GitSecret, kept []v1alpha1.RewrapOffer) error {
	if len(kept) == len(o.Status.Rewrap) {
		l.finish(o, o.ResourceVersion, o.Status.Rewrap, dealt{})
		return nil
	}
	_, err := l.put(ctx, o, kept, dealt{})
	return err
}

// put makes status.rewrap of o what next says, if o is still the version that was read. Somebody who is faster has it looked at again.
func (l *offerLane) put(ctx context.Context, o *v1alpha1.GitSecret, next []v1alpha1.RewrapOffer, d dealt) (stored bool, err error) {
	slices.SortFunc(next, func(a, b v1alpha1.RewrapOffer) int { return strings.Compare(a.Holder, b.Holder) })
	status := *o.Status.DeepCopy()
	status.Rewrap = next
	version, err := patchStatus(ctx, l.status, o, status)
	switch {
	case apierrors.IsConflict(err):
		l.index.later(keyOf(o), l.now().Add(firstRetry))
		return false, nil
	case err != nil:
		return false, client.IgnoreNotFound(fmt.Errorf("writing the rewrap offers of %s: %w", keyOf(o), err))
	}
	l.report.seen.wrote(o, version, status)
	l.finish(o, version, next, d)
	return true, nil
}

// finish notes what o offers by now.
func (l *offerLane) finish(o *v1alpha1.GitSecret, version string, standing []v1alpha1.RewrapOffer, d dealt) {
	d.key, d.uid, d.version, d.standing = keyOf(o), o.UID, version, marksOf(standing)
	l.index.done(d, l.epoch, l.now())
}
