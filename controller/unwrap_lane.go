package controller

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// pump makes the requests of a lane that can be made now. u.mu is held.
func (u *unwrapper) pump(l *lane) {
	for u.ctx != nil && u.ctx.Err() == nil && len(l.waiting) > 0 {
		if l.awaited && l.flying == 0 && l.failure == nil {
			return // the first is waiting for others
		}
		if wait := u.pause(l); wait > 0 {
			u.pumpAfter(l, wait)
			return
		}
		if l.flying >= maxFlying || (l.flying > 0 && (l.failure != nil || l.pending() < l.size())) {
			return
		}
		batch := l.take()
		l.flying++
		ctx := u.ctx
		u.flights.Go(func() { u.fetch(ctx, l, batch) })
	}
	u.tidy(l.keyID, l)
}

// pause is how long a lane has to wait before its next request.
func (u *unwrapper) pause(l *lane) time.Duration {
	now := u.now()
	if l.failure != nil {
		return l.retry.Sub(now)
	}
	if len(l.fetched) < maxFetched {
		return 0
	}
	for key, at := range l.fetched {
		if now.Sub(at) > fetchedFor {
			delete(l.fetched, key) // it is gone, or was changed
		}
	}
	if len(l.fetched) < maxFetched {
		return 0
	}
	return time.Second
}

// pumpAfter calls pump later. u.mu is held.
func (u *unwrapper) pumpAfter(l *lane, wait time.Duration) {
	if l.awaited {
		return
	}
	l.awaited = true
	time.AfterFunc(wait, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		l.awaited = false
		u.pump(l)
	})
}

// size is how many ciphertexts a request has at most.
func (l *lane) size() int { return keyring.MaxPrefetch >> l.short }

// pending is how many ciphertexts wait, as far as it matters.
func (l *lane) pending() (n int) {
	for _, w := range l.waiting {
		if n += len(w.need.Ciphertexts); n >= l.size() {
			break
		}
	}
	return n
}

// take takes the objects of one request: a few of the newest, so that a change of today need not wait for all that a start has to do, and those that have waited longest. Of one with
// many ciphertexts that has waited longest as many are taken as there is room for: it comes again. If it were to wait until it fits, it would for as long as others come.
func (l *lane) take() (batch []*want) {
	room, few := l.size(), l.size()/4
	add := func(w *want) {
		w.part = min(len(w.need.Ciphertexts), room)
		room -= w.part
		batch = append(batch, w)
	}
	newest, oldest := len(l.waiting), 0
	for newest > 0 && len(l.waiting[newest-1].need.Ciphertexts) <= few-(l.size()-room) {
		newest--
		add(l.waiting[newest])
	}
	for oldest < newest && room > 0 && (len(l.waiting[oldest].need.Ciphertexts) <= room || len(l.waiting[oldest].need.Ciphertexts) > few) {
		add(l.waiting[oldest])
		oldest++
	}
	l.waiting = l.waiting[oldest:newest]
	return batch
}

// fetch makes one request, between its intent and its outcome in the audit log.
func (u *unwrapper) fetch(ctx context.Context, l *lane, batch []*want) {
	from, ok := u.ring.Load().Prefetcher(l.keyID)
	if !ok {
		u.release(l, batch)
		return
	}
	id, err := u.audit.Intent(ctx, forAll(audit.ActionKeyUnwrap, batch))
	if err != nil {
		u.log.ErrorContext(ctx, "the audit log takes no intent", "key", keyring.Display(l.keyID), "error", err)
		u.failed(l, batch, unseal.Outcome{Reason: unseal.AuditUnavailable, Message: nothingOpened})
		return
	}
	asking, cancel := context.WithTimeout(ctx, unwrapTimeout)
	asking, requests := keyring.WithRequests(asking)
	err = from.Prefetch(asking, ciphertexts(batch))
	cancel()
	outcome := audit.Outcome{OK: err == nil, VaultRequest: requests.String()}
	if err == nil {
		u.succeeded(l, batch)
	} else {
		out := unseal.Unasked(batch[0].need.Uses[0], err)
		outcome.Reason, outcome.Message = string(out.Reason), err.Error()
		u.log.WarnContext(ctx, "a key could not be asked", "key", keyring.Display(l.keyID), "objects", len(batch), "error", err)
		u.failed(l, batch, out)
	}
	// The next request does not wait for this, and what was done is recorded even if the controller is being stopped.
	if err := u.audit.Outcome(context.WithoutCancel(ctx), id, outcome); err != nil {
		u.log.ErrorContext(ctx, "the audit log takes no outcome", "key", keyring.Display(l.keyID), "intent", id, "error", err)
	}
}

// forAll is an operation that all objects of a batch need.
func forAll(action audit.Action, batch []*want) audit.Operation {
	op := audit.Operation{
		Action: action, Actor: audit.Actor{User: audit.Unattributed, Manager: unseal.FieldManager},
		Object: audit.Object{Kind: "Keyring", Name: batch[0].need.Uses[0].Keyring},
	}
	for _, w := range batch {
		op.Keys = append(op.Keys, auditKeys(w.need.Uses[:min(w.part, len(w.need.Uses))])...)
	}
	return op
}

// ciphertexts of a batch. An object of which a part is taken comes again for the others.
func ciphertexts(batch []*want) (all [][]byte) {
	for _, w := range batch {
		all = append(all, w.need.Ciphertexts[:w.part]...)
	}
	return all
}

// succeeded queues the objects of a batch, to be opened.
func (u *unwrapper) succeeded(l *lane, batch []*want) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l.failure, l.tries, l.short = nil, 0, max(l.short, 1)-1
	for _, w := range l.waiting {
		w.told = false
	}
	now := u.now()
	for _, w := range batch {
		if l.wants[w.key] == w {
			l.fetched[w.key] = now
		}
	}
	u.land(l, batch)
}

// release queues the objects of a batch, to be decided anew: the key is not one to ask for any more.
func (u *unwrapper) release(l *lane, batch []*want) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l.failure, l.tries = nil, 0
	u.land(l, batch)
}

// land ends a request whose objects need not wait any more. u.mu is held.
func (u *unwrapper) land(l *lane, batch []*want) {
	l.flying--
	for _, w := range batch {
		if l.wants[w.key] == w {
			delete(l.wants, w.key)
		}
	}
	u.wake(batch)
	u.pump(l)
}

// failed keeps the objects of a batch for the next try, and has all that wait show why they do.
func (u *unwrapper) failed(l *lane, batch []*want, why unseal.Outcome) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l.flying--
	wait := min(firstUnwrapRetry<<min(l.tries, 8), lastUnwrapRetry)
	if why.Reason == unseal.AuditUnavailable {
		wait = min(wait, auditRetry)
	} else if l.size() > 1 {
		l.short++
	}
	l.tries++
	l.failure, l.retry = &why, u.now().Add(wait/2+time.Duration(u.jitter()*float64(wait/2)))
	var again []*want
	for _, w := range batch {
		if l.wants[w.key] == w {
			again = append(again, w)
		}
	}
	if len(again) == 1 && len(l.waiting) > 0 && l.size() == 1 { // it may be this one that cannot be asked for
		l.waiting = append(l.waiting, again...)
	} else {
		l.waiting = append(again, l.waiting...)
	}
	var untold []*want
	for _, w := range l.waiting {
		if !w.told {
			w.told = true
			untold = append(untold, w)
		}
	}
	u.wake(untold)
	u.pump(l)
}

// wake queues objects. u.mu is held.
func (u *unwrapper) wake(wants []*want) {
	keys := make([]types.NamespacedName, len(wants))
	for i, w := range wants {
		u.seen.lookAgain(w.key)
		keys[i] = w.key
	}
	u.queue(keys)
}
