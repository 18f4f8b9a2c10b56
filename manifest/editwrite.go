package manifest

import (
	"bytes"
	"strings"
)

// write returns the splices for a target. They are a proposal: run checks what
// comes of them.
func (e *editor) write(t *target) ([]splice, error) {
	if len(t.chain) == 0 {
		return e.fill(t.val), nil
	}
	p := t.last()
	switch {
	case t.add && p.node.flow && len(p.node.entries) == 0 && !e.isJSON && (p.holder == nil || !p.holder.flow):
		// "{}" in block style: there is no style in it worth keeping.
		return e.writeValue(p, &value{kind: kindObject, members: []member{{key: t.key, val: t.val}}})
	case t.add && p.node.flow:
		return e.insertFlow(p.node, t.key, t.val)
	case t.add:
		return e.insertBlock(p.node, p.holder == nil, t.key, t.val), nil
	case t.val != nil:
		return e.writeValue(p, t.val)
	case p.holder.flow:
		return e.removeFlow(p.holder, p.index)
	}
	return e.removeBlock(t.chain[len(t.chain)-2], p.index), nil
}

func (e *editor) writeValue(p place, v *value) ([]splice, error) {
	switch {
	case p.holder == nil:
		return e.writeRoot(v), nil
	case p.holder.flow:
		return e.setFlow(p, v)
	case p.holder.shape == shapeMapping:
		return e.setBlock(p.holder, p.index, v), nil
	}
	return e.setItem(p.holder, p.index, v), nil
}

// join joins lines with the document's line break.
func (e *editor) join(lines []string) string { return strings.Join(lines, e.eol) }

// writeRoot replaces the content of a document.
func (e *editor) writeRoot(v *value) []splice {
	root := e.root
	if e.isJSON {
		indent := string(indentAt(e.text, root.start))
		return []splice{{root.start, root.end, e.json.render(v, indent)}}
	}
	lines := e.style.root(v)
	start := lineStart(e.text, root.start)
	before := e.text[start:root.start]
	text := e.join(lines)
	switch {
	case onlyBlank(before):
	case len(lines) == 1 && (v.kind != kindObject && v.kind != kindArray || lines[0] == e.style.flow(v)):
		start = root.start // a scalar may stay on the line of the "---"
	default:
		start += len(bytes.TrimRight(before, " \t"))
		text = e.eol + text
	}
	return []splice{{start, lineEnd(e.text, root.end), text}}
}

// fill writes the content of an empty document: after its marks and comments,
// before a "..." and trailing blank lines.
func (e *editor) fill(v *value) []splice {
	text := e.join(e.style.root(v))
	at, lineBefore := 0, false
	for i := 0; i < len(e.text); {
		end := lineEnd(e.text, i)
		if isMark(e.text, i, "...") && markEnd(e.text) <= i {
			break
		}
		if !onlyBlank(e.text[i:end]) {
			at, lineBefore = end, true
		}
		i = end + breakLen(e.text, end)
	}
	switch {
	case lineBefore:
		text = e.eol + text
	case len(bytes.TrimSpace(e.text)) > 0 || len(e.text) == 0:
		text += e.eol
	}
	return []splice{{at, at, text}}
}

// indentAt returns the white space at the start of the line that holds i.
func indentAt(text []byte, i int) []byte {
	start := lineStart(text, i)
	return text[start:min(skipBlanks(text, start), i)]
}

// detectYAML finds the indentation of the document's mappings and lists.
func (e *editor) detectYAML() {
	step, seqStep := 0, -1
	var walk func(n *node)
	walk = func(n *node) {
		for _, child := range n.children() {
			if step > 0 && seqStep >= 0 {
				return
			}
			if !child.flow && n.shape == shapeMapping && !n.flow && !child.empty() {
				diff := child.column - n.column
				switch {
				case child.shape == shapeMapping && step == 0 && diff > 0 && diff < 10:
					step = diff
				case child.shape == shapeSequence && seqStep < 0 && diff >= 0 && diff < 10:
					seqStep = diff
				}
			}
			walk(child)
		}
	}
	walk(e.root)
	if step > 0 {
		e.style.step = step
	}
	if seqStep >= 0 {
		e.style.seqStep = seqStep
	}
}

// detectJSON finds the style of JSON text.
func detectJSON(text []byte, root *node, eol string) jsonStyle {
	s := jsonStyle{eol: eol}
	var walk func(n *node)
	walk = func(n *node) {
		children := n.children()
		if len(n.entries) > 0 && s.colon == "" {
			first := n.entries[0]
			s.colon = string(text[first.key.end:first.val.start])
		}
		if len(children) > 0 && n.bracketed {
			gap := text[n.content+1 : children[0].start]
			if hasBreak(gap) && !s.multi {
				outer, inner := indentAt(text, n.content), indentAt(text, children[0].start)
				s.multi, s.unit = true, "  "
				if unit, ok := bytes.CutPrefix(inner, outer); ok && len(unit) > 0 {
					s.unit = string(unit)
				}
			}
			if !hasBreak(gap) && s.comma == "" {
				s.comma = commaIn(text, n)
			}
		}
		for _, child := range children {
			walk(child)
		}
	}
	walk(root)
	if s.colon == "" || hasBreak([]byte(s.colon)) {
		s.colon = ": "
	}
	if s.comma == "" {
		s.comma = "," + strings.TrimLeft(s.colon, " \t:")
		if strings.HasSuffix(s.colon, " ") {
			s.comma = ", "
		}
	}
	return s
}

// commaIn returns the separator between the first two children of a collection
// on one line, or "".
func commaIn(text []byte, n *node) string {
	var gap []byte
	switch {
	case len(n.entries) > 1:
		gap = text[n.entries[0].end():n.entries[1].start]
	case len(n.items) > 1:
		gap = text[n.items[0].end:n.items[1].start]
	}
	if hasBreak(gap) || len(bytes.Trim(gap, " \t")) != 1 {
		return ""
	}
	return string(gap)
}
