package manifest

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string in double quotes and returns its content.
func (s *scanner) str() (string, *problem) {
	s.pos++
	start := s.pos
	for s.pos < len(s.text) && s.text[s.pos] != '"' && s.text[s.pos] != '\\' && s.text[s.pos] >= ' ' {
		s.pos++
	}
	if s.at() == '"' {
		s.pos++
		return string(s.text[start : s.pos-1]), nil
	}
	var b strings.Builder
	b.Write(s.text[start:s.pos])
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		switch {
		case c == '"':
			s.pos++
			return b.String(), nil
		case c < ' ':
			return "", s.bad("a control character in a string")
		case c == '\\':
			r, p := s.escape()
			if p != nil {
				return "", p
			}
			b.WriteRune(r)
		default:
			b.WriteByte(c)
			s.pos++
		}
	}
	return "", s.bad("a string without its end")
}

func (s *scanner) escape() (rune, *problem) {
	s.pos++
	c := s.at()
	s.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		return s.unicodeEscape()
	}
	return 0, s.bad("an unknown escape in a string")
}

// unicodeEscape reads the rest of a \u escape, and the second half of a pair.
func (s *scanner) unicodeEscape() (rune, *problem) {
	r, ok := s.hex4()
	if !ok {
		return 0, s.bad("an escape without four hex digits")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if s.at() == '\\' && s.pos+1 < len(s.text) && s.text[s.pos+1] == 'u' {
		s.pos += 2
		if low, ok := s.hex4(); ok {
			if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
				return full, nil
			}
		}
	}
	return 0, s.bad("half of a surrogate pair in a string")
}

func (s *scanner) hex4() (rune, bool) {
	if s.pos+4 > len(s.text) {
		return 0, false
	}
	var r rune
	for _, c := range s.text[s.pos : s.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	s.pos += 4
	return r, true
}
