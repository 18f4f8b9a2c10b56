package merge

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// document merges one document; each of the three may be nil.
func (m *merger) document(base, ours, theirs *piece) (outcome, error) {
	switch {
	case ours == nil && theirs == nil:
		return outcome{}, nil
	case ours == nil:
		return m.oneSided(base, theirs, false), nil
	case theirs == nil:
		return m.oneSided(base, ours, true), nil
	case bytes.Equal(ours.body, theirs.body) || base != nil && bytes.Equal(theirs.body, base.body):
		return whole(ours, ours.body), nil
	case base != nil && bytes.Equal(ours.body, base.body):
		return whole(theirs, theirs.body), nil
	case ours.sealed != nil && theirs.sealed != nil && (base == nil || base.sealed != nil):
		return m.sealedDocument(base, ours, theirs), nil
	}
	return m.otherDocument(base, ours, theirs)
}

// oneSided is a document that only one side has: added there, or removed on the other side.
func (m *merger) oneSided(base, p *piece, isOurs bool) outcome {
	if base == nil {
		return whole(p, p.body)
	}
	if bytes.Equal(endLine(bytes.Clone(p.body), m.eol), endLine(bytes.Clone(base.body), m.eol)) || onlyRewrapped(base, p) {
		return outcome{} // unchanged where it still is: removed
	}
	c := Conflict{Document: p.label(), Reason: "is removed on one side and changed on the other", Ours: newestSide(base, p), Theirs: Side{Removed: true}}
	there := endLine(append([]byte(separatorOf(m, p)), p.body...), m.eol)
	o := outcome{piece: p, marked: true}
	if isOurs {
		o.ours, o.text = p.body, m.marked(c, there, nil)
	} else {
		c.Ours, c.Theirs = c.Theirs, c.Ours
		o.theirs, o.text = p.body, m.marked(c, nil, there)
	}
	m.result.Conflicts = append(m.result.Conflicts, c)
	return o
}

// separatorOf is the mark of a document that goes into a conflict as a whole.
func separatorOf(m *merger, p *piece) string {
	if len(p.lead) > 0 || m.eol == "" || m.isJSON() {
		return string(p.lead)
	}
	return manifest.Separator(p.body, m.eol)
}

// onlyRewrapped says whether p is base with other wraps. Removing an object goes before a rewrap of it: no value is lost by that.
func onlyRewrapped(base, p *piece) bool {
	return base.sealed != nil && p.sealed != nil && sameTree(base.sealed.withoutWraps(), p.sealed.withoutWraps())
}

// newestSide tells a side that changed a whole document by the newest envelope that it brought.
func newestSide(base, p *piece) Side {
	var s Side
	if p.sealed == nil {
		return s
	}
	for id, e := range p.sealed.spec().Envelopes {
		if base != nil && base.sealed != nil {
			if _, old := base.sealed.spec().Envelopes[id]; old {
				continue
			}
		}
		if id > s.Envelope {
			s = Side{Envelope: id, SealedAt: e.SealedAt}
		}
	}
	return s
}

// otherDocument merges what is no GitSecret, or none that this package reads, as text. What comes of it must not be less sound than both sides.
func (m *merger) otherDocument(base, ours, theirs *piece) (outcome, error) {
	if m.Text == nil {
		return m.wholeConflict(base, ours, theirs, "is changed on both sides"), nil
	}
	var was []byte
	if base != nil {
		was = base.body
	}
	text, clean, err := m.Text(was, ours.body, theirs.body)
	if err != nil {
		return outcome{}, fmt.Errorf("merging %s as text: %w", ours.label(), err)
	}
	if clean && (Sound(m.name, text) == nil || Sound(m.name, ours.body) != nil || Sound(m.name, theirs.body) != nil) {
		return outcome{piece: ours, text: text, ours: text, theirs: text}, nil
	}
	if clean {
		return m.wholeConflict(base, ours, theirs, "holds sealed objects that do not merge line by line"), nil
	}
	m.result.Conflicts = append(m.result.Conflicts, Conflict{Document: ours.label(), Reason: "is changed on both sides"})
	return outcome{piece: ours, text: text, opaque: true}, nil
}

// wholeConflict shows everything from the first to the last line that differs as one conflict.
func (m *merger) wholeConflict(base, ours, theirs *piece, reason string) outcome {
	c := Conflict{Document: ours.label(), Reason: reason, Ours: newestSide(base, ours), Theirs: newestSide(base, theirs)}
	m.result.Conflicts = append(m.result.Conflicts, c)
	a, b := endLine(bytes.Clone(ours.body), m.eol), endLine(bytes.Clone(theirs.body), m.eol)
	return outcome{piece: ours, text: m.chosen(c, a, b), ours: ours.body, theirs: theirs.body}
}

// sealedDocument merges a GitSecret.
func (m *merger) sealedDocument(base, ours, theirs *piece) outcome {
	var was *sealed
	if base != nil {
		was = base.sealed
	}
	plan, err := decide(was, ours.sealed, theirs.sealed)
	if err == nil {
		var out outcome
		if out, err = m.render(base, ours, theirs, plan); err == nil {
			for _, w := range plan.warnings {
				m.warn(ours, w)
			}
			return out
		}
	}
	return m.wholeConflict(base, ours, theirs, reasonOf(err))
}

// reasonOf is why a whole document is a conflict.
func reasonOf(err error) string {
	var refused *seal.Error
	if errors.As(err, &refused) {
		return "cannot be merged item by item: with both sides in it, " + refused.Error()
	}
	return "cannot be merged item by item: " + err.Error()
}
