package manifest

import "bytes"

// proves reports whether a splice that write made for t is sure to give a document that reads as the old one with t's value in its place. It parses no more than the lines of
// the entry; false means that the whole document has to be parsed to know.
//
// It holds for an entry of a block mapping that begins a line of its own. Of what is before such a line the parser knows, when it gets there, only how deep it is nested and
// which anchors and tag handles there are. So the lines of the entry, read alone at the same indentation, give what they give in their place, if they use neither anchors nor
// tags, and the line of content that follows is no deeper than the entry: it ended the old value and ends the new one. Blank lines and comments between the two are read
// with the entry, because they may become part of it.
func (e *editor) proves(t *target, splices []splice) bool {
	if e.syntax != YAML || e.isJSON || t.add || t.val == nil || len(t.chain) < 3 || len(splices) != 1 {
		return false // what stands at the root says how the rest is checked
	}
	p, s := t.last(), splices[0]
	if p.holder.flow || p.holder.shape != shapeMapping || len(t.chain)+t.val.depth() > maxDepth || !t.val.isText() {
		return false
	}
	ent := &p.holder.entries[p.index]
	start, last := lineStart(e.text, ent.start), lineEnd(e.text, ent.end())
	if ent.explicit || ent.colon < 0 || s.start <= ent.colon || s.end > last || !isIndent(e.text[start:ent.start], p.holder.column) {
		return false
	}
	next, ok := e.nextContent(last, p.holder.column)
	if !ok {
		return false
	}
	lines := bytes.Join([][]byte{e.text[start:s.start], []byte(s.text), e.text[s.end:next]}, nil)
	if !readsAlone(lines, p.holder.column) {
		return false
	}
	root, problem := parseYAML(lines)
	if problem != nil || root == nil {
		return false
	}
	got, problem := yamlValue(lines, root)
	return problem == nil && len(got.members) == 1 && got.members[0].key == ent.name && got.members[0].val.equal(t.val)
}

// nextContent returns the start of the first line after the one that ends at
// last which is neither blank nor a comment, or the end of the text. It reports
// false where that line is deeper than column, or none ends at last.
func (e *editor) nextContent(last, column int) (int, bool) {
	if breakLen(e.text, last) == 0 {
		return 0, false
	}
	for i := last + breakLen(e.text, last); ; {
		end := lineEnd(e.text, i)
		body := i + len(e.text[i:end]) - len(bytes.TrimLeft(e.text[i:end], " "))
		at := skipBlanks(e.text, body)
		switch {
		case at < end && e.text[at] != '#':
			return i, at == body && body-i <= column
		case breakLen(e.text, end) == 0:
			return len(e.text), i == end // a last line without a break is left to the parser
		}
		i = end + breakLen(e.text, end)
	}
}

// readsAlone reports whether the lines of an entry at column mean the same
// wherever they stand: there is nothing in them that refers to other places, and
// all of them lie inside of the entry.
func readsAlone(lines []byte, column int) bool {
	for i, c := range lines {
		switch {
		case c == '!' || c == '&' || c == '*' || c >= 0x7F:
			return false
		case c == '{' && i > 0 && lines[i-1] == '{':
			return false // a template, which some documents may hold and others not
		}
	}
	for i := lineEnd(lines, 0) + 1; i < len(lines); {
		end := lineEnd(lines, i)
		if line := lines[i:end]; !blankLine(line) && !bytes.HasPrefix(line, []byte(spaces(column)+" ")) && !bytes.HasPrefix(line, []byte(spaces(column)+"- ")) {
			return false
		}
		i = end + max(breakLen(lines, end), 1)
	}
	return true
}

// isIndent reports whether b is so many spaces.
func isIndent(b []byte, n int) bool { return len(b) == n && len(bytes.Trim(b, " ")) == 0 }

// isText reports whether v is made of strings alone: what is written of them is read in one way.
func (v *value) isText() bool {
	switch v.kind {
	case kindString:
		return true
	case kindArray, kindObject:
		for _, item := range v.items {
			if !item.isText() {
				return false
			}
		}
		for _, m := range v.members {
			if !m.val.isText() {
				return false
			}
		}
		return true
	}
	return false
}

// depth is how many collections lie in each other.
func (v *value) depth() int {
	deepest := 0
	for _, item := range v.items {
		deepest = max(deepest, item.depth())
	}
	for _, m := range v.members {
		deepest = max(deepest, m.val.depth())
	}
	if v.kind == kindArray || v.kind == kindObject {
		deepest++
	}
	return deepest
}
