package seal

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"
)

const maxDepth = 32

// readTree decodes one JSON value, without members that are null, and refuses what encoding/json would let pass: duplicate members, invalid UTF-8, lone surrogates, great depth.
// Numbers are json.Number.
func readTree(doc []byte) (any, error) {
	if !utf8.Valid(doc) {
		return nil, errors.New("is not valid UTF-8")
	}
	r := &treeReader{text: string(doc)}
	if loneSurrogate(r.text) {
		return nil, errors.New(`has a \u escape that is half of a surrogate pair`)
	}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if r.space(); r.at < len(r.text) {
		return nil, errors.New("has something after the JSON value")
	}
	return v, nil
}

// treeReader reads JSON (RFC 8259) in one pass: a document is read this way wherever it goes, and encoding/json would look at each byte three times.
type treeReader struct {
	text string
	at   int
}

func (r *treeReader) bad() error { return fmt.Errorf("is not JSON (near byte %d)", r.at) }

// space moves past white space.
func (r *treeReader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
}

// next is the byte that comes after white space; 0 at the end.
func (r *treeReader) next() byte {
	if r.space(); r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

// take moves past c if it comes next.
func (r *treeReader) take(c byte) bool {
	if r.next() != c || r.at == len(r.text) {
		return false
	}
	r.at++
	return true
}

func (r *treeReader) value(depth int) (any, error) {
	c := r.next()
	if (c == '{' || c == '[') && depth >= maxDepth {
		return nil, fmt.Errorf("nests deeper than %d", maxDepth)
	}
	switch c {
	case '{':
		return r.object(depth)
	case '[':
		return r.list(depth)
	case '"':
		return r.string()
	}
	return r.word()
}

func (r *treeReader) object(depth int) (any, error) {
	m := map[string]any{}
	if r.at++; r.take('}') {
		return m, nil
	}
	for {
		if r.next() != '"' {
			return nil, r.bad()
		}
		name, err := r.string()
		if err != nil {
			return nil, err
		}
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("has the member %s twice", shown(name))
		}
		if !r.take(':') {
			return nil, r.bad()
		}
		if m[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
		switch {
		case r.take(','):
		case r.take('}'):
			maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
			return m, nil
		default:
			return nil, r.bad()
		}
	}
}

func (r *treeReader) list(depth int) (any, error) {
	list := []any{}
	if r.at++; r.take(']') {
		return list, nil
	}
	for {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		switch {
		case r.take(','):
		case r.take(']'):
			return list, nil
		default:
			return nil, r.bad()
		}
	}
}

// string reads a string. It is a copy, so that none of them keeps the document in memory.
func (r *treeReader) string() (string, error) {
	start, escaped := r.at, false
	for i := start + 1; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			r.at = i
			return "", r.bad()
		case c == '"':
			r.at = i + 1
			if !escaped {
				return strings.Clone(r.text[start+1 : i]), nil
			}
			var s string
			if json.Unmarshal([]byte(r.text[start:r.at]), &s) != nil {
				return "", r.bad()
			}
			return s, nil
		}
	}
	r.at = len(r.text)
	return "", r.bad()
}

// word reads a number, or one of the three names that JSON has.
func (r *treeReader) word() (any, error) {
	start := r.at
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n,:{}[]\"", r.text[r.at]) < 0 {
		r.at++
	}
	switch word := r.text[start:r.at]; {
	case word == "null":
		return nil, nil
	case word == "true", word == "false":
		return word == "true", nil
	case json.Valid([]byte(word)):
		return json.Number(strings.Clone(word)), nil
	}
	return nil, r.bad()
}

// loneSurrogate looks for \ud800 to \udfff that is not half of a pair; encoding/json would replace it silently.
func loneSurrogate(s string) bool {
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return false
		}
		s = s[i:]
		if s[1] != 'u' || len(s) < 6 || (s[2] != 'd' && s[2] != 'D') || s[3] < '8' {
			s = s[2:]
			continue
		}
		low := strings.ToLower(s[:min(len(s), 12)])
		if low[3] > 'b' || len(low) < 12 || low[6] != '\\' || low[7] != 'u' || low[8] != 'd' || low[9] < 'c' {
			return true
		}
		s = s[12:]
	}
}
