package manifest

import "bytes"

// flowStyle returns how to write below a flow collection: a collection on one
// line stays on one line.
func (e *editor) flowStyle(holder *node) jsonStyle {
	s := e.json
	if children := holder.children(); len(children) > 0 {
		s.multi = s.multi && hasBreak(e.text[holder.content:children[0].start])
	}
	return s
}

// flowValue renders a value for a place inside of a flow collection.
func (e *editor) flowValue(holder *node, at int, v *value) string {
	if !e.isJSON {
		return flowText(v)
	}
	return e.flowStyle(holder).render(v, string(indentAt(e.text, at)))
}

// flowText renders a value in YAML flow style, for inside of a flow collection.
func flowText(v *value) string {
	text := yamlStyle{}.flow(&value{kind: kindArray, items: []*value{v}})
	return text[1 : len(text)-1]
}

// flowPair renders an entry of a flow mapping, with white space like that of
// its neighbours.
func (e *editor) flowPair(holder *node, at int, key string, v *value) string {
	if e.isJSON {
		return quoteJSON(key) + e.json.colon + e.flowValue(holder, at, v)
	}
	return stringText(key, true) + ": " + flowText(v)
}

// setFlow writes a new value at a place inside of a flow collection.
func (e *editor) setFlow(p place, v *value) ([]splice, error) {
	n := p.node
	if p.holder.shape == shapeSequence {
		if n.empty() {
			return nil, errLayout
		}
		return []splice{{n.start, n.end, e.flowValue(p.holder, n.start, v)}}, nil
	}
	ent := &p.holder.entries[p.index]
	text := e.flowValue(p.holder, ent.start, v)
	switch {
	case ent.explicit || ent.colon < 0:
		return []splice{{ent.start, ent.end(), e.flowPair(p.holder, ent.start, ent.name, v)}}, nil
	case n.empty():
		return []splice{{ent.colon + 1, ent.colon + 1, " " + text}}, nil
	}
	return []splice{{n.start, n.end, text}}, nil
}

// insertFlow adds an entry to a flow mapping.
func (e *editor) insertFlow(holder *node, key string, v *value) ([]splice, error) {
	entries := holder.entries
	if !holder.bracketed {
		return nil, errLayout
	}
	if len(entries) == 0 {
		return e.fillFlow(holder, key, v), nil
	}
	pos := insertPosition(holder.names(), key)
	neighbour := &entries[max(pos-1, 0)]
	pair := e.flowPair(holder, neighbour.start, key, v)
	start := lineStart(e.text, neighbour.start)
	if !hasBreak(e.text[holder.content:entries[0].start]) || !onlyBlank(e.text[start:neighbour.start]) {
		comma := ", "
		if e.isJSON {
			comma = e.json.comma
		}
		if pos < len(entries) {
			return []splice{{entries[pos].start, entries[pos].start, pair + comma}}, nil
		}
		at := entries[pos-1].end()
		return []splice{{at, at, gapBefore(&entries[pos-1]) + comma + pair}}, nil
	}
	indent := string(e.text[start:neighbour.start])
	if pos == 0 {
		return []splice{{neighbour.start, neighbour.start, pair + "," + e.eol + indent}}, nil
	}
	return e.insertLine(neighbour, indent, pair), nil
}

// gapBefore returns the space that a comma after an entry needs: after a colon
// without a value the comma would belong to the key.
func gapBefore(ent *entry) string {
	if ent.val.empty() && ent.colon >= 0 {
		return " "
	}
	return ""
}

// insertLine adds a pair on a line of its own after an entry.
func (e *editor) insertLine(ent *entry, indent, pair string) []splice {
	line, gap, end := e.eol+indent+pair, gapBefore(ent), ent.end()
	comma := skipSpace(e.text, end)
	if comma < len(e.text) && e.text[comma] == ',' {
		at := e.afterComment(comma + 1)
		return []splice{{at, at, line + ","}}
	}
	if at := e.afterComment(end); at > end {
		return []splice{{end, end, gap + ","}, {at, at, line}}
	}
	return []splice{{end, end, gap + "," + line}}
}

// afterComment returns the end of the line when only a comment follows on it,
// otherwise i.
func (e *editor) afterComment(i int) int {
	if at := skipBlanks(e.text, i); at < len(e.text) && e.text[at] == '#' {
		return lineEnd(e.text, at)
	}
	return i
}

// fillFlow adds the first entry of a flow mapping.
func (e *editor) fillFlow(holder *node, key string, v *value) []splice {
	open, end := holder.content+1, holder.end-1
	pair := e.flowPair(holder, holder.content, key, v)
	switch {
	case bytes.IndexByte(e.text[open:end], '#') >= 0:
		return []splice{{end, end, pair}}
	case e.isJSON && e.json.multi:
		outer := string(indentAt(e.text, holder.content))
		inner := outer + e.json.unit
		pair = quoteJSON(key) + e.json.colon + e.json.render(v, inner)
		pair = e.eol + inner + pair + e.eol + outer
	}
	return []splice{{open, end, pair}}
}

// removeFlow deletes an entry of a flow mapping.
func (e *editor) removeFlow(holder *node, i int) ([]splice, error) {
	if !holder.bracketed {
		return nil, errLayout
	}
	ent := &holder.entries[i]
	open, end := holder.content+1, holder.end-1
	after := ent.end()
	trailing := false // a comma follows the entry
	if comma := skipSpace(e.text, after); e.text[comma] == ',' {
		after, trailing = comma+1, true
	}
	if len(holder.entries) == 1 {
		if bytes.IndexByte(e.text[open:ent.start], '#') >= 0 || bytes.IndexByte(e.text[after:end], '#') >= 0 {
			return []splice{{ent.start, after, ""}}, nil
		}
		return []splice{{open, end, ""}}, nil
	}
	last := i == len(holder.entries)-1
	var out []splice
	if last && !trailing {
		// The comma before the last entry goes with it.
		prev := holder.entries[i-1].end()
		comma := skipSpace(e.text, prev)
		if e.text[comma] != ',' {
			return nil, errLayout
		}
		if comma+1 <= ent.start && onlyBlank(e.text[comma+1:ent.start]) {
			return []splice{{prev, after, ""}}, nil
		}
		out = append(out, splice{comma, comma + 1, ""})
	}
	start := lineStart(e.text, ent.start)
	stop := e.afterComment(skipBlanks(e.text, after))
	if onlyBlank(e.text[start:ent.start]) && stop == lineEnd(e.text, after) {
		return append(out, splice{start, stop + breakLen(e.text, stop), ""}), nil
	}
	if trailing && !last {
		after = skipBlanks(e.text, after)
	}
	return append(out, splice{ent.start, after, ""}), nil
}
