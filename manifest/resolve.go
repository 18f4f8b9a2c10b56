package manifest

import "go.yaml.in/yaml/v3"

// target is the place in the text that a change comes down to.
type target struct {
	chain []place // from the root to the place itself
	key   string  // of the entry to add, when there is none yet
	add   bool
	val   *value // the value to write there; nil to delete the entry
}

// place is a node and where it hangs: in an entry or at an index of its holder.
type place struct {
	holder *node // nil for the root
	index  int
	node   *node
}

// last returns the place that the change is about: the value to replace, or the
// mapping to add to.
func (t *target) last() place { return t.chain[len(t.chain)-1] }

// locate follows the change's path through the text. It refuses paths on which
// an edit would change two places, or change what it does not own. shared are
// root's aliasTargets.
func locate(text []byte, root *node, shared map[*yaml.Node]int, c change) (*target, *problem) {
	t := &target{chain: []place{{node: root}}, val: c.val}
	for depth, s := range c.path {
		at := t.last().node
		if p := refuseShared(at, shared); p != nil {
			return nil, p
		}
		if s.isIndex {
			if at.shape != shapeSequence || s.index >= len(at.items) {
				return nil, &problem{off: at.start, msg: "the list has no such item any more", cause: ErrNotFound}
			}
			t.chain = append(t.chain, place{holder: at, index: s.index, node: at.items[s.index]})
			continue
		}
		if at.shape != shapeMapping {
			// A null: the mapping has to be made.
			t.val = c.nested(depth)
			return t, refuseAnchors(at, shared)
		}
		i := at.find(s.key)
		if i < 0 {
			if p := refuseMerged(at, s.key); p != nil {
				return nil, p
			}
			t.key, t.add, t.val = s.key, true, c.nested(depth+1)
			return t, nil
		}
		t.chain = append(t.chain, place{holder: at, index: i, node: at.entries[i].val})
	}
	n := t.last().node
	if c.delete {
		e := t.last().holder.entries[t.last().index]
		if p := refuseAnchors(e.key, shared); p != nil {
			return nil, p
		}
	}
	return t, refuseAnchors(n, shared)
}

// aliasTargets counts the aliases in a document by the node they stand for.
func aliasTargets(root *node) map[*yaml.Node]int {
	out := map[*yaml.Node]int{}
	if root.src != nil {
		countAliases(root.src, out)
	}
	return out
}

func countAliases(n *yaml.Node, out map[*yaml.Node]int) {
	if n.Kind == yaml.AliasNode {
		out[n.Alias]++
	}
	for _, child := range n.Content {
		countAliases(child, out)
	}
}

// refuseShared refuses to edit inside a node that stands in several places.
func refuseShared(n *node, shared map[*yaml.Node]int) *problem {
	const hint = "write the value out where it is used, then edit it there"
	switch {
	case n.src == nil:
		return nil
	case n.shape == shapeAlias:
		return &problem{off: n.start, msg: "the path leads through an alias (*); editing there would change every place that uses it", hint: hint}
	case shared[n.src] > 0:
		return &problem{off: n.start, msg: "the path leads through an anchor (&) that is used elsewhere; editing there would change every place that uses it", hint: hint}
	}
	return nil
}

// refuseAnchors refuses to overwrite a node with anchors in it that something
// outside of it uses.
func refuseAnchors(n *node, shared map[*yaml.Node]int) *problem {
	if n.src == nil || len(shared) == 0 {
		return nil
	}
	inside := map[*yaml.Node]int{}
	countAliases(n.src, inside)
	var refuse func(n *node) *problem
	refuse = func(n *node) *problem {
		if shared[n.src] > inside[n.src] {
			return &problem{
				off: n.start, msg: "the value holds an anchor (&) that is used elsewhere",
				hint: "write the value out where the alias (*) is, then edit it here",
			}
		}
		for _, child := range n.children() {
			if p := refuse(child); p != nil {
				return p
			}
		}
		return nil
	}
	return refuse(n)
}

// refuseMerged refuses a key that a mapping has from a merge.
func refuseMerged(n *node, key string) *problem {
	if n.src == nil {
		return nil
	}
	if lookup(n.src, key) == nil {
		return nil
	}
	return &problem{
		off: n.start, msg: "key " + shown(key) + " comes from a merge (<<)",
		hint: "add the key to the mapping itself first, then edit it there",
	}
}
