package manifest

import "slices"

// Edit is one entry to set, as Doc.Set does.
type Edit struct {
	Doc  *Doc
	Path []string
	JSON []byte
}

// SetAll sets many entries of one document, or of items of one List document.
// It parses and checks the document once for all of them, where Set would do it
// for each, so that a long list takes as long as it is long. All entries are
// set, or none; an entry that does not exist yet, or that overlaps with another
// one, is refused.
func SetAll(edits []Edit) error {
	if len(edits) == 0 {
		return nil
	}
	first := edits[0].Doc
	owner := first.ownerDoc()
	e, old, p := owner.editor()
	if p == nil && e.root == nil {
		p = &problem{msg: "the document is empty", cause: ErrNotFound}
	}
	if p != nil {
		return first.error(p)
	}
	want, targets, err := e.targets(owner, edits, old)
	if err != nil {
		return err
	}
	e.detectYAML()
	text, p := e.tryAll(targets, want)
	if p != nil {
		return first.error(p)
	}
	owner.edited(text, e.got)
	owner.head = headOf(want)
	for _, edit := range edits {
		d := edit.Doc
		if d.head = headOf(want.follow(d.path)); d != owner {
			d.item, d.since = e.got.val.follow(d.path), owner.edits
		}
	}
	return nil
}

// ownerDoc returns the document that d is, or lies in.
func (d *Doc) ownerDoc() *Doc {
	if d.owner != nil {
		return d.owner
	}
	return d
}

// targets finds the places of the edits, and the value that they make of old.
func (e *editor) targets(owner *Doc, edits []Edit, old *value) (want *value, targets []*target, err error) {
	want = old
	shared := aliasTargets(e.root)
	for _, edit := range edits {
		v, p := parseJSONValue(edit.JSON)
		if p == nil && (edit.Doc.ownerDoc() != owner || len(edit.Path) == 0) {
			p = &problem{msg: "the edits are not entries of one document"}
		}
		if p != nil {
			return nil, nil, edit.Doc.error(&problem{msg: p.msg})
		}
		c := change{path: slices.Concat(edit.Doc.path, keySteps(edit.Path)), val: v}
		if want, err = c.apply(want); err != nil {
			return nil, nil, edit.Doc.error(refusal(c, err))
		}
		t, p := locate(e.text, e.root, shared, c)
		if p == nil && (t.add || len(t.chain) <= len(c.path)) {
			p = refusal(c, ErrNotFound)
		}
		if p != nil {
			return nil, nil, edit.Doc.error(p)
		}
		targets = append(targets, t)
	}
	return want, targets, nil
}

// tryAll is try for several targets.
func (e *editor) tryAll(targets []*target, want *value) ([]byte, *problem) {
	for _, literal := range [...]bool{true, false} {
		e.style.literal = literal
		if splices, proved, ok := e.writeAll(targets); ok {
			if text := applySplices(e.text, splices); e.fits(text, want, proved) {
				return text, nil
			}
		}
	}
	return nil, &problem{msg: "cannot write these changes into the document without changing something else"}
}

// writeAll writes all targets, and says whether each is proved; ok is false where
// one cannot be written, or two would write to one place.
func (e *editor) writeAll(targets []*target) (all []splice, proved, ok bool) {
	proved = true
	for _, t := range targets {
		splices, err := e.write(t)
		if err != nil {
			return nil, false, false
		}
		proved = proved && e.proves(t, splices)
		all = append(all, splices...)
	}
	slices.SortStableFunc(all, func(a, b splice) int { return a.start - b.start })
	for i := 1; i < len(all); i++ {
		if all[i].start < all[i-1].end {
			return nil, false, false
		}
	}
	return all, proved, true
}

// SameText reports whether d and other are the same document, or lie in the same
// one: SetAll can edit them together.
func (d *Doc) SameText(other *Doc) bool { return d.ownerDoc() == other.ownerDoc() }
