package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/manifest"
)

const (
	// maxItemEdits is how many items of a list document are edited in their place, each by an edit of the whole document. Longer lists, which are dumps of
	// a cluster rather than written by hand, are written anew once: that costs comments and layout inside of the list, and saves minutes.
	maxItemEdits = 32
	// maxListDepth is how deep lists in lists are taken apart. Each level reads its text again; a list below is one object, and refused if it holds Secrets.
	maxListDepth = 8
)

// node is a document, or an item of a list document. The whole tree of a document is read once, so that the work is linear in its size.
type node struct {
	raw                               json.RawMessage // null for an empty one; nil for one that cannot be read
	apiVersion, kind, name, namespace string
	members                           map[string]json.RawMessage // nil for what is no mapping
	path                              []int                      // indices into lists, from the document
	isList                            bool
	items                             []*node
	changed                           bool
}

func newNode(raw json.RawMessage, path []int) *node {
	n := &node{raw: raw, path: path, members: members(raw)}
	n.apiVersion, n.kind = text(n.members["apiVersion"]), text(n.members["kind"])
	meta := members(n.members["metadata"])
	n.name, n.namespace = text(meta["name"]), text(meta["namespace"])
	var items []json.RawMessage
	if n.apiVersion != "v1" || n.kind != "List" || len(path) == maxListDepth || json.Unmarshal(n.members["items"], &items) != nil || items == nil {
		return n
	}
	n.isList, n.items = true, make([]*node, len(items))
	for i, item := range items {
		n.items[i] = newNode(item, append(slices.Clone(path), i))
	}
	return n
}

// text is a JSON string; empty for anything else.
func text(raw json.RawMessage) string {
	if len(raw) >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// leaves are the objects in n, those of nested lists in their place.
func (n *node) leaves() []*node {
	if !n.isList {
		return []*node{n}
	}
	var out []*node
	for _, item := range n.items {
		out = append(out, item.leaves()...)
	}
	return out
}

// encode is n with the items that have changed.
func (n *node) encode() (doc json.RawMessage, changed bool, err error) {
	if !n.isList {
		return n.raw, n.changed, nil
	}
	items := make([]json.RawMessage, len(n.items))
	for i, item := range n.items {
		part, partChanged, err := item.encode()
		if err != nil {
			return nil, false, err
		}
		items[i], changed = part, changed || partChanged
	}
	if !changed {
		return n.raw, false, nil
	}
	if n.members["items"], err = secret.Marshal(items); err != nil {
		return nil, false, err
	}
	doc, err = secret.Marshal(n.members)
	return doc, true, err
}

// longList is a list document whose items are replaced together.
type longList struct {
	doc   *manifest.Doc
	root  *node
	label string
	items int
	yaml  bool
}

// objects lists the objects of a file, with lists taken apart, empty documents left out. Items of a document with more than limit of them are handled
// together, and need flush; edits (Set, Delete) do not go with that.
func objects(name string, file *manifest.File, limit int) []object {
	var out []object
	for i, d := range file.Docs() {
		if d.Empty() {
			continue
		}
		root := &node{apiVersion: d.APIVersion(), kind: d.Kind(), name: d.Name(), namespace: d.Namespace()}
		if doc, err := d.JSON(); err == nil {
			root = newNode(doc, nil)
		}
		top := object{doc: d, node: root, file: file, name: name, index: i}
		leaves := root.leaves()
		if root.isList && len(leaves) > limit {
			top.long = &longList{doc: d, root: root, label: top.label(), items: len(leaves), yaml: file.Syntax() == manifest.YAML}
		}
		for _, n := range leaves {
			if string(n.raw) == "null" {
				continue
			}
			o := top
			o.node = n
			o.role = o.findRole()
			out = append(out, o)
		}
	}
	return out
}

// flush writes the long lists among the objects that have changed. It warns of each: what people wrote beside the values is lost there.
func flush(all []object) (warnings []string, err error) {
	var last *longList
	for _, o := range all {
		if o.long == nil || o.long == last {
			continue
		}
		last = o.long
		doc, changed, err := o.long.root.encode()
		if err == nil && changed {
			err = o.long.doc.Replace(doc)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		if changed && o.long.yaml {
			warnings = append(warnings, fmt.Sprintf("%s: a list of %d items is written anew: comments and layout inside of it are lost", o.long.label, o.long.items))
		}
	}
	return warnings, nil
}
