package merge

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/waxwing-io/waxwing/manifest"
)

// outcome is a merged document: as it is written, and as either choice leaves it. A text that is nil is no document.
type outcome struct {
	piece        *piece
	text         []byte
	ours, theirs []byte
	opaque       bool // the choices are not known: the conflict was made by the text merge
	marked       bool // text begins with a conflict marker, and has the document's own mark after it
}

// choice is what to take of an outcome; complete says that the document's own mark is in the text.
type choice func(outcome) (text []byte, complete bool)

func asWritten(o outcome) ([]byte, bool) { return o.text, o.marked }
func asOurs(o outcome) ([]byte, bool)    { return o.ours, false }
func asTheirs(o outcome) ([]byte, bool)  { return o.theirs, false }

func whole(p *piece, text []byte) outcome {
	return outcome{piece: p, text: text, ours: text, theirs: text}
}

// join puts the documents into one file.
func (m *merger) join(ours *version, all []outcome, choose choice) []byte {
	out := bytes.Clone(ours.bom)
	first := true
	for _, o := range all {
		body, complete := choose(o)
		if body == nil {
			continue
		}
		if !first {
			out = endLine(out, m.eol)
		}
		if !complete {
			out = append(out, m.lead(ours, o.piece, body, out, first)...)
		}
		out = append(out, body...)
		first = false
	}
	return out
}

// lead is what has to stand between the documents of out and body.
func (m *merger) lead(ours *version, p *piece, body, out []byte, first bool) []byte {
	switch {
	case m.syntax == manifest.JSON:
		return nil
	case first && len(ours.keys) > 0 && p.key == ours.keys[0]:
		return p.lead
	case first, endsDocument(out) && len(p.lead) == 0:
		return nil
	}
	switch needed := manifest.Separator(body, m.eol); {
	case needed == "" || len(p.lead) == 0:
		return []byte(needed)
	default:
		return p.lead
	}
}

// endsDocument says whether the last line of text is "...".
func endsDocument(text []byte) bool {
	text = bytes.TrimRight(text, " \t\r\n")
	return bytes.HasSuffix(text, []byte("\n...")) || string(text) == "..."
}

// endLine adds a line break to a text that does not end in one.
func endLine(text []byte, eol string) []byte {
	if len(text) == 0 || text[len(text)-1] == '\n' {
		return text
	}
	return append(text, eol...)
}

// verify reads the file again, as either choice leaves it, and holds it against the documents that it was made of. A document alone was checked when it was made.
func (m *merger) verify(ours *version, all []outcome) error {
	conflicts := false
	for _, o := range all {
		if o.opaque {
			return nil
		}
		conflicts = conflicts || !bytes.Equal(o.ours, o.theirs)
	}
	if len(all) < 2 {
		return nil
	}
	err := m.verifySide(ours, all, asOurs)
	if err == nil && conflicts {
		err = m.verifySide(ours, all, asTheirs)
	}
	return err
}

func (m *merger) verifySide(ours *version, all []outcome, side choice) error {
	file, err := manifest.Parse(m.name, m.join(ours, all, side))
	if err != nil {
		return err
	}
	docs := file.Docs()
	n := 0
	for _, o := range all {
		text, _ := side(o)
		if text == nil {
			continue
		}
		if n >= len(docs) || !m.holds(docs[n], text) {
			return fmt.Errorf("%w: %s does not stand well between its neighbours", ErrNoMatch, o.piece.label())
		}
		n++
	}
	if n > 0 && n != len(docs) {
		return ErrNoMatch
	}
	return nil
}

// parseOne reads the text of one document.
func (m *merger) parseOne(text []byte) (*manifest.Doc, error) {
	file, err := manifest.Parse(m.name, text)
	if err != nil {
		return nil, err
	}
	if len(file.Docs()) != 1 {
		return nil, ErrNoMatch
	}
	return file.Docs()[0], nil
}

// holds says whether d has the content that text has alone: it is that text, with no more than a mark or white space before it and a line break after it,
// or it means the same.
func (m *merger) holds(d *manifest.Doc, text []byte) bool {
	got := bytes.TrimRight(d.Bytes(), "\r\n")
	if before, ok := bytes.CutSuffix(got, bytes.TrimRight(text, "\r\n")); ok && len(text) > 0 {
		if before = bytes.TrimSpace(before); (len(before) == 0 || string(before) == "---") && bytes.HasSuffix(d.Bytes(), text) {
			return true
		}
	}
	alone, err := m.parseOne(text)
	if err != nil {
		return false
	}
	va, errA := alone.JSON()
	vb, errB := d.JSON()
	return errA == nil && errB == nil && reflect.DeepEqual(decodeTree(va), decodeTree(vb))
}
