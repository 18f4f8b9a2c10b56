package manifest

import "bytes"

// splitYAML cuts a YAML stream into the texts of its documents. The texts lie
// in data and add up to it. A text begins with whatever stands before its "---"
// (directives, comments) or at the "---" itself, and ends with its "..." if it
// has one. There is always at least one document; it may be empty. It returns
// false when there are more than limit.
//
// A mark at the start of a line is a mark wherever it stands (in YAML a scalar
// cannot contain one), so lines are all that has to be looked at.
func splitYAML(data []byte, limit int) ([][]byte, bool) {
	var docs [][]byte
	start := 0
	prefix := true // no mark and no content since start
	directive := false
	for i := 0; i < len(data); {
		next := lineEnd(data, i)
		next += breakLen(data, next)
		switch {
		case isMark(data, i, "---"):
			if !prefix {
				docs = append(docs, data[start:i:i])
				start = i
			}
			prefix, directive = false, false
		case isMark(data, i, "..."):
			if !prefix {
				docs = append(docs, data[start:next:next])
				start, prefix = next, true
			}
		case prefix && data[i] == '%':
			directive = true
		case prefix && !blankLine(data[i:next]):
			prefix = false
		}
		if len(docs) > limit {
			return nil, false
		}
		i = next
	}
	rest := data[start:]
	if n := len(docs); n > 0 && prefix && !directive {
		// Comments after the last "..." belong to the document they follow.
		docs[n-1] = data[start-len(docs[n-1]):]
		return docs, true
	}
	docs = append(docs, rest)
	return docs, len(docs) <= limit
}

// blankLine reports whether a line holds nothing but white space and a comment.
func blankLine(line []byte) bool { return skipSpace(line, 0) == len(line) }

// markEnd returns where the content of a document may begin: after its "---",
// or at its first line of content when it has none.
func markEnd(text []byte) int {
	for i := 0; i < len(text); {
		next := lineEnd(text, i)
		next += breakLen(text, next)
		switch {
		case isMark(text, i, "---"):
			return i + 3
		case isMark(text, i, "..."), text[i] == '%', blankLine(text[i:next]):
		default:
			return i
		}
		i = next
	}
	return len(text)
}

// Separator is what YAML needs before body, the text of documents, to follow on another document: nothing where it begins with a mark of its own. It ends in eol, the
// line break of the file.
func Separator(body []byte, eol string) string {
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#':
		case bytes.Equal(line, []byte("---")) || bytes.HasPrefix(line, []byte("--- ")):
			return ""
		case line[0] == '%':
			return "..." + eol
		default:
			return "---" + eol
		}
	}
	return "---" + eol
}
