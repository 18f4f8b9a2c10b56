package manifest

import (
	"errors"
	"slices"
	"strings"
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
	owner.edited(text, e.got)
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
