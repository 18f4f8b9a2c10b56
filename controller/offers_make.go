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
		return l.put(ctx, o, nil, dealt{open: true})
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
		return l.clear(ctx, in, kept, offering, signers)
	}
	if p := l.unwrapper.come(job.key, offering.Plan.Remote()); p.missing != nil {
		l.unwrapper.ask(job.key, *p.missing)
		l.index.later(job.key, l.now().Add(unwrapLook))
		return nil
	}
	if err := l.seen(ctx, in, kept, offering, signers); err != nil {
		return err
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

// clear takes back what is not due any more.
func (l *offerLane) clear(ctx context.Context, in *unseal.Input, kept []v1alpha1.RewrapOffer, offering unseal.Offering, signers *offerSigners) error {
	o := in.Object
	if len(kept) == len(o.Status.Rewrap) {
		l.finish(o, o.ResourceVersion, o.Status.Rewrap, dealt{})
		return nil
	}
	if err := l.seen(ctx, in, kept, offering, signers); err != nil {
		return err
	}
	return l.put(ctx, o, kept, dealt{})
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
	o, p := in.Object, offering.Plan
	if n := envelopesOf(due); n*leastOffered > statement.MaxOffer {
		return l.refuse(ctx, o, kept, due, tooMuch(n))
	}
	for _, d := range due {
		offerer, err := signers.of(d.Keyring)
		if err != nil {
			return err
		}
		if offerer.Set != d.Set.Set {
			l.index.later(keyOf(o), l.now().Add(offerRetry)) // it has been replaced just now
			return nil
		}
	}
	op := l.report.operation(audit.ActionRewrapOffered, o, p, offering.Signer)
	op.Items = nil
	id, err := l.audit.Intent(ctx, op)
	if err != nil {
		return errors.Join(errOffersHeld, err)
	}
	offers, keys, refusal := l.sign(o, p, due, signers)
	outcome := audit.Outcome{OK: refusal == nil, Keys: keys}
	if refusal == nil {
		err = l.put(ctx, o, append(offers, kept...), dealt{made: true})
	} else {
		outcome.Keys, outcome.Reason, outcome.Message = nil, string(refusal.Reason), refusal.Error()
	}
	if err != nil {
		outcome = audit.Outcome{Reason: "NotStored", Message: "the status could not be written"}
	}
	// What was done is recorded also when the controller is about to stop.
	if oerr := l.audit.Outcome(context.WithoutCancel(ctx), id, outcome); oerr != nil {
		return errors.Join(errOffersHeld, oerr)
	}
	switch {
	case err != nil:
		return err
	case refusal != nil && refusal.Reason == unseal.KeySourceUnavailable:
		l.index.later(keyOf(o), l.now().Add(offerRetry))
		return nil
	case refusal != nil:
		return l.refuse(ctx, o, kept, due, refusal.Error())
	}
	l.made.Add(float64(len(offers)))
	return nil
}

// sign makes the offers, which hold nothing but wraps; keys are those that they are for.
func (l *offerLane) sign(o *v1alpha1.GitSecret, p *unseal.Plan, due []unseal.Due, signers *offerSigners) (offers []v1alpha1.RewrapOffer, keys []audit.Key, refusal *unseal.Refusal) {
	wraps, err := p.Rewrap(seal.Target{Namespace: o.Namespace, Name: o.Name}, due)
	if errors.As(err, &refusal) {
		return nil, nil, refusal
	}
	size := 0
	for i, d := range due {
		offerer, err := signers.of(d.Keyring)
		if err != nil {
			return nil, nil, &unseal.Refusal{Reason: unseal.KeySourceUnavailable, Msg: err.Error()}
		}
		offer := statement.Offer{Holder: d.Keyring, Set: d.Set.Set, At: l.now().UTC().Truncate(time.Second), Namespace: o.Namespace, Name: o.Name, Wraps: wraps[i]}
		note, err := offer.Sign(offerer.Signer)
		if size += len(note); err != nil || size > statement.MaxOffer {
			return nil, nil, &unseal.Refusal{Reason: unseal.TooLarge, Msg: tooMuch(envelopesOf(due))}
		}
		offers = append(offers, v1alpha1.RewrapOffer{Holder: d.Keyring, Set: int64(d.Set.Set), Note: string(note)})
		for _, w := range wraps[i] {
			for _, id := range w.Wrap.Keys {
				keys = append(keys, audit.Key{Keyring: d.Keyring, ID: id, Envelope: w.Envelope})
			}
		}
	}
	if !fits(o, size) {
		return nil, nil, &unseal.Refusal{Reason: unseal.TooLarge, Msg: "the object has no room for an offer of new wraps: run seal rewrap with a key that opens it, or split it"}
	}
	return offers, keys, nil
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

// refuse leaves out what cannot be offered, and says so once.
func (l *offerLane) refuse(ctx context.Context, o *v1alpha1.GitSecret, kept []v1alpha1.RewrapOffer, due []unseal.Due, why string) error {
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
	if len(kept) == len(o.Status.Rewrap) {
		l.finish(o, o.ResourceVersion, o.Status.Rewrap, dealt{})
		return nil
	}
	return l.put(ctx, o, kept, dealt{})
}

// put makes status.rewrap of o what next says, if o is still the version that was read. Somebody who is faster has it looked at again.
func (l *offerLane) put(ctx context.Context, o *v1alpha1.GitSecret, next []v1alpha1.RewrapOffer, d dealt) error {
	slices.SortFunc(next, func(a, b v1alpha1.RewrapOffer) int { return strings.Compare(a.Holder, b.Holder) })
	status := *o.Status.DeepCopy()
	status.Rewrap = next
	version, err := patchStatus(ctx, l.status, o, status)
	switch {
	case apierrors.IsConflict(err):
		l.index.later(keyOf(o), l.now().Add(firstRetry))
		return nil
	case err != nil:
		return client.IgnoreNotFound(fmt.Errorf("writing the rewrap offers of %s: %w", keyOf(o), err))
	}
	l.report.seen.wrote(o, version, status)
	l.finish(o, version, next, d)
	return nil
}

// finish notes what o offers by now.
func (l *offerLane) finish(o *v1alpha1.GitSecret, version string, standing []v1alpha1.RewrapOffer, d dealt) {
	d.key, d.uid, d.version, d.standing = keyOf(o), o.UID, version, marksOf(standing)
	l.index.done(d, l.epoch, l.now())
}
