package scan

import (
	"bytes"
	"maps"
	"slices"
)

// Finding is what the bytes of a file tell. What is false is certain; what is true has to be looked at with a parser.
type Finding struct {
	// Secret: it can hold a Secret, something that was meant as one, a list of them, or a kustomization that generates one.
	Secret bool
	// Sealed: it can hold a GitSecret.
	Sealed bool
	// Data: it has the word data or stringData. A GitSecret in a file without it carries no plaintext.
	Data bool
	// Unsure: escapes or tags can hide words, so that anything can be in it, and what follows can be incomplete.
	Unsure bool

	// Envelopes, Keys and Holders are ids of envelopes, key ids, and names that have wraps; sorted, each once. They are empty where Sealed is false.
	Envelopes, Keys, Holders []string
}

// MayHoldPlaintext says whether the file has to be parsed to know that nothing in it is left to seal.
func (f Finding) MayHoldPlaintext() bool { return f.Secret || f.Unsure || f.Sealed && f.Data }

// MayBeSealed says whether the file has to be parsed to know that no GitSecret is in it.
func (f Finding) MayBeSealed() bool { return f.Sealed || f.Unsure }

// longS folds to s, and Waxwing's other readers do not mind the case of a field.
const longS = "ſ"

// Bytes reads the words of a file's content: YAML or JSON, in UTF-8 or UTF-16. It never fails, and takes time and memory linear in the length.
func Bytes(data []byte) Finding { return read(data).finding() }

func read(data []byte) *scanner {
	if bytes.IndexByte(data, 0) >= 0 {
		data = bytes.ReplaceAll(data, []byte{0}, nil) // UTF-16: what is left of it are its ASCII letters
	}
	if bytes.Contains(data, []byte(longS)) {
		data = bytes.ReplaceAll(data, []byte(longS), []byte("s"))
	}
	s := &scanner{data: data, envelopes: map[string]bool{}, keys: map[string]bool{}, holders: map[string]bool{}}
	s.run()
	return s
}

func (s *scanner) finding() Finding {
	f := s.found
	// A key is no value, unless an alias makes it one.
	f.Secret = f.Secret || s.asKey && s.anchor && s.alias
	if f.MayBeSealed() {
		f.Envelopes, f.Keys, f.Holders = sorted(s.envelopes), sorted(s.keys), sorted(s.holders)
	}
	return f
}

// join adds the flags of another piece of the same file.
func (s *scanner) join(more *scanner) {
	f, g := &s.found, &more.found
	f.Secret, f.Sealed, f.Data, f.Unsure = f.Secret || g.Secret, f.Sealed || g.Sealed, f.Data || g.Data, f.Unsure || g.Unsure
	s.asKey, s.anchor, s.alias = s.asKey || more.asKey, s.anchor || more.anchor, s.alias || more.alias
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// scanner takes data apart into words: the longest runs of bytes that can only be part of one scalar.
type scanner struct {
	data  []byte
	found Finding

	asKey, anchor, alias     bool
	tagEnd                   int // end of the tag looked at last
	comment                  bool
	last                     [2]int // the word before, outside of comments
	envelopes, keys, holders map[string]bool
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '/' || c == '+' || c == '='
}

func (s *scanner) run() {
	for i := 0; i < len(s.data); {
		if isWord(s.data[i]) {
			start := i
			for i < len(s.data) && isWord(s.data[i]) {
				i++
			}
			s.word(start, i)
			if !s.comment {
				s.last = [2]int{start, i}
			}
			continue
		}
		s.mark(i)
		i++
	}
}

// mark looks at a byte between words.
func (s *scanner) mark(i int) {
	switch s.data[i] {
	case '\\':
		s.found.Unsure = s.found.Unsure || s.hides(i+1)
	case '!':
		if i >= s.tagEnd {
			s.tag(i)
		}
	case '%':
		// A prefix of tags can take the word "binary" apart.
		s.found.Unsure = s.found.Unsure || bytes.HasPrefix(s.data[i:], []byte("%TAG"))
	case '&':
		s.anchor = true
	case '*':
		s.alias = true
	case '#':
		s.comment = s.comment || i == 0 || isBlank(s.data[i-1])
	case '\n', '\r':
		s.comment = false
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// hides says whether the escape whose backslash stands before i can be a part of a word: a letter, or a line break that joins two halves.
func (s *scanner) hides(i int) bool {
	rest := s.data[i:]
	if len(rest) == 0 {
		return false
	}
	digits := 0
	switch rest[0] {
	case '\n', '\r', 0xC2, 0xE2: // the latter two begin the line breaks of YAML 1.1
		return true
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		return false
	}
	n := 0
	for _, c := range rest[1:min(1+digits, len(rest))] {
		v, ok := hexDigit(c)
		if !ok {
			break
		}
		n = n<<4 | v
	}
	return n >= 'A' && n <= 'z' || n == 0x17F
}

func hexDigit(c byte) (int, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0'), true
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10, true
	}
	return 0, false
}

// tag looks for tags that make a string of base64.
func (s *scanner) tag(i int) {
	end := i
	for end < len(s.data) && !isBlank(s.data[end]) {
		end++
	}
	s.tagEnd = end
	tag := s.data[i:end]
	s.found.Unsure = s.found.Unsure || bytes.Contains(tag, []byte("binary")) || bytes.IndexByte(tag, '%') >= 0
}
