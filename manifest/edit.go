package manifest

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Replace makes the JSON value the whole content of the document, in the
// document's syntax: YAML in block style, or JSON with the indentation of the
// old value. Members keep the order of the JSON. The document's marks and the
// comments before and after its content stay; comments inside go.
func (d *Doc) Replace(json []byte) error {
	v, p := parseJSONValue(json)
	if p != nil {
		return d.error(&problem{msg: p.msg})
	}
	return d.change(change{val: v}, true)
}

// Set sets the mapping entry at path to the JSON value and makes the mappings
// on the way that are missing. Only the lines of that entry change. A new entry
// goes in its sorted position where the keys are sorted, otherwise last.
// Setting a value that is already there changes nothing. A path through an
// alias, a shared anchor or a merge is refused.
func (d *Doc) Set(path []string, json []byte) error {
	if len(path) == 0 {
		return d.error(&problem{msg: "an empty path names no entry"})
	}
	v, p := parseJSONValue(json)
	if p != nil {
		return d.error(&problem{msg: p.msg})
	}
	return d.change(change{path: keySteps(path), val: v}, false)
}

// Delete removes the lines of the mapping entry at path; a mapping that loses
// its last entry becomes {}. The error wraps ErrNotFound when there is no such
// entry. Paths are refused as in Set.
func (d *Doc) Delete(path []string) error {
	if len(path) == 0 {
		return d.error(&problem{msg: "an empty path names no entry"})
	}
	return d.change(change{path: keySteps(path), delete: true}, false)
}

func keySteps(path []string) []step {
	steps := make([]step, len(path))
	for i, key := range path {
		steps[i] = step{key: key}
	}
	return steps
}

// change makes a change and checks it, or leaves the document as it is. force
// writes the value even if it is already there.
func (d *Doc) change(c change, force bool) error {
	owner := d
	if d.owner != nil {
		owner = d.owner
		c.path = slices.Concat(d.path, c.path)
	}
	e, old, p := owner.editor()
	if p != nil {
		return d.error(p)
	}
	want, err := c.apply(old)
	if err != nil {
		return d.error(refusal(c, err))
	}
	if e.syntax == JSON && want.kind != kindObject && want.kind != kindArray {
		return d.error(&problem{msg: "a JSON file holds objects and lists only"})
	}
	if !force && old.equal(want) {
		return nil
	}
	text, p := e.run(c, want)
	if p != nil {
		return d.error(p)
	}
	owner.text = text
	owner.head, owner.empty = headOf(want), false
	if d != owner {
		d.head = headOf(want.follow(d.path))
	}
	return nil
}

// refusal names the path of a change that its document has no place for.
func refusal(c change, err error) *problem {
	names := make([]string, 0, len(c.path))
	for _, s := range c.path {
		if !s.isIndex {
			names = append(names, shown(s.key))
		}
	}
	path := strings.Join(names, ", ")
	if errors.Is(err, errNotMapping) {
		return &problem{msg: "the path " + path + " leads through something that is no mapping", cause: err}
	}
	return &problem{msg: err.Error() + ": " + path, cause: err}
}

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
	src, p := parseYAML(e.text)
	if p != nil {
		return nil, nil, p
	}
	v, p := yamlValue(e.text, src)
	if p != nil || src == nil {
		return e, v, p
	}
	return e, v, e.layout(src)
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
	t, p := locate(e.text, e.root, c)
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
		if text := applySplices(e.text, splices); e.reads(text, want) {
			return text, nil
		}
	}
	return nil, &problem{msg: "cannot write this change into the document without changing something else"}
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
	got, p := textValue(e.syntax, text)
	return p == nil && got.equal(want)
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
