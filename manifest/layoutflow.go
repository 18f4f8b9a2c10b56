package manifest

import "go.yaml.in/yaml/v3"

// flow lays out a flow collection, or the single pair of "[a: b]".
func (l *layouter) flow(n *node, y *yaml.Node) error {
	open, end := byte('['), byte(']')
	n.shape = shapeSequence
	if y.Kind == yaml.MappingNode {
		n.shape, open, end = shapeMapping, '{', '}'
	}
	n.bracketed = l.text[l.cur] == open && !l.startsWithKey(y)
	if n.bracketed {
		l.cur++
	} else if n.shape == shapeSequence {
		return errLayout
	}
	step := 1
	if n.shape == shapeMapping {
		step = 2
	}
	for i := 0; i < len(y.Content); i += step {
		if n.bracketed {
			l.skipCommas()
		}
		if err := l.flowChild(n, y, i); err != nil {
			return err
		}
	}
	if !n.bracketed {
		return nil
	}
	if l.skipCommas(); l.cur >= len(l.text) || l.text[l.cur] != end {
		return errLayout
	}
	l.cur++
	return nil
}

// startsWithKey reports whether a flow mapping begins at its first key, which
// makes it a pair without brackets.
func (l *layouter) startsWithKey(y *yaml.Node) bool {
	return y.Kind == yaml.MappingNode && len(y.Content) > 0 && !isEmptyScalar(y.Content[0]) &&
		y.Content[0].Line == y.Line && y.Content[0].Column == y.Column
}

func (l *layouter) skipCommas() {
	l.cur = skipSpace(l.text, l.cur)
	if l.cur < len(l.text) && l.text[l.cur] == ',' {
		l.cur = skipSpace(l.text, l.cur+1)
	}
}

// flowChild lays out the item, or the key and value, that begins at Content[i].
func (l *layouter) flowChild(n *node, y *yaml.Node, i int) error {
	if n.shape == shapeSequence {
		item, err := l.node(y.Content[i], n.column, true)
		n.items = append(n.items, item)
		return err
	}
	e := entry{start: skipSpace(l.text, l.cur), colon: -1}
	l.cur = e.start
	if e.start < len(l.text) && l.text[e.start] == '?' {
		e.explicit = true // in flow style, even without a blank after it
		l.cur++
	}
	e.setName(y.Content[i])
	var err error
	if e.key, err = l.node(y.Content[i], n.column, true); err != nil {
		return err
	}
	if colon := skipSpace(l.text, l.cur); colon < len(l.text) && l.text[colon] == ':' {
		e.colon = colon
		l.cur = colon + 1
	} else if !isEmptyScalar(y.Content[i+1]) {
		return errLayout
	}
	if e.val, err = l.node(y.Content[i+1], n.column, true); err != nil {
		return err
	}
	n.entries = append(n.entries, e)
	return nil
}
