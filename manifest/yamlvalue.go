package manifest

import (
	"errors"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// toValue converts a checked node to JSON. A failure names the node it is about.
func toValue(n *yaml.Node) (*value, *yaml.Node, error) {
	switch n.Kind {
	case yaml.AliasNode:
		return toValue(n.Alias)
	case yaml.ScalarNode:
		v, err := scalarValue(n)
		return v, n, err
	case yaml.SequenceNode:
		v := &value{kind: kindArray, items: make([]*value, len(n.Content))}
		for i, child := range n.Content {
			item, at, err := toValue(child)
			if err != nil {
				return nil, at, err
			}
			v.items[i] = item
		}
		return v, nil, nil
	}
	return mappingValue(n)
}

// mappingValue converts a mapping. Entries of its own win over merged ones;
// among merged ones the earlier wins. A merge that stands after an entry of the
// same name is refused: there kubectl lets the merge win, and one file must not
// be two things.
func mappingValue(n *yaml.Node) (*value, *yaml.Node, error) {
	v := &value{kind: kindObject, members: make([]member, 0, len(n.Content)/2)}
	own := make(map[string]bool, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) {
			continue
		}
		name, err := keyName(n.Content[i])
		if err != nil {
			return nil, n.Content[i], err
		}
		own[name] = true
	}
	before := make(map[string]bool, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		key, child := n.Content[i], n.Content[i+1]
		if !isMerge(key) {
			name, _ := keyName(key)
			val, at, err := toValue(child)
			if err != nil {
				return nil, at, err
			}
			v.members = append(v.members, member{key: name, val: val})
			before[name] = true
			continue
		}
		for _, source := range mergeSources(child) {
			merged, at, err := toValue(source)
			if err == nil && merged.kind != kindObject {
				at, err = child, errMerge
			}
			if err != nil {
				return nil, at, err
			}
			for _, m := range merged.members {
				if before[m.key] {
					return nil, key, errMergeOverrides
				}
				if !own[m.key] {
					own[m.key] = true
					v.members = append(v.members, m)
				}
			}
		}
	}
	return v, nil, nil
}

// isMerge reports whether key is the merge key "<<".
func isMerge(key *yaml.Node) bool {
	if key.Kind != yaml.ScalarNode || key.Value != "<<" {
		return false
	}
	return key.Tag == tagMerge && key.Style&^yaml.TaggedStyle == 0
}

// mergeSources returns the nodes that a merge takes its entries from.
func mergeSources(n *yaml.Node) []*yaml.Node {
	target := n
	for target.Kind == yaml.AliasNode {
		target = target.Alias
	}
	if target.Kind == yaml.SequenceNode {
		return target.Content
	}
	return []*yaml.Node{n}
}

// keyName returns the JSON name of a key; numbers and booleans become strings
// the way kubectl turns them.
func keyName(n *yaml.Node) (string, error) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		return "", errKey
	}
	v, err := scalarValue(n)
	switch {
	case errors.Is(err, errNotFinite):
		return canonicalInf(n.Value), nil
	case err != nil:
		return "", err
	case v.kind == kindNull:
		return "", errKey
	case v.float:
		f, _ := strconv.ParseFloat(v.text, 64)
		return strconv.FormatFloat(f, 'g', -1, 32), nil
	}
	return v.text, nil
}

func canonicalInf(s string) string {
	return strings.ToLower(strings.TrimPrefix(s, "+"))
}

// lookup returns the node of a mapping's entry, aliases and merges followed, or
// nil. It is for the few keys that identify an object, before and without
// converting the whole document.
func lookup(n *yaml.Node, key string) *yaml.Node {
	return lookupDeep(n, key, maxDepth)
}

func lookupDeep(n *yaml.Node, key string, fuel int) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.MappingNode || fuel == 0 {
		return nil
	}
	var merged *yaml.Node
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if isMerge(k) && merged == nil {
			for _, source := range mergeSources(v) {
				if merged = lookupDeep(source, key, fuel-1); merged != nil {
					break
				}
			}
		}
		if name, err := keyName(k); err == nil && name == key && !isMerge(k) {
			for v.Kind == yaml.AliasNode {
				v = v.Alias
			}
			return v
		}
	}
	return merged
}
