package merge

import (
	"bytes"
	"reflect"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// parseBase reads the base. Where two histories cross, git merges their bases first, and a conflict there stands in the base with its markers. What the two
// choices of such a base have in common is the base then; where they differ, it is unlike anything that a side can have, so that the sides have to agree.
func (m *merger) parseBase(data []byte) (*version, error) {
	v, err := parseVersion(m.name, data)
	if err == nil {
		return v, nil
	}
	ours, theirs, ok := choices(data)
	if !ok {
		return nil, err
	}
	a, errA := parseVersion(m.name, ours)
	b, errB := parseVersion(m.name, theirs)
	if errA != nil || errB != nil {
		return nil, err
	}
	m.eol = a.eol
	for k, p := range a.pieces {
		a.pieces[k] = m.either(p, b.pieces[k])
	}
	for k, p := range b.pieces {
		if a.pieces[k] == nil {
			a.pieces[k], a.counts[k.identity] = m.either(p, nil), max(a.counts[k.identity], b.counts[k.identity])
		}
	}
	return a, nil
}

// either is a document of a base of which there are two versions; q may be nil.
func (m *merger) either(p, q *piece) *piece {
	if q != nil && bytes.Equal(p.body, q.body) {
		return p
	}
	out := &piece{key: p.key, lead: p.lead, unsure: true}
	if q == nil {
		out.body = m.chosen(Conflict{}, endLine(bytes.Clone(p.body), m.eol), nil)
		return out
	}
	out.body = m.chosen(Conflict{}, endLine(bytes.Clone(p.body), m.eol), endLine(bytes.Clone(q.body), m.eol))
	if p.sealed != nil && q.sealed != nil {
		common := &seal.Spec{Envelopes: map[string]seal.Envelope{}}
		for id, e := range p.sealed.spec().Envelopes {
			if reflect.DeepEqual(e, q.sealed.spec().Envelopes[id]) {
				common.Envelopes[id] = e
			}
		}
		t, _ := unlike(nil, p.sealed.tree, q.sealed.tree).(tree)
		out.sealed = &sealed{tree: t, base: common}
	}
	return out
}

// unknown stands in a tree for what is like nothing else.
type unknown struct{}

func unlike(path []string, a, b any) any {
	ta, isA := a.(tree)
	tb, isB := b.(tree)
	switch {
	case sameTree(a, b):
		return a
	case !isA || !isB || atomic(path):
		return unknown{}
	}
	out := tree{}
	for _, name := range members(ta, tb) {
		out[name] = unlike(append(path[:len(path):len(path)], name), ta[name], tb[name])
	}
	return out
}

// choices are the two ways to resolve all conflicts of a text for one side. ok is false where it has none, or conflicts in conflicts.
func choices(text []byte) (ours, theirs []byte, ok bool) {
	ours, n, ok := resolve(text, func(int) bool { return false })
	theirs, _, _ = resolve(text, func(int) bool { return true })
	return ours, theirs, ok && n > 0
}

// resolve takes theirs for the nth conflict of a text where theirs says so, else ours, and counts them. ok is false where there are conflicts in conflicts.
func resolve(text []byte, theirs func(nth int) bool) (out []byte, n int, ok bool) {
	size, in := 0, 0 // in: 0 outside, 1 in ours, 2 in the base that some styles show, 3 in theirs
	for line := range bytes.Lines(text) {
		length := markerLength(line)
		switch {
		case length == 0 || size > 0 && length != size && in > 0:
			if length > 0 {
				return nil, 0, false
			}
			if in == 0 || in == 1 && !theirs(n-1) || in == 3 && theirs(n-1) {
				out = append(out, line...)
			}
		case line[0] == '<' && in == 0:
			size, in, n = length, 1, n+1
		case line[0] == '|' && in == 1:
			in = 2
		case line[0] == '=' && (in == 1 || in == 2):
			in = 3
		case line[0] == '>' && in == 3:
			in = 0
		default:
			return nil, 0, false
		}
	}
	return out, n, in == 0
}

// markerLength is the length of the conflict marker that line is; 0 for other lines.
func markerLength(line []byte) int {
	if len(line) == 0 || !bytes.ContainsRune([]byte("<|=>"), rune(line[0])) {
		return 0
	}
	n := len(line) - len(bytes.TrimLeft(line, string(line[:1])))
	if n < DefaultMarkerSize || n < len(line) && !bytes.ContainsRune([]byte(" \r\n"), rune(line[n])) {
		return 0
	}
	return n
}
