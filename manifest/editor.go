package manifest

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// editor makes the new text of one document.
type editor struct {
	syntax Syntax
	text   []byte
	root   *node // nil when the document is empty
	eol    string
	style  yamlStyle
	json   jsonStyle
	isJSON bool // the content is JSON, be it in a YAML file
	// sweep: deleting an entry takes the blank lines after it along, and leaves
	// the line break before it even at the end of the text. Block scalars before
	// the entry may need the one or the other to keep their value.
	sweep bool
	// got is what the new text reads as.
	got *reading
}

// splice replaces text[start:end].
type splice struct {
	start, end int
	text       string
}

// editor lays out the document's text and returns its present value.
func (d *Doc) editor() (*editor, *value, *problem) {
	e := &editor{syntax: d.file.syntax, text: d.text, style: defaultStyle()}
	e.eol = eolAt(e.text, 0, d.file.eol)
	if e.syntax == JSON {
		root, p := scanJSON(e.text, 0)
		if p != nil {
			return nil, nil, p
		}
		e.root, e.isJSON = root, true
		e.json = detectJSON(e.text, root, e.eol)
		return e, root.jsonValue(), nil
	}
	r, p := d.reading()
	if p == nil && r.val == nil {
		r.val, p = yamlValue(e.text, r.root)
	}
	if p == nil && r.unparsed {
		r.unparsed = false
		r.root, p = parseYAML(e.text)
	}
	if p != nil {
		return nil, nil, p
	}
	if r.root == nil {
		return e, r.val, nil
	}
	return e, r.val, e.layout(r.root)
}

// layout finds the places of a YAML document's nodes, and its style.
func (e *editor) layout(src *yaml.Node) *problem {
	root, err := layoutYAML(e.text, src)
	if err != nil {
		return &problem{msg: "the layout of this document is too unusual to edit", cause: err,
			hint: "write it in plain block style, without explicit keys (?)"}
	}
	e.root = root
	if root.flow && len(root.children()) > 0 {
		if n, p := scanJSON(e.text[:root.end], root.start); p == nil && n.end == root.end {
			e.isJSON, e.style.json = true, true
			e.json = detectJSON(e.text, root, e.eol)
		}
	}
	return nil
}

// run tries ways to write the change, from the smallest to the enclosing
// mapping, and returns the first text that reads as wanted.
func (e *editor) run(c change, want *value) ([]byte, *problem) {
	if e.root == nil {
		return e.try(&target{val: want}, want)
	}
	t, p := locate(e.text, e.root, aliasTargets(e.root), c)
	if p != nil {
		return nil, p
	}
	if len(c.path) > 0 {
		e.detectYAML()
	}
	text, p := e.try(t, want)
	if p != nil && c.delete {
		e.sweep = true
		text, p = e.try(t, want)
		e.sweep = false
	}
	if p == nil {
		return text, nil
	}
	if outer := t.enclosing(c, want); outer != nil {
		if text, p := e.try(outer, want); p == nil {
			return text, nil
		}
	}
	return nil, p
}

// enclosing returns the target that renders the smallest mapping around t anew,
// or nil.
func (t *target) enclosing(c change, want *value) *target {
	k := len(t.chain) - 1
	if !t.add {
		k--
	}
	for k >= 0 && t.chain[k].node.shape != shapeMapping {
		k--
	}
	if k < 0 {
		return nil
	}
	v := want.follow(c.path[:k])
	if v == nil {
		return nil
	}
	return &target{chain: t.chain[:k+1], val: v}
}

// try writes the target with and without literal block scalars and returns the
// first text that reads as wanted.
func (e *editor) try(t *target, want *value) ([]byte, *problem) {
	for _, literal := range [...]bool{true, false} {
		e.style.literal = literal
		splices, err := e.write(t)
		if err != nil {
			continue
		}
		proved := e.proves(t, splices)
		if text := applySplices(e.text, splices); e.fits(text, want, proved) {
			return text, nil
		}
	}
	return nil, &problem{msg: "cannot write this change into the document without changing something else"}
}

// fits reports whether text can be the new text, which means want if that is
// proved and is parsed to see it otherwise.
func (e *editor) fits(text []byte, want *value, proved bool) bool {
	if !proved || len(text) > maxFileSize || tooManyNodes(text) {
		return e.reads(text, want)
	}
	e.got = &reading{val: want, unparsed: true}
	return true
}

// reads reports whether text is one document that means want and that can stand
// where the old text stood.
func (e *editor) reads(text []byte, want *value) bool {
	if len(text) > maxFileSize {
		return false
	}
	if e.syntax == YAML {
		texts, ok := splitYAML(text, 2)
		if !ok || len(texts) != 1 {
			return false
		}
	}
	endsLine := func(b []byte) bool { return len(b) > 0 && endsBreak(b, len(b)) }
	if e.syntax == YAML && endsLine(e.text) && !endsLine(text) {
		return false
	}
	got, p := read(e.syntax, text)
	if p == nil && got.val == nil {
		got.val, p = yamlValue(text, got.root)
	}
	e.got = got
	return p == nil && got.val.equal(want)
}

func applySplices(text []byte, splices []splice) []byte {
	slices.SortStableFunc(splices, func(a, b splice) int { return a.start - b.start })
	var out []byte
	at := 0
	for _, s := range splices {
		out = append(out, text[at:s.start]...)
		out = append(out, s.text...)
		at = s.end
	}
	return append(out, text[at:]...)
}
