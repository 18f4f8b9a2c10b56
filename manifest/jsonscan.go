package manifest

import (
	"strings"
	"unicode/utf8"
)

// scanner reads JSON strictly and keeps the place of everything it reads. It
// exists because encoding/json gives no places, accepts duplicate keys, replaces
// lone surrogates and quotes the input in its errors.
type scanner struct {
	text  []byte
	pos   int
	nodes int
}

// scanJSON reads one JSON value that starts at off, after white space. The
// value ends at the node's end.
func scanJSON(text []byte, off int) (*node, *problem) {
	s := &scanner{text: text, pos: off}
	s.space()
	return s.value(0)
}

// parseJSONValue reads data as exactly one JSON value.
func parseJSONValue(data []byte) (*value, *problem) {
	if !utf8.Valid(data) {
		return nil, &problem{msg: "the new value is not valid UTF-8"}
	}
	n, p := scanJSON(data, 0)
	if p != nil {
		return nil, &problem{msg: "the new value: " + p.msg}
	}
	s := &scanner{text: data, pos: n.end}
	if s.space(); s.pos < len(data) {
		return nil, &problem{msg: "the new value is more than one JSON value"}
	}
	return n.jsonValue(), nil
}

func (s *scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// at returns the byte at the position, 0 at the end of the text.
func (s *scanner) at() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) bad(msg string) *problem {
	return &problem{off: min(s.pos, len(s.text)), msg: "not valid JSON: " + msg}
}

func (s *scanner) value(depth int) (*node, *problem) {
	if s.nodes++; s.nodes > maxNodes {
		return nil, problemf(s.pos, "more than %d nodes in one document", maxNodes)
	}
	n := &node{flow: true, start: s.pos, props: s.pos, content: s.pos}
	var p *problem
	switch c := s.at(); {
	case s.pos >= len(s.text):
		return nil, s.bad("unexpected end")
	case c == '{' || c == '[':
		if depth >= maxDepth {
			return nil, problemf(s.pos, "nested more than %d levels deep", maxDepth)
		}
		n.bracketed = true
		if c == '{' {
			p = s.object(n, depth+1)
		} else {
			p = s.array(n, depth+1)
		}
	case c == '"':
		var text string
		text, p = s.str()
		n.val = &value{kind: kindString, text: text}
	case c == '-' || c >= '0' && c <= '9':
		n.val, p = s.number()
	default:
		n.val, p = s.word()
	}
	if p != nil {
		return nil, p
	}
	n.end = s.pos
	return n, nil
}

func (s *scanner) object(n *node, depth int) *problem {
	n.shape = shapeMapping
	seen := map[string]bool{}
	for first := true; ; first = false {
		s.pos++ // the bracket or the comma
		s.space()
		if first && s.at() == '}' {
			s.pos++
			return nil
		}
		if s.at() != '"' {
			return s.bad("expected a key in double quotes")
		}
		e := entry{start: s.pos, named: true}
		name, p := s.str()
		if p != nil {
			return p
		}
		e.name = name
		e.key = &node{flow: true, start: e.start, props: e.start, content: e.start, end: s.pos}
		if seen[name] {
			return problemf(e.start, "key %s appears twice", shown(name))
		}
		seen[name] = true
		s.space()
		if s.at() != ':' {
			return s.bad("expected ':' after a key")
		}
		e.colon = s.pos
		s.pos++
		s.space()
		if e.val, p = s.value(depth); p != nil {
			return p
		}
		n.entries = append(n.entries, e)
		s.space()
		switch s.at() {
		case ',':
		case '}':
			s.pos++
			return nil
		default:
			return s.bad("expected ',' or '}'")
		}
	}
}

func (s *scanner) array(n *node, depth int) *problem {
	n.shape = shapeSequence
	for first := true; ; first = false {
		s.pos++ // the bracket or the comma
		s.space()
		if first && s.at() == ']' {
			s.pos++
			return nil
		}
		item, p := s.value(depth)
		if p != nil {
			return p
		}
		n.items = append(n.items, item)
		s.space()
		switch s.at() {
		case ',':
		case ']':
			s.pos++
			return nil
		default:
			return s.bad("expected ',' or ']'")
		}
	}
}

func (s *scanner) word() (*value, *problem) {
	for _, w := range [...]struct {
		text string
		kind kind
	}{{"null", kindNull}, {"true", kindBool}, {"false", kindBool}} {
		if strings.HasPrefix(string(s.text[s.pos:min(s.pos+5, len(s.text))]), w.text) {
			s.pos += len(w.text)
			if w.kind == kindNull {
				return &value{kind: kindNull}, nil
			}
			return &value{kind: w.kind, text: w.text}, nil
		}
	}
	return nil, s.bad("expected a value")
}

func (s *scanner) number() (*value, *problem) {
	start := s.pos
	if s.at() == '-' {
		s.pos++
	}
	if s.at() == '0' {
		s.pos++
	} else if !s.digits() {
		return nil, s.bad("a number without digits")
	}
	if s.at() == '.' {
		s.pos++
		if !s.digits() {
			return nil, s.bad("a number without digits after the point")
		}
	}
	if s.at() == 'e' || s.at() == 'E' {
		s.pos++
		if s.at() == '+' || s.at() == '-' {
			s.pos++
		}
		if !s.digits() {
			return nil, s.bad("a number without digits in its exponent")
		}
	}
	return &value{kind: kindNumber, text: string(s.text[start:s.pos])}, nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.at(); c >= '0' && c <= '9'; c = s.at() {
		s.pos++
	}
	return s.pos > start
}
