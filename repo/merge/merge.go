package merge

import (
	"bytes"
	"cmp"
	"errors"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// Errors for files that are not for this package: they are to be merged as text.
var (
	ErrNotSealed = errors.New("holds no GitSecret")
	ErrNoMatch   = errors.New("the documents of the three versions cannot be told apart")
)

// DefaultMarkerSize is the length of git's conflict markers.
const DefaultMarkerSize = 7

// TextMerge merges three versions of a text line by line, with conflict markers where clean is false.
type TextMerge func(base, ours, theirs []byte) (merged []byte, clean bool, err error)

// Options say how to merge. The zero value shows every change of both sides to a document that is no GitSecret as a conflict.
type Options struct {
	MarkerSize   int    // of conflict markers; 0 for DefaultMarkerSize
	Ours, Theirs string // labels after the markers; empty for ours and theirs
	Text         TextMerge
	// Note adds to the label of a side in a conflict, on the same line; empty for nothing. May be nil.
	Note func(Side) string
}

// Side is what one side has in a conflict.
type Side struct {
	Removed  bool
	Envelope string // the id of the envelope that tells the side's change apart; empty where there is none
	SealedAt string // of Envelope
}

// Conflict is a change of both sides that only a person can decide.
type Conflict struct {
	Document     string // such as "GitSecret prod/db"; "" where it has neither kind nor name
	Field        string // such as "items.password", below spec where no more is said; empty for the whole document
	Reason       string
	Ours, Theirs Side
}

// Result is a merged file.
type Result struct {
	Data      []byte
	Conflicts []Conflict // shown in Data between markers
	Warnings  []string
}

// Merge merges ours and theirs, which both come from base; an empty base is none. name is the file's name for errors. Errors mean that the files are to be
// merged as text: ErrNotSealed, ErrNoMatch, or what manifest says.
func Merge(name string, base, ours, theirs []byte, o Options) (*Result, error) {
	kind := []byte(seal.Kind)
	if !bytes.Contains(ours, kind) && !bytes.Contains(theirs, kind) {
		return nil, ErrNotSealed
	}
	m := &merger{Options: o.orDefaults(), name: name}
	before, err := m.parseBase(base)
	if err != nil {
		return nil, err
	}
	mine, err := parseVersion(name, ours)
	if err != nil {
		return nil, err
	}
	yours, err := parseVersion(name, theirs)
	if err != nil {
		return nil, err
	}
	return m.merge(before, mine, yours)
}

func (o Options) orDefaults() Options {
	if o.MarkerSize <= 0 {
		o.MarkerSize = DefaultMarkerSize
	}
	o.Ours, o.Theirs = cmp.Or(o.Ours, "ours"), cmp.Or(o.Theirs, "theirs")
	return o
}

// merger is one call of Merge.
type merger struct {
	Options
	name   string
	syntax manifest.Syntax
	eol    string
	result Result
}

func (m *merger) merge(base, ours, theirs *version) (*Result, error) {
	if ours.hasSealed+theirs.hasSealed == 0 {
		return nil, ErrNotSealed
	}
	if !matchable(base, ours, theirs) {
		return nil, ErrNoMatch
	}
	m.syntax, m.eol = ours.syntax, ours.eol
	var all []outcome
	for _, k := range order(ours, theirs) {
		out, err := m.document(base.pieces[k], ours.pieces[k], theirs.pieces[k])
		if err != nil {
			return nil, err
		}
		if out.text != nil {
			all = append(all, out)
		}
	}
	m.result.Data = m.join(ours, all, asWritten)
	if err := m.verify(ours, all); err != nil {
		return nil, err
	}
	return &m.result, nil
}

func (m *merger) warn(p *piece, text string) {
	m.result.Warnings = append(m.result.Warnings, p.label()+": "+text)
}

// Choose shows two versions of a file as one conflict, from the first to the last line that differs, for where nothing else is sound.
func Choose(ours, theirs []byte, o Options, reason string) *Result {
	m := &merger{Options: o.orDefaults(), eol: eolOf(ours)}
	c := Conflict{Reason: reason}
	a, b := endLine(bytes.Clone(ours), m.eol), endLine(bytes.Clone(theirs), m.eol)
	return &Result{Data: m.chosen(c, a, b), Conflicts: []Conflict{c}}
}

// chosen is a text with the lines in which ours and theirs differ as one conflict.
func (m *merger) chosen(c Conflict, ours, theirs []byte) []byte {
	r := difference(ours, theirs)
	text := bytes.Join(lines(ours)[:r.start], nil)
	text = append(text, m.marked(c, bytes.Join(r.ours, nil), bytes.Join(r.theirs, nil))...)
	return append(text, bytes.Join(lines(ours)[r.end:], nil)...)
}
