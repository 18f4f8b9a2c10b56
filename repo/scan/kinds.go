package scan

import "bytes"

const (
	ulidLen   = 26
	keyIDLen  = 32
	maxHolder = 63 // length of the name of a holder
)

// word looks at data[start:end].
func (s *scanner) word(start, end int) {
	w := s.data[start:end]
	switch len(w) {
	case len("age"), len("data"), len("secret"), len("secrets"), len("gitsecret"), len("secretlist"), len("wrappedBefore"), len("secretGenerator"):
		s.name(start, end)
	case ulidLen:
		if isULID(w) {
			s.envelopes[string(w)] = true
		}
	case keyIDLen:
		if isKeyID(w) {
			s.keys[string(w)] = true
		}
	}
	// The word of "\tSecret" begins with the t of its escape.
	if start > 0 && s.data[start-1] == '\\' {
		s.escaped(w)
	}
}

// name looks at a word that is as long as one of those that matter.
func (s *scanner) name(start, end int) {
	w := s.data[start:end]
	switch {
	case is(w, "secret"), is(w, "secrets"):
		if s.isKey(start, end) {
			s.asKey = true
		} else {
			s.found.Secret = true
		}
	case is(w, "gitsecret"), is(w, "gitsecrets"):
		s.found.Sealed = true
		s.found.Secret = s.found.Secret || string(w) != "GitSecret"
	case is(w, "secretlist"), is(w, "secretgenerator"):
		s.found.Secret = true
	case is(w, "data"):
		s.found.Data = true
	case is(w, "stringdata"):
		s.found.Data, s.found.Secret = true, true
	case !s.comment && (string(w) == "keys" || string(w) == "wrappedBefore" || string(w) == "age"):
		s.field(start)
	}
}

func is(word []byte, name string) bool {
	return len(word) == len(name) && bytes.EqualFold(word, []byte(name))
}

// escaped looks at a word whose first letters belong to an escape.
func (s *scanner) escaped(w []byte) {
	for _, name := range [...]string{"secret", "secrets", "secretlist", "gitsecret", "gitsecrets"} {
		if len(w) > len(name) && is(w[len(w)-len(name):], name) {
			s.found.Unsure = true
		}
	}
}

// isKey says whether the word is the first key of its line, such as that of a volume. A key is nobody's kind.
func (s *scanner) isKey(start, end int) bool {
	quoted := start > 0 && (s.data[start-1] == '"' || s.data[start-1] == '\'')
	if quoted {
		if end == len(s.data) || s.data[end] != s.data[start-1] {
			return false
		}
		start, end = start-1, end+1
	}
	for end < len(s.data) && (s.data[end] == ' ' || s.data[end] == '\t') {
		end++
	}
	if end == len(s.data) || s.data[end] != ':' || end+1 < len(s.data) && !isBlank(s.data[end+1]) {
		return false
	}
	for start > 0 {
		switch start--; s.data[start] {
		case '\n', '\r':
			return true
		case ' ', '\t':
		case '-':
			if !isBlank(s.data[start+1]) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// field looks at a field of a wrap. Where it is the first one, the word before is the holder.
func (s *scanner) field(start int) {
	holder := s.data[s.last[0]:s.last[1]]
	colons := 0
	for _, c := range withoutComments(s.data[s.last[1]:start]) {
		switch {
		case c == ':':
			colons++
		case c != '{' && c != '"' && c != '\'' && !isBlank(c):
			return
		}
	}
	if colons == 1 && isHolder(holder) {
		s.holders[string(holder)] = true
	}
}

// withoutComments cuts the comments out of a text between two words.
func withoutComments(gap []byte) []byte {
	if bytes.IndexByte(gap, '#') < 0 {
		return gap
	}
	var out []byte
	for line := range bytes.Lines(gap) {
		before, _, _ := bytes.Cut(line, []byte("#"))
		out = append(append(out, before...), '\n')
	}
	return out
}

func isHolder(w []byte) bool {
	if len(w) == 0 || len(w) > maxHolder {
		return false
	}
	for _, c := range w {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

func isULID(w []byte) bool {
	if w[0] > '7' {
		return false
	}
	for _, c := range w {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' && c != 'i' && c != 'l' && c != 'o' && c != 'u') {
			return false
		}
	}
	return true
}

func isKeyID(w []byte) bool {
	for _, c := range w {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}
