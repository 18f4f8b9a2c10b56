package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/gowebpki/jcs"

	"github.com/waxwing-io/waxwing/audit"
)

// errVersion says that a record is well-formed but of another version.
var errVersion = errors.New("a record of another version")

// checkForm reads a record and checks that its bytes are the one form of RFC 8785 that it has.
func checkForm(b []byte) (audit.Record, error) {
	if !canonical(b) {
		again, err := jcs.Transform(b)
		if err != nil {
			return audit.Record{}, errors.New("not JSON of RFC 8785")
		}
		if !bytes.Equal(again, b) {
			return audit.Record{}, errors.New("not in the form of RFC 8785")
		}
	}
	var r audit.Record
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("not a record: %w", err)
	}
	if r.Version != audit.Version {
		return r, errVersion
	}
	return r, nil
}

// canonical says that b certainly is in the form of RFC 8785. False means that it may be all the same: numbers that are not short integers, and names of members with other
// characters than ASCII letters, are left to package jcs, which is slower.
func canonical(b []byte) bool {
	s := scanner{b: b}
	return s.value(0) && s.at == len(b)
}

// maxDepth is deeper than any record.
const maxDepth = 16

type scanner struct {
	b  []byte
	at int
}

func (s *scanner) peek() byte {
	if s.at < len(s.b) {
		return s.b[s.at]
	}
	return 0
}

func (s *scanner) skip(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) value(depth int) bool {
	switch c := s.peek(); {
	case depth > maxDepth:
		return false
	case c == '{':
		return s.object(depth)
	case c == '[':
		return s.array(depth)
	case c == '"':
		return s.text()
	case c >= '0' && c <= '9', c == '-':
		return s.integer()
	default:
		return s.word("true") || s.word("false") || s.word("null")
	}
}

func (s *scanner) word(w string) bool {
	if !bytes.HasPrefix(s.b[s.at:], []byte(w)) {
		return false
	}
	s.at += len(w)
	return true
}

func (s *scanner) object(depth int) bool {
	s.at++
	if s.skip('}') {
		return true
	}
	for before := []byte(nil); ; {
		name, ok := s.name()
		if !ok || before != nil && bytes.Compare(before, name) >= 0 || !s.skip(':') || !s.value(depth+1) {
			return false
		}
		if before = name; !s.skip(',') {
			return s.skip('}')
		}
	}
}

// name reads a member's name of ASCII letters and digits, whose order is that of its bytes.
func (s *scanner) name() ([]byte, bool) {
	if !s.skip('"') {
		return nil, false
	}
	start := s.at
	for c := s.peek(); c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	name := s.b[start:s.at:s.at]
	return name, s.skip('"')
}

func (s *scanner) array(depth int) bool {
	s.at++
	if s.skip(']') {
		return true
	}
	for s.value(depth + 1) {
		if !s.skip(',') {
			return s.skip(']')
		}
	}
	return false
}

// text reads a string in UTF-8 with the short escapes that RFC 8785 asks for; \u escapes are left to package jcs.
func (s *scanner) text() bool {
	for s.at++; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; {
		case c == '"':
			s.at++
			return true
		case c == '\\':
			s.at++
			if bytes.IndexByte([]byte(`"\bfnrt`), s.peek()) < 0 {
				return false
			}
		case c < 0x20:
			return false
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(s.b[s.at:])
			if r == utf8.RuneError && n == 1 {
				return false
			}
			s.at += n - 1
		}
	}
	return false
}

// integer reads a number that IEEE 754 doubles hold exactly.
func (s *scanner) integer() bool {
	minus := s.skip('-')
	start := s.at
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	n := s.at - start
	if n == 0 || n > 15 || s.b[start] == '0' && (n > 1 || minus) {
		return false
	}
	c := s.peek()
	return c != '.' && c != 'e' && c != 'E'
}
