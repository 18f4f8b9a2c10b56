package manifest

import "strings"

// yamlStyle is how new YAML text is written.
type yamlStyle struct {
	step    int  // indentation of a mapping in a mapping
	seqStep int  // indentation of a list in a mapping
	literal bool // strings with line breaks become literal block scalars
	json    bool // flow collections are written as JSON
}

// defaultStyle is the style of kubectl and of most manifests.
func defaultStyle() yamlStyle { return yamlStyle{step: 2, literal: true} }

// after renders a value that follows "key:" or "-" in a block collection at
// column col: what comes on the same line, and the lines below it, all without
// line breaks. seqStep is the indentation for a list at this place.
func (s yamlStyle) after(v *value, col, step, seqStep int) (inline string, body []string) {
	switch {
	case v.kind == kindObject && len(v.members) > 0:
		return "", s.mapping(v, col+step)
	case v.kind == kindArray && len(v.items) > 0:
		return "", s.sequence(v, col+seqStep)
	case v.kind == kindString && s.literal:
		if header := literalHeader(v.text, step); header != "" {
			return header, literalBody(v.text, col+step)
		}
	}
	return s.flow(v), nil
}

// literalBody returns the lines of a literal block scalar.
func literalBody(text string, col int) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = spaces(col) + line
		}
	}
	return lines
}

// mapping renders the entries of a mapping as lines indented by col.
func (s yamlStyle) mapping(v *value, col int) []string {
	var lines []string
	for _, m := range v.members {
		lines = append(lines, s.entry(m.key, m.val, col)...)
	}
	return lines
}

// entry renders one entry of a block mapping as lines indented by col.
func (s yamlStyle) entry(key string, v *value, col int) []string {
	inline, body := s.after(v, col, s.step, s.seqStep)
	line := spaces(col) + stringText(key, false) + ":"
	if inline != "" {
		line += " " + inline
	}
	return append([]string{line}, body...)
}

// sequence renders the items of a list as lines indented by col.
func (s yamlStyle) sequence(v *value, col int) []string {
	var lines []string
	for _, item := range v.items {
		lines = append(lines, s.item(item, col)...)
	}
	return lines
}

// item renders one item of a block list as lines indented by col.
func (s yamlStyle) item(v *value, col int) []string {
	// What an item holds is always two columns in: below the blank of "- ".
	inline, body := s.after(v, col, 2, 2)
	if inline != "" {
		return append([]string{spaces(col) + "- " + inline}, body...)
	}
	body[0] = spaces(col) + "- " + body[0][col+2:]
	return body
}

// root renders a whole document as lines.
func (s yamlStyle) root(v *value) []string {
	// As if below a key one step to the left of the first column.
	inline, body := s.after(v, -s.step, s.step, s.step)
	switch {
	case inline == "":
		return body
	case len(body) == 0:
		return []string{inline}
	}
	return append([]string{inline}, indented(body, s.step)...)
}

func indented(lines []string, by int) []string {
	for i, line := range lines {
		if line != "" {
			lines[i] = spaces(by) + line
		}
	}
	return lines
}

// flow renders a value on one line.
func (s yamlStyle) flow(v *value) string {
	if s.json {
		return jsonStyle{colon: ": ", comma: ", "}.render(v, "")
	}
	var b strings.Builder
	s.writeFlow(&b, v, v.kind == kindObject || v.kind == kindArray)
	return b.String()
}

func (s yamlStyle) writeFlow(b *strings.Builder, v *value, inFlow bool) {
	switch v.kind {
	case kindObject:
		b.WriteByte('{')
		for i, m := range v.members {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(stringText(m.key, true) + ": ")
			s.writeFlow(b, m.val, true)
		}
		b.WriteByte('}')
	case kindArray:
		b.WriteByte('[')
		for i, item := range v.items {
			if i > 0 {
				b.WriteString(", ")
			}
			s.writeFlow(b, item, true)
		}
		b.WriteByte(']')
	default:
		b.WriteString(scalarText(v, inFlow))
	}
}

// jsonStyle is how new JSON text is written.
type jsonStyle struct {
	multi bool   // entries on lines of their own
	unit  string // one level of indentation
	eol   string
	colon string // ":" with its white space
	comma string // "," with its white space, when not multi
}

// render renders a value whose first line is already indented by indent.
func (s jsonStyle) render(v *value, indent string) string {
	var b strings.Builder
	s.write(&b, v, indent)
	return b.String()
}

func (s jsonStyle) write(b *strings.Builder, v *value, indent string) {
	inner := indent + s.unit
	between := func(i int) {
		switch {
		case i > 0 && !s.multi:
			b.WriteString(s.comma)
		case i > 0:
			b.WriteString("," + s.eol + inner)
		case s.multi:
			b.WriteString(s.eol + inner)
		}
	}
	closing := func(n int, bracket byte) {
		if s.multi && n > 0 {
			b.WriteString(s.eol + indent)
		}
		b.WriteByte(bracket)
	}
	switch v.kind {
	case kindObject:
		b.WriteByte('{')
		for i, m := range v.members {
			between(i)
			b.WriteString(quoteJSON(m.key) + s.colon)
			s.write(b, m.val, inner)
		}
		closing(len(v.members), '}')
	case kindArray:
		b.WriteByte('[')
		for i, item := range v.items {
			between(i)
			s.write(b, item, inner)
		}
		closing(len(v.items), ']')
	default:
		b.Write(appendJSON(nil, v))
	}
}
