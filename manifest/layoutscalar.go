package manifest

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// scalar moves past the scalar at the cursor.
func (l *layouter) scalar(y *yaml.Node, indent int) error {
	switch l.text[l.cur] {
	case '"':
		return l.quoted('"', '\\')
	case '\'':
		return l.quoted('\'', '\'')
	case '|', '>':
		if y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
			return errLayout
		}
		return l.block(indent)
	}
	return l.plain(y.Value)
}

// quoted moves past a quoted scalar. escape makes the character after it part
// of the content; in single quotes it is the quote itself.
func (l *layouter) quoted(quote, escape byte) error {
	for i := l.cur + 1; i < len(l.text); i++ {
		switch {
		case l.text[i] == escape && i+1 < len(l.text) && (escape == '\\' || l.text[i+1] == quote):
			i++
		case l.text[i] == quote:
			l.cur = i + 1
			return nil
		}
	}
	return errLayout
}

// plain moves past a plain scalar. Plain scalars have no escapes, so the text
// holds exactly the characters of the value, with white space folded.
func (l *layouter) plain(val string) error {
	want := []byte(val)
	i, end := l.cur, l.cur
	for j := 0; ; {
		j = skipWhite(want, j)
		if j == len(want) {
			break
		}
		i = skipWhite(l.text, i)
		if i >= len(l.text) || l.text[i] != want[j] {
			return errLayout
		}
		i++
		j++
		end = i
	}
	l.cur = end
	return nil
}

// skipWhite skips blanks and line breaks, and no comments.
func skipWhite(b []byte, i int) int {
	for i < len(b) {
		switch n := breakLen(b, i); {
		case n > 0:
			i += n
		case isBlank(b[i]):
			i++
		default:
			return i
		}
	}
	return i
}

// block moves past a block scalar: to the end of its last line with content, or
// of its last blank line when the header says to keep those.
func (l *layouter) block(indent int) error {
	headerEnd := lineEnd(l.text, l.cur)
	header, keep, content := l.text[l.cur+1:headerEnd], false, -1
	for i := 0; i < len(header) && i < 2; i++ {
		switch c := header[i]; {
		case c == '+':
			keep = true
		case c >= '1' && c <= '9':
			content = max(indent, 0) + int(c-'0')
		}
	}
	l.cur = headerEnd
	for i := headerEnd; i < len(l.text); {
		i += breakLen(l.text, i)
		end := lineEnd(l.text, i)
		line := l.text[i:end]
		depth := len(line) - len(bytes.TrimLeft(line, " "))
		blank := depth == len(line)
		if content < 0 && !blank {
			content = max(depth, indent+1, 1)
		}
		switch {
		case i == len(l.text) && blank:
		case blank && (content < 0 || depth <= content):
			if keep {
				l.cur = end
			}
		case depth < content:
			return nil
		default:
			l.cur = end
		}
		i = end
	}
	return nil
}
