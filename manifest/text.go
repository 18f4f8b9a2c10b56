package manifest

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// breakLen returns the length of the line break at text[i], or 0. It takes for
// breaks what the YAML parser takes for breaks (YAML 1.1: also NEL, LS and PS),
// so that both count the same lines.
func breakLen(text []byte, i int) int {
	if i >= len(text) {
		return 0
	}
	switch text[i] {
	case '\n':
		return 1
	case '\r':
		if i+1 < len(text) && text[i+1] == '\n' {
			return 2
		}
		return 1
	case 0xC2:
		if i+1 < len(text) && text[i+1] == 0x85 {
			return 2
		}
	case 0xE2:
		if i+2 < len(text) && text[i+1] == 0x80 && (text[i+2] == 0xA8 || text[i+2] == 0xA9) {
			return 3
		}
	}
	return 0
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// blankz reports whether text[i] is a blank, a line break or past the end.
func blankz(text []byte, i int) bool {
	return i >= len(text) || isBlank(text[i]) || breakLen(text, i) > 0
}

// lineEnd returns the offset of the line break (or end of text) at or after i.
func lineEnd(text []byte, i int) int {
	const window = 128 // longer than nearly every line; a bound, so that a text of breaks of another kind is not looked through for each of them
	for ; i < len(text); i += window {
		end := min(i+window, len(text))
		newline := bytes.IndexByte(text[i:end], '\n')
		if newline >= 0 {
			end = i + newline
		}
		if at := rareBreak(text, i, end); at < end {
			return at
		}
		if newline >= 0 {
			return end
		}
	}
	return len(text)
}

// rareBreak returns the offset of the first line break other than \n that begins in text[i:end], or end.
func rareBreak(text []byte, i, end int) int {
	for _, first := range []byte{'\r', 0xC2, 0xE2} {
		for from := i; from < end; from++ {
			n := bytes.IndexByte(text[from:end], first)
			if n < 0 {
				break
			}
			if from += n; breakLen(text, from) != 0 {
				end = from
			}
		}
	}
	return end
}

// lineStart returns the offset of the first byte of the line that holds i.
func lineStart(text []byte, i int) int {
	for i > 0 && !endsBreak(text, i) {
		i--
	}
	return i
}

// endsBreak reports whether a line break ends exactly at offset i.
func endsBreak(text []byte, i int) bool {
	switch {
	case text[i-1] == '\n':
		return true
	case text[i-1] == '\r':
		return i >= len(text) || text[i] != '\n'
	case i >= 2 && breakLen(text, i-2) == 2 && text[i-2] == 0xC2:
		return true
	}
	return i >= 3 && breakLen(text, i-3) == 3
}

// skipBlanks returns the offset of the first byte at or after i that is no
// space or tab.
func skipBlanks(text []byte, i int) int {
	for i < len(text) && isBlank(text[i]) {
		i++
	}
	return i
}

// skipSpace skips blanks, line breaks and comments. Between tokens the YAML
// parser takes every '#' for a comment, and so does this.
func skipSpace(text []byte, i int) int {
	for i < len(text) {
		switch n := breakLen(text, i); {
		case n > 0:
			i += n
		case isBlank(text[i]):
			i++
		case text[i] == '#':
			i = lineEnd(text, i)
		default:
			return i
		}
	}
	return i
}

// onlyBlank reports whether b is made of spaces and tabs.
func onlyBlank(b []byte) bool { return skipBlanks(b, 0) == len(b) }

// hasBreak reports whether b contains a line break.
func hasBreak(b []byte) bool { return lineEnd(b, 0) < len(b) }

// isMark reports whether a document mark ("---" or "...") stands at offset i,
// which has to be the start of a line.
func isMark(text []byte, i int, mark string) bool {
	return bytes.HasPrefix(text[i:], []byte(mark)) && blankz(text, i+3)
}

// countLines returns the number of line breaks in b as editors count them.
func countLines(b []byte) int {
	n := bytes.Count(b, []byte{'\n'})
	for i := bytes.IndexByte(b, '\r'); i >= 0 && i < len(b); i++ {
		if b[i] == '\r' && (i+1 >= len(b) || b[i+1] != '\n') {
			n++
		}
	}
	return n
}

// eolAt returns the line break to use in lines inserted at offset i: the one
// that ends that line, else the first of the text, else fallback.
func eolAt(text []byte, i int, fallback string) string {
	for _, at := range []int{lineEnd(text, i), lineEnd(text, 0)} {
		switch s := string(text[at : at+breakLen(text, at)]); s {
		case "\n", "\r\n", "\r":
			return s
		}
	}
	return fallback
}

// firstEOL returns the first line break of text, or "\n".
func firstEOL(text []byte) string {
	i := bytes.IndexAny(text, "\r\n")
	if i < 0 {
		return "\n"
	}
	return string(text[i : i+breakLen(text, i)])
}

func spaces(n int) string { return strings.Repeat(" ", n) }

// columns maps the parser's positions (lines and columns in runes, both from 1)
// to byte offsets. It remembers the last answer, so that positions asked for in
// ascending order cost one pass over the text.
type columns struct {
	text   []byte
	starts []int // offset of each line
	line   int
	col    int
	off    int
}

// newColumns reads nothing yet: most texts are never asked about.
func newColumns(text []byte) *columns { return &columns{text: text} }

// lines returns the offset of each line.
func (c *columns) lines() []int {
	if c.starts != nil {
		return c.starts
	}
	c.starts = []int{0}
	for i := lineEnd(c.text, 0); i < len(c.text); i = lineEnd(c.text, i) {
		i += breakLen(c.text, i)
		c.starts = append(c.starts, i)
	}
	return c.starts
}

// offset returns the byte offset of a position; positions past the end of the
// text or of the known lines give the end of the text.
func (c *columns) offset(line, col int) int {
	if line < 1 || line > len(c.lines()) {
		return len(c.text)
	}
	if c.line != line || col < c.col {
		c.line, c.col, c.off = line, 1, c.starts[line-1]
	}
	for c.col < col && c.off < len(c.text) {
		_, size := utf8.DecodeRune(c.text[c.off:])
		c.off += size
		c.col++
	}
	return c.off
}

// runes counts the runes in b.
func runes(b []byte) int { return utf8.RuneCount(b) }
