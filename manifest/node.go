package manifest

import "go.yaml.in/yaml/v3"

// shape is the kind of a node in the text.
type shape uint8

const (
	shapeScalar shape = iota
	shapeAlias
	shapeMapping
	shapeSequence
)

// node is a piece of a document's text: where it lies and what it is made of.
// All offsets are bytes in the document's text.
type node struct {
	shape shape
	flow  bool // in brackets, or inside of brackets
	// start..end is the node with its anchor and tag; a node without any text
	// (a null) is empty and lies right after its indicator.
	start, end int
	// props is the end of the anchor and tag, start where there are none;
	// content is where the node itself begins.
	props, content int
	bracketed      bool // a flow collection with its own brackets
	column         int  // of a block collection's keys or dashes, in runes
	entries        []entry
	items          []*node
	marks          []int // offsets of a block sequence's dashes

	src *yaml.Node // the parsed node, in YAML
	val *value     // the value of a scalar, in JSON
}

// entry is one key and its value in a mapping.
type entry struct {
	start    int // of the key, or of the "?" before it
	name     string
	named    bool // name is the key as JSON shows it; false for keys JSON cannot hold and for "<<"
	key, val *node
	colon    int  // offset of the ":", -1 when there is none
	explicit bool // written with "?"
}

// end returns where the entry's last token ends.
func (e *entry) end() int {
	switch {
	case e.val.end > e.val.start:
		return e.val.end
	case e.colon >= 0:
		return e.colon + 1
	}
	return max(e.key.end, e.val.end)
}

// empty reports whether the node has no text at all.
func (n *node) empty() bool { return n.start == n.end }

// isBlockScalar reports whether the node is a literal or folded block scalar.
func (n *node) isBlockScalar(text []byte) bool {
	return n.shape == shapeScalar && n.content < n.end && (text[n.content] == '|' || text[n.content] == '>')
}

// find returns the position of the entry called name, or -1.
func (n *node) find(name string) int {
	for i := range n.entries {
		if n.entries[i].named && n.entries[i].name == name {
			return i
		}
	}
	return -1
}

// children returns the keys, values and items of a collection in their order.
func (n *node) children() []*node {
	if len(n.entries) == 0 {
		return n.items
	}
	out := make([]*node, 0, 2*len(n.entries))
	for i := range n.entries {
		out = append(out, n.entries[i].key, n.entries[i].val)
	}
	return out
}

// names returns the names of the entries, in their order.
func (n *node) names() []string {
	out := make([]string, len(n.entries))
	for i := range n.entries {
		out[i] = n.entries[i].name
	}
	return out
}

// jsonValue returns the value of a node that scanJSON made.
func (n *node) jsonValue() *value {
	switch n.shape {
	case shapeMapping:
		v := &value{kind: kindObject, members: make([]member, len(n.entries))}
		for i := range n.entries {
			v.members[i] = member{key: n.entries[i].name, val: n.entries[i].val.jsonValue()}
		}
		return v
	case shapeSequence:
		v := &value{kind: kindArray, items: make([]*value, len(n.items))}
		for i, item := range n.items {
			v.items[i] = item.jsonValue()
		}
		return v
	}
	return n.val
}
