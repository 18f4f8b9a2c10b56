package manifest

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// layouter finds the extent of every node of a parsed document. The parser
// tells where nodes begin; where they end follows from the text. Every step is
// checked against the text, and anything unexpected is errLayout, so that a
// wrong guess costs a fallback and never a wrong edit.
type layouter struct {
	text []byte
	cols *columns
	cur  int // everything before it is accounted for
}

// layoutYAML maps a document's nodes to its text.
func layoutYAML(text []byte, root *yaml.Node) (*node, error) {
	l := &layouter{text: text, cols: newColumns(text), cur: markEnd(text)}
	n, err := l.node(root, -1, false)
	if err != nil {
		return nil, err
	}
	rest := skipSpace(text, n.end)
	if rest < len(text) && !(rest == lineStart(text, rest) && isMark(text, rest, "...")) {
		return nil, errLayout
	}
	return n, nil
}

// node lays out y. indent is the column of the block collection around it (-1
// at the root), which decides where block scalars end.
func (l *layouter) node(y *yaml.Node, indent int, inFlow bool) (*node, error) {
	n := &node{src: y, flow: inFlow}
	start := skipSpace(l.text, l.cur)
	if isEmptyScalar(y) && !l.propsAt(start, y) {
		n.start, n.end, n.props, n.content = l.cur, l.cur, l.cur, l.cur
		return n, nil
	}
	if start >= len(l.text) || start != l.cols.offset(y.Line, y.Column) {
		return nil, errLayout
	}
	n.start, n.props = start, start
	l.cur = start
	if y.Kind != yaml.MappingNode && y.Kind != yaml.SequenceNode || l.ownProps(y) {
		l.skipProps(n, y)
	}
	n.content = l.cur
	if l.cur >= len(l.text) && !isEmptyScalar(y) {
		return nil, errLayout
	}
	var err error
	switch {
	case isEmptyScalar(y):
		n.content = n.props
		l.cur = n.props
	case y.Kind == yaml.AliasNode:
		n.shape = shapeAlias
		err = l.literally("*" + y.Value)
	case y.Kind == yaml.ScalarNode:
		err = l.scalar(y, indent)
	case y.Style&yaml.FlowStyle != 0:
		n.flow = true
		err = l.flow(n, y)
	case y.Kind == yaml.MappingNode:
		n.shape = shapeMapping
		err = l.blockMapping(n, y)
	default:
		n.shape = shapeSequence
		err = l.blockSequence(n, y)
	}
	n.end = l.cur
	return n, err
}

// propsAt reports whether the text at i is the anchor or tag of the otherwise
// empty node y.
func (l *layouter) propsAt(i int, y *yaml.Node) bool {
	return i < len(l.text) && (l.text[i] == '&' || l.text[i] == '!') && i == l.cols.offset(y.Line, y.Column)
}

// ownProps reports whether the anchor or tag at the start of a collection is the
// collection's own, not its first key's.
func (l *layouter) ownProps(y *yaml.Node) bool {
	if y.Anchor != "" || y.Style&yaml.TaggedStyle != 0 || y.Style&yaml.FlowStyle != 0 {
		return true
	}
	return l.text[l.cur] == '!' && len(y.Content) > 0 &&
		(y.Content[0].Line != y.Line || y.Content[0].Column != y.Column)
}

// skipProps moves past the anchor and the tag of y, and past the space after
// them. What comes next may have props of its own.
func (l *layouter) skipProps(n *node, y *yaml.Node) {
	anchor, tag := y.Anchor != "", y.Style&yaml.TaggedStyle != 0
	for l.cur < len(l.text) {
		switch c := l.text[l.cur]; {
		case c == '&' && anchor:
			anchor = false
			// Nothing has to stand between an anchor and what follows.
			for l.cur++; l.cur < len(l.text) && isAnchorChar(l.text[l.cur]); {
				l.cur++
			}
		case c == '!' && (tag || blankz(l.text, l.cur+1)):
			tag = false
			for !blankz(l.text, l.cur) && !(n.flow && bytes.IndexByte([]byte(",[]{}"), l.text[l.cur]) >= 0) {
				l.cur++
			}
		default:
			return
		}
		n.props = l.cur
		l.cur = skipSpace(l.text, l.cur)
	}
}

func isAnchorChar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-'
}

// literally moves past s, which has to be there.
func (l *layouter) literally(s string) error {
	if !bytes.HasPrefix(l.text[l.cur:], []byte(s)) {
		return errLayout
	}
	l.cur += len(s)
	return nil
}

// at reports whether an indicator that needs a blank after it stands at i.
func (l *layouter) indicator(i int, c byte) bool {
	return i < len(l.text) && l.text[i] == c && blankz(l.text, i+1)
}

func (l *layouter) blockMapping(n *node, y *yaml.Node) error {
	n.column = runes(l.text[lineStart(l.text, l.cur):l.cur])
	for i := 0; i < len(y.Content); i += 2 {
		e := entry{start: skipSpace(l.text, l.cur), colon: -1}
		if l.indicator(e.start, '?') {
			e.explicit = true
			l.cur = e.start + 1
		} else {
			l.cur = e.start
		}
		e.setName(y.Content[i])
		var err error
		if e.key, err = l.node(y.Content[i], n.column, false); err != nil {
			return err
		}
		if colon := skipSpace(l.text, l.cur); l.indicator(colon, ':') {
			e.colon = colon
			l.cur = colon + 1
		} else if !e.explicit {
			return errLayout
		}
		if e.val, err = l.node(y.Content[i+1], n.column, false); err != nil {
			return err
		}
		n.entries = append(n.entries, e)
	}
	return nil
}

func (e *entry) setName(key *yaml.Node) {
	e.name = "<<"
	if isMerge(key) {
		return
	}
	name, err := keyName(key)
	e.name, e.named = name, err == nil
}

func (l *layouter) blockSequence(n *node, y *yaml.Node) error {
	n.column = runes(l.text[lineStart(l.text, l.cur):l.cur])
	for _, child := range y.Content {
		dash := skipSpace(l.text, l.cur)
		if !l.indicator(dash, '-') {
			return errLayout
		}
		n.marks = append(n.marks, dash)
		l.cur = dash + 1
		item, err := l.node(child, n.column, false)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	return nil
}
