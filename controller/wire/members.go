package wire

import (
	"bytes"
	"slices"
)

// members calls each with the name and the value of every member of a JSON object, in order and as they are written. It gives false if that is no object with
// plain names and nothing behind it, or if each does. Values are not checked beyond their ends: who decodes them does that.
func members(object []byte, each func(name, value []byte) bool) bool {
	i := space(object, 0)
	if i == len(object) || object[i] != '{' {
		return false
	}
	if i = space(object, i+1); i < len(object) && object[i] == '}' {
		return space(object, i+1) == len(object)
	}
	for {
		name := i
		if i = endOfString(object, i); i < 0 || bytes.IndexByte(object[name:i], '\\') >= 0 {
			return false
		}
		colon := space(object, i)
		if colon == len(object) || object[colon] != ':' {
			return false
		}
		value := space(object, colon+1)
		end := endOfValue(object, value)
		if end < 0 || !each(object[name+1:i-1], object[value:end]) {
			return false
		}
		if i = space(object, end); i == len(object) {
			return false
		}
		switch object[i] {
		case '}':
			return space(object, i+1) == len(object)
		case ',':
			i = space(object, i+1)
		default:
			return false
		}
	}
}

// cut is a member to be left out, or where it has parts, one of which these are left out.
type cut struct {
	name  string
	parts []cut
}

// without appends an object to a text, but for some of its members; ok is false where it cannot be told apart.
func without(to, object []byte, cuts ...cut) (text []byte, ok bool) {
	to = append(to, '{')
	first := len(to)
	ok = members(object, func(name, value []byte) bool {
		i := slices.IndexFunc(cuts, func(c cut) bool { return c.name == string(name) })
		if i >= 0 && cuts[i].parts == nil {
			return true
		}
		if len(to) > first {
			to = append(to, ',')
		}
		to = append(append(append(to, '"'), name...), '"', ':')
		if i < 0 {
			to = append(to, value...)
			return true
		}
		var ok bool
		to, ok = without(to, value, cuts[i].parts...)
		return ok
	})
	return append(to, '}'), ok
}

// space gives the index of the first byte from i on that is no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// endOfString gives the index behind the string that begins at i; -1 where there is none, or no end of it.
func endOfString(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for from := i + 1; ; {
		n := bytes.IndexByte(b[from:], '"')
		if n < 0 {
			return -1
		}
		quote := from + n
		from = quote
		for b[from-1] == '\\' {
			from--
		}
		if (quote-from)%2 == 0 {
			return quote + 1
		}
		from = quote + 1
	}
}

// endOfValue gives the index behind the value that begins at i; -1 where it has no end.
func endOfValue(b []byte, i int) int {
	begin, depth := i, 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = endOfString(b, i); i < 0 {
				return -1
			}
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']', ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return behind(begin, i)
			}
			if b[i] == '}' || b[i] == ']' {
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		i++
	}
	return -1
}

// behind is the end of a number or a word, which has at least one letter.
func behind(begin, end int) int {
	if begin == end {
		return -1
	}
	return end
}
