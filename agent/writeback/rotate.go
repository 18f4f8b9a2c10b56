package writeback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/rewrap"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// rotate finds what is due for the holder of a name.
func (l *look) rotate(ctx context.Context, holder string) error {
	due := Due{Holder: holder, Changes: map[string][]byte{}}
	for i := range l.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		f := &l.files[i]
		if n := f.news[holder]; n == nil {
			l.unpinned(f, holder)
		} else if i >= l.from && i < l.to && f.stale(n) {
			if err := l.rotateFile(ctx, f, n, &due); err != nil {
				return err
			}
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

// stale says whether a file has wraps of a holder for others than the keys that it has now, as far as that is known.
func (f *file) stale(n *heard) bool { return n.good() && f.claims.stale(n.Holder, n.set.Keys) }

// window finds the files that are edited in this look: those from Input.Begin on, as far as they are not too much. What is due in the others comes when nothing is due in these.
func (l *look) window() {
	all, most := int64(0), cmp.Or(l.in.Edited, maxEdited)
	sizes := make([]int64, len(l.files)) // of what is to be parsed, once for each holder
	for i := range l.files {
		f := &l.files[i]
		for _, n := range f.news {
			if f.stale(n) {
				sizes[i] += f.Size
			}
		}
		all += sizes[i]
	}
	if l.to = len(l.files); all <= most {
		return
	}
	if l.in.Begin < len(l.files) {
		l.from = l.in.Begin
	}
	size := int64(0)
	for i := l.from; i < len(l.files); i++ {
		if size += sizes[i]; size > most && i > l.from {
			l.to, l.found.Next = i, i
			break
		}
	}
	l.problem("the files with wraps for old keys have more than the %d MiB that are looked into at a time: these are %d of %d files, from %s on; the others come when nothing is due in these",
		most>>20, l.to-l.from, len(l.files), shown(l.files[l.from].Path))
}

// rotateFile finds what is due in one file.
func (l *look) rotateFile(ctx context.Context, f *file, n *heard, due *Due) error {
	if l.changed >= cmp.Or(l.in.Changed, maxChanged) {
		return nil // it is due when the others have been written
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
	if !f.claims.of(holder) {
		return
	}
	if ids := l.shows(holder); ids == nil || !f.claims.stale(holder, ids) {
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

// of says whether there is a wrap of a holder.
func (c *claims) of(holder string) bool {
	return slices.ContainsFunc(c.wraps, func(w claim) bool { return w.holder == holder })
}

// shows are the ids of the keys that a keyring shows under the statement key that it shows itself; nil for none. A signature is checked for it, so it is found once, and not for each file.
func (l *look) shows(holder string) []string {
	ids, known := l.shown[holder]
	if !known {
		k := l.keyrings[holder]
		n := rewrap.News{Holder: holder, Pin: k.StatementKey}
		if k.StatementKey != "" && n.Hear(k.Published) == nil {
			ids = rewrap.KeyIDs(n.Set.SealHolder())
		}
		l.shown[holder] = ids
	}
	return ids
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
	edited := text.Bytes()
	if err := readable(edited); err != nil {
		return nil, err
	}
	for _, c := range changes {
		for _, w := range c.Wraps {
			l.digest.Write([]byte(f.Path + "\x00" + w.Holder + "\x00" + w.Envelope + "\x00" + w.Wrap.Age))
		}
	}
	due.Set, due.Old = n.set, append(due.Old, old...)
	due.Objects, due.Wraps = due.Objects+len(changes), due.Wraps+count
	return edited, nil
}

// readable says whether a file could still be read once it is changed. New wraps may be longer than the old ones, and what the agent does not read itself is not applied, nor is anything
// deleted as long as it is there.
func readable(data []byte) error {
	switch {
	case len(data) > MaxFile:
		return fmt.Errorf("with its new wraps it would be larger than the %d KiB that are read: split it", MaxFile>>10)
	case scan.Nodes(data) > scan.MaxNodes:
		return fmt.Errorf("with its new wraps it would hold more than the %d values that are read: split it", scan.MaxNodes)
	}
	return nil
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
