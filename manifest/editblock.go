package manifest

import (
	"bytes"
	"strings"
)

// setBlock writes a new value for an entry of a block mapping.
func (e *editor) setBlock(holder *node, i int, v *value) []splice {
	ent := &holder.entries[i]
	inline, body := e.style.after(v, holder.column, e.style.step, e.style.seqStep)
	headerEnd := lineEnd(e.text, ent.start)
	if ent.explicit || ent.colon > headerEnd {
		lines := e.style.entry(ent.name, v, holder.column)
		lines[0] = strings.TrimLeft(lines[0], " ")
		return []splice{{ent.start, lineEnd(e.text, ent.end()), e.join(lines)}}
	}
	oneLine := ent.end() <= headerEnd
	if oneLine && len(body) == 0 && !ent.val.empty() {
		return []splice{{ent.val.start, ent.val.end, inline}}
	}
	text := e.comment(ent)
	if inline != "" {
		text = " " + inline + text
	}
	if len(body) > 0 {
		text += e.eol + e.join(body)
	}
	return []splice{{ent.colon + 1, lineEnd(e.text, ent.end()), text}}
}

// comment returns the comment on the line of an entry's key, with the white
// space before it, or "".
func (e *editor) comment(ent *entry) string {
	val := ent.val
	end := lineEnd(e.text, ent.colon)
	from := ent.colon + 1
	switch {
	case val.empty() || val.start > end:
	case val.end <= end:
		from = val.end
	case val.isBlockScalar(e.text) && val.content < end:
		from = val.content + len(bytes.TrimRight(e.text[val.content:min(val.content+3, end)], " \t#"))
	case !val.flow && val.shape != shapeScalar:
		from = val.props
	default: // a flow collection or quoted scalar of several lines
		from, end = val.end, lineEnd(e.text, val.end)
	}
	at := skipBlanks(e.text, from)
	if at >= end || e.text[at] != '#' {
		return ""
	}
	if at == from {
		return " " + string(e.text[at:end])
	}
	return string(e.text[from:end])
}

// setItem writes a new value for an item of a block list.
func (e *editor) setItem(holder *node, i int, v *value) []splice {
	lines := e.style.item(v, holder.column)
	dash, item := holder.marks[i], holder.items[i]
	if !item.empty() && item.end <= lineEnd(e.text, dash) && len(lines) == 1 && v.kind != kindObject {
		return []splice{{item.start, item.end, strings.TrimPrefix(strings.TrimLeft(lines[0], " "), "- ")}}
	}
	lines[0] = strings.TrimLeft(lines[0], " ")
	return []splice{{dash, lineEnd(e.text, max(item.end, dash+1)), e.join(lines)}}
}

// insertBlock adds an entry to a block mapping.
func (e *editor) insertBlock(holder *node, isRoot bool, key string, v *value) []splice {
	lines := e.style.entry(key, v, holder.column)
	pos := insertPosition(holder.names(), key)
	if pos > 0 {
		at := lineEnd(e.text, holder.entries[pos-1].end())
		added := splice{at, at, e.eol + e.join(lines)}
		if at == len(e.text) {
			return append(e.stripLast(holder.entries[pos-1].val), added)
		}
		return []splice{added}
	}
	first := holder.entries[0].start
	start := lineStart(e.text, first)
	if !onlyBlank(e.text[start:first]) {
		// The line begins with a dash or the like: stay behind it.
		lines[0] = strings.TrimLeft(lines[0], " ")
		return []splice{{first, first, e.join(lines) + e.eol + spaces(holder.column)}}
	}
	if !isRoot {
		start = e.aboveComments(start, holder.column)
	}
	return []splice{{start, start, e.join(lines) + e.eol}}
}

// stripLast keeps the value of a block scalar that ends the text without a
// newline, for when lines follow: its header gets a "-".
func (e *editor) stripLast(n *node) []splice {
	for children := n.children(); len(children) > 0; children = n.children() {
		n = children[len(children)-1]
	}
	if !n.isBlockScalar(e.text) {
		return nil
	}
	for i := n.content + 1; i < len(e.text) && i < n.content+3; i++ {
		switch e.text[i] {
		case '-':
			return nil
		case '+':
			return []splice{{i, i + 1, "-"}}
		}
	}
	return []splice{{n.content + 1, n.content + 1, "-"}}
}

// aboveComments moves up from the start of a line over the comment lines right
// above it that have its indentation: they are about that line.
func (e *editor) aboveComments(start, column int) int {
	for start > 0 {
		prev := lineStart(e.text, start-1)
		at := skipBlanks(e.text, prev)
		if at-prev != column || e.text[at] != '#' {
			return start
		}
		start = prev
	}
	return start
}

// removeBlock deletes an entry of a block mapping, which lies at p.
func (e *editor) removeBlock(p place, i int) []splice {
	holder := p.node
	if len(holder.entries) == 1 {
		return e.emptyBlock(p)
	}
	ent := &holder.entries[i]
	if onlyBlank(e.text[lineStart(e.text, ent.start):ent.start]) {
		return []splice{e.wholeLines(ent)}
	}
	// The line begins with a dash or the like, which stays.
	end := lineEnd(e.text, ent.end())
	next := end + breakLen(e.text, end)
	if i+1 < len(holder.entries) && onlyBlank(e.text[next:holder.entries[i+1].start]) {
		return []splice{{ent.start, holder.entries[i+1].start, ""}}
	}
	keep := lineStart(e.text, ent.start)
	keep += len(bytes.TrimRight(e.text[keep:ent.start], " \t"))
	return []splice{{keep, end, ""}}
}

// wholeLines deletes the lines of an entry.
func (e *editor) wholeLines(ent *entry) splice {
	start := lineStart(e.text, ent.start)
	end := lineEnd(e.text, ent.end())
	next := end + breakLen(e.text, end)
	for e.sweep && next < len(e.text) {
		blank := lineEnd(e.text, next)
		if !onlyBlank(e.text[next:blank]) || blank == len(e.text) {
			break
		}
		next = blank + breakLen(e.text, blank)
	}
	if next == end && start > 0 && !e.sweep {
		// The last line of a text without a final newline: the line before it
		// that is not blank becomes the last, also without.
		for start > 0 && onlyBlank(e.text[lineStart(e.text, start):start]) {
			start = lineStart(e.text, start) - e.breakBefore(lineStart(e.text, start))
		}
		return splice{start, end, ""}
	}
	return splice{start, next, ""}
}

// breakBefore returns the length of the line break that ends at offset i.
func (e *editor) breakBefore(i int) int {
	for n := 3; n > 0; n-- {
		if i >= n && breakLen(e.text, i-n) == n {
			return n
		}
	}
	return 0
}

// emptyBlock deletes the only entry of a block mapping and leaves {}.
func (e *editor) emptyBlock(p place) []splice {
	n, ent := p.node, &p.node.entries[0]
	start := lineStart(e.text, n.content)
	if p.holder == nil || !onlyBlank(e.text[start:n.content]) {
		return []splice{{n.content, lineEnd(e.text, ent.end()), "{}"}}
	}
	at := n.props
	switch {
	case n.props > n.start:
	case p.holder.shape == shapeSequence:
		at = p.holder.marks[p.index] + 1
	default:
		at = p.holder.entries[p.index].colon + 1
	}
	return []splice{{at, at, " {}"}, e.wholeLines(ent)}
}
