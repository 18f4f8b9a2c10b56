package manifest

import (
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// kind is the JSON type of a value.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

// value is a JSON value whose members keep their order. Values are immutable
// once built and may be shared.
type value struct {
	kind    kind
	text    string // a string's content, a number's literal, "true" or "false"
	float   bool   // a number of YAML that is no integer there
	items   []*value
	members []member
}

type member struct {
	key string
	val *value
}

// get returns the member called key, or nil.
func (v *value) get(key string) *value {
	if i := v.index(key); i >= 0 {
		return v.members[i].val
	}
	return nil
}

// index returns the position of the member called key, or -1.
func (v *value) index(key string) int {
	if v == nil {
		return -1
	}
	for i := range v.members {
		if v.members[i].key == key {
			return i
		}
	}
	return -1
}

// str returns the content of a string value, "" for everything else.
func (v *value) str() string {
	if v == nil || v.kind != kindString {
		return ""
	}
	return v.text
}

// size adds up the keys and scalars.
func (v *value) size() int {
	n := len(v.text)
	for _, item := range v.items {
		n += item.size()
	}
	for _, m := range v.members {
		n += len(m.key) + m.val.size()
	}
	return n
}

// equal compares two values as JSON values: member order does not count, and
// numbers are compared as numbers.
func (v *value) equal(w *value) bool {
	if v == w {
		return true
	}
	if v.kind != w.kind || len(v.items) != len(w.items) || len(v.members) != len(w.members) {
		return false
	}
	switch v.kind {
	case kindNumber:
		return sameNumber(v.text, w.text)
	case kindArray:
		for i := range v.items {
			if !v.items[i].equal(w.items[i]) {
				return false
			}
		}
		return true
	case kindObject:
		return sameMembers(v.members, w.members)
	}
	return v.text == w.text
}

func sameMembers(a, b []member) bool {
	byKey := make(map[string]*value, len(b))
	for _, m := range b {
		byKey[m.key] = m.val
	}
	for _, m := range a {
		w, ok := byKey[m.key]
		if !ok || !m.val.equal(w) {
			return false
		}
	}
	return true
}

// sameNumber compares integers of up to 64 bits exactly and all other numbers
// as 64-bit floats, which is what readers of Kubernetes objects keep of them.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	ia, errA := strconv.ParseInt(a, 10, 64)
	ib, errB := strconv.ParseInt(b, 10, 64)
	if errA == nil && errB == nil {
		return ia == ib
	}
	ua, errA := strconv.ParseUint(a, 10, 64)
	ub, errB := strconv.ParseUint(b, 10, 64)
	if errA == nil && errB == nil {
		return ua == ub
	}
	fa, errA := strconv.ParseFloat(a, 64)
	fb, errB := strconv.ParseFloat(b, 64)
	return errA == nil && errB == nil && fa == fb
}

// appendJSON appends v as compact JSON.
func appendJSON(dst []byte, v *value) []byte {
	switch v.kind {
	case kindNull:
		return append(dst, "null"...)
	case kindString:
		return appendQuoted(dst, v.text)
	case kindArray:
		dst = append(dst, '[')
		for i, item := range v.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, item)
		}
		return append(dst, ']')
	case kindObject:
		dst = append(dst, '{')
		for i, m := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendQuoted(dst, m.key)
			dst = append(dst, ':')
			dst = appendJSON(dst, m.val)
		}
		return append(dst, '}')
	}
	return append(dst, v.text...)
}

// quoteJSON returns s as a JSON string. What is not printable is escaped, so
// that the result is also a YAML double-quoted scalar.
func quoteJSON(s string) string { return string(appendQuoted(nil, s)) }

// appendQuoted appends s as quoteJSON gives it.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(slices.Grow(dst, len(s)+2), '"')
	plain := 0 // where the text begins that is not appended yet
	for i, r := range s {
		if r >= ' ' && r < 0x7F && r != '"' && r != '\\' {
			continue
		}
		dst = append(dst, s[plain:i]...)
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r <= 0xFFFF && !unicode.IsPrint(r):
			dst = append(dst, `\u`+hex4(r)...)
		default:
			dst = utf8.AppendRune(dst, r)
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		plain = i + size
	}
	return append(append(dst, s[plain:]...), '"')
}

func hex4(r rune) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15]})
}

// follow returns the value that the steps lead to, or nil.
func (v *value) follow(steps []step) *value {
	for _, s := range steps {
		switch {
		case v == nil:
			return nil
		case !s.isIndex:
			v = v.get(s.key)
		case v.kind == kindArray && s.index < len(v.items):
			v = v.items[s.index]
		default:
			return nil
		}
	}
	return v
}
