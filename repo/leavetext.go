package repo

import (
	"bytes"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// withoutEntry takes one entry out of a list in a text of YAML or JSON, and the comment above it that is its own. ok is false where the layout is one that it does not know; what
// comes out has to be read and compared in any case.
func withoutEntry(data []byte, e entry) (out []byte, ok bool) {
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) != 1 {
		return nil, false
	}
	list := follow(doc.Content[0], e.path)
	if list == nil || list.Kind != yaml.SequenceNode || e.index >= len(list.Content) {
		return nil, false
	}
	if list.Style&yaml.FlowStyle != 0 {
		return withoutFlowEntry(data, list, e.index)
	}
	return withoutBlockEntry(data, list, e.index)
}

// follow gives the node at path; nil where there is none, or an alias is on the way.
func follow(n *yaml.Node, path []any) *yaml.Node {
	for _, step := range path {
		var next *yaml.Node
		switch step := step.(type) {
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == step {
					next = n.Content[i+1]
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && step < len(n.Content) {
				next = n.Content[step]
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

// withoutBlockEntry drops the line of an entry "- TEXT", and the lines of comments right above it. One that was about the list is missed in the diff; one that stayed would call somebody else by the wrong
// name, and nobody would see it there.
func withoutBlockEntry(data []byte, list *yaml.Node, index int) ([]byte, bool) {
	item := list.Content[index]
	lines := bytes.SplitAfter(data, []byte("\n"))
	at := item.Line - 1
	if item.Kind != yaml.ScalarNode || at >= len(lines) || !bytes.HasPrefix(bytes.TrimLeft(lines[at], " "), []byte("- ")) {
		return nil, false
	}
	first := at
	for first > 0 && bytes.HasPrefix(bytes.TrimLeft(lines[first-1], " "), []byte("#")) {
		first--
	}
	if len(list.Content) == 1 {
		// The key above gets an empty list.
		above := bytes.TrimRight(lines[max(first-1, 0)], " \r\n")
		if first == 0 || !bytes.HasSuffix(above, []byte(":")) {
			return nil, false
		}
		lines[first-1] = bytes.Join([][]byte{above, []byte(" []"), lines[first-1][len(above):]}, nil)
	}
	return bytes.Join(append(lines[:first:first], lines[at+1:]...), nil), true
}

// withoutFlowEntry drops an entry of [A, B], with a comma.
func withoutFlowEntry(data []byte, list *yaml.Node, index int) ([]byte, bool) {
	starts := make([]int, len(list.Content))
	for i, item := range list.Content {
		start, ok := offsetOf(data, item.Line, item.Column)
		if !ok || item.Kind != yaml.ScalarNode {
			return nil, false
		}
		starts[i] = start
	}
	from := starts[index]
	switch {
	case index+1 < len(starts):
		return cutOut(data, from, starts[index+1]), true
	case index > 0:
		// From the comma behind the entry before it.
		comma := bytes.LastIndexByte(data[:from], ',')
		end := bytes.IndexByte(data[from:], ']')
		if comma < starts[index-1] || end < 0 {
			return nil, false
		}
		return cutOut(data, comma, from+end), true
	}
	end := bytes.IndexByte(data[from:], ']')
	if end < 0 {
		return nil, false
	}
	return cutOut(data, from, from+end), true
}

func cutOut(data []byte, from, to int) []byte {
	return append(bytes.Clone(data[:from]), data[to:]...)
}

// offsetOf is where a line and column of the parser's, which count characters from 1, lie in the text.
func offsetOf(data []byte, line, column int) (int, bool) {
	at := 0
	for range line - 1 {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			return 0, false
		}
		at += i + 1
	}
	for range column - 1 {
		if at >= len(data) || data[at] == '\n' {
			return 0, false
		}
		_, size := utf8.DecodeRune(data[at:])
		at += size
	}
	return at, at < len(data)
}
