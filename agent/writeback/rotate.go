package writeback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// rotate finds what is due for the holder of a name.
func (l *look) rotate(ctx context.Context, holder string) error {
	due := Due{Holder: holder, Changes: map[string][]byte{}}
	for i := range l.files {
		if err := l.rotateFile(ctx, &l.files[i], &due); err != nil {
			return err
		}
	}
	for _, n := range l.sorted(holder) {
		if n.good() && n.Note != nil {
			due.Set = n.set
			due.Changes[n.note] = n.Note
			l.digest.Write([]byte("note\x00" + n.note + "\x00" + string(n.Note)))
		}
	}
	if len(due.Changes) == 0 {
		return nil
	}
	slices.Sort(due.Old)
	due.Old = slices.Compact(due.Old)
	for name, data := range due.Changes {
		l.found.Want[name] = data
	}
	l.found.Due = append(l.found.Due, due)
	return nil
}

// sorted are the pins of a holder, by where their notes lie.
func (l *look) sorted(holder string) []*heard {
	var all []*heard
	for _, n := range l.news {
		if n.Holder == holder {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b *heard) int { return slices.Compare([]string{a.note, a.Pin}, []string{b.note, b.Pin}) })
	return all
}

// rotateFile finds what is due in one file.
func (l *look) rotateFile(ctx context.Context, f *file, due *Due) error {
	n := f.news[due.Holder]
	switch {
	case n == nil:
		l.unpinned(f, due.Holder)
		return nil
	case !n.good(), !f.claims.stale(due.Holder, n.set.Keys):
		return nil
	}
	if l.edited += f.Size; l.edited > maxEdited || l.changed >= cmp.Or(l.in.Changed, maxChanged) {
		return nil
	}
	data, ok := l.found.Want[f.Path]
	if !ok {
		var err error
		if data, err = l.in.Read(ctx, f.Blob); err != nil {
			return err
		}
	}
	changed, err := l.edit(ctx, f, data, n, due)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		l.unhelped(f, 0, becauseNotEditable, err.Error())
		return nil
	}
	if changed != nil {
		due.Changes[f.Path] = changed
		l.changed += int64(len(changed))
	}
	return nil
}

// unpinned tells of a file that has wraps for others than the keys that a keyring shows, and for whose holder no key is pinned.
func (l *look) unpinned(f *file, holder string) {
	k := l.keyrings[holder]
	n := &heard{News: rewrap.News{Holder: holder, Pin: k.StatementKey}}
	if k.StatementKey == "" || n.Hear(k.Published) != nil || !f.claims.stale(holder, rewrap.KeyIDs(n.Set.SealHolder())) {
		return
	}
	switch {
	case errors.Is(f.err, repo.ErrNoSettings):
		l.unhelped(f, 0, becauseNotPinned, "no .seal.yaml pins a statement key for it: seal init --keyring "+holder+" writes one")
	case f.err != nil:
		l.unhelped(f, 0, becauseNotPinned, f.err.Error())
	case f.news != nil:
		l.unhelped(f, 0, becauseNotPinned, fmt.Sprintf("by its settings, %s is no keyring that it is sealed for", holder))
	}
}

// edit gives the content of a file with the wraps that are offered for n; nil where there is none.
func (l *look) edit(ctx context.Context, f *file, data []byte, n *heard, due *Due) ([]byte, error) {
	done, err := l.in.Memory.turn.Take(ctx, data)
	if err != nil {
		return nil, err
	}
	defer done()
	text, err := manifest.Parse(f.Path, data)
	if err != nil {
		return nil, err
	}
	var changes []rewrap.Change
	var old []string
	for _, d := range rewrap.Sealed(text) {
		c, replaced := l.object(f, text, d, n)
		if len(c.Wraps) > 0 {
			changes, old = append(changes, c), append(old, replaced...)
		}
	}
	if len(changes) == 0 {
		return nil, nil
	}
	count, err := rewrap.Apply(changes)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		for _, w := range c.Wraps {
			l.digest.Write([]byte(f.Path + "\x00" + w.Holder + "\x00" + w.Envelope + "\x00" + w.Wrap.Age))
		}
	}
	due.Set, due.Old = n.set, append(due.Old, old...)
	due.Objects, due.Wraps = due.Objects+len(changes), due.Wraps+count
	return text.Bytes(), nil
}

// object finds the wraps for one object, and the keys that those which they replace are for. What is left is told of.
func (l *look) object(f *file, text *manifest.File, d *manifest.Doc, n *heard) (c rewrap.Change, replaced []string) {
	at := int32(slices.IndexFunc(text.Docs(), d.SameText) + 1)
	b, err := d.JSON()
	if err != nil {
		l.unhelped(f, at, becauseInvalidFormat, err.Error())
		return c, nil
	}
	doc, err := seal.ParseDocument(b)
	if err != nil {
		l.unhelped(f, at, becauseInvalidFormat, fmt.Sprintf("%s: %v", d.Label(), err))
		return c, nil
	}
	c = rewrap.Change{Doc: d, Reads: doc}
	now := n.Set.SealHolder()
	var why error
	for _, id := range doc.Spec().Stale(now) {
		e := doc.Spec().Envelopes[id]
		w, err := l.offers.Find(n.Pin, *n.Set, id, e.Commit, doc.Class(), e.Wraps[n.Holder])
		if errors.Is(err, rewrap.ErrNoOffer) {
			err = rewrap.Unoffered(l.liveOf(id, doc.Target, n), now)
		}
		if err != nil {
			why = err
			continue
		}
		c.Wraps, replaced = append(c.Wraps, w), append(replaced, e.Wraps[n.Holder].Keys...)
	}
	if why != nil {
		l.unhelped(f, at, reasonOf(why), fmt.Sprintf("%s of %s: %v", n.Holder, d.Label(), why))
	}
	return c, replaced
}

func (l *look) unhelped(f *file, document int32, reason, message string) {
	if len(l.found.Unhelped) == maxUntaken {
		return
	}
	l.found.Unhelped = append(l.found.Unhelped, v1alpha1.SyncRefusal{Path: shown(f.Path), Document: document, Reason: reason, Message: clean(message)})
}

// reasonOf is one word for why nothing is offered.
func reasonOf(err error) string {
	var closed *rewrap.NotOpenedError
	for _, known := range []struct {
		err  error
		word string
	}{
		{rewrap.ErrNotThere, becauseNotInCluster}, {rewrap.ErrHasNewKeys, becauseOtherCopy}, {rewrap.ErrNotYet, becauseNotOffered}, {rewrap.ErrOlderOffer, becauseOlderOffer},
		{rewrap.ErrNewerOffer, becauseNewerOffer}, {rewrap.ErrOtherKeys, becauseOtherKeys}, {rewrap.ErrOtherCommit, becauseOtherEnvelope}, {rewrap.ErrOtherClass, becauseOtherClass},
		{rewrap.ErrTooOften, becauseTooOften},
	} {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	if errors.As(err, &closed) {
		return becauseNotOpened
	}
	return becauseNotOffered
}
