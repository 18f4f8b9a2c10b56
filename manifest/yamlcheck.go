package manifest

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits. Real manifests stay far below them.
const (
	maxFileSize  = 16 << 20 // bytes in a file, and bytes of scalars that aliases expand to in a document
	maxDocuments = 10000    // in a file
	maxDepth     = 64       // nested mappings and sequences, aliases followed
	maxNodes     = 1 << 18  // in a document as written
	maxExpanded  = 100000   // nodes that the aliases of a document expand to
)

const helmHint = "render the chart first (helm template), or seal the values another way"

// checker walks a parsed document and stops at its first problem.
type checker struct {
	text     []byte
	cols     *columns
	secret   bool
	bang     bool // the text may hold the non-specific tag "!"
	expanded int  // nodes reached through aliases
	bytes    int  // bytes of their scalars
	aliases  int  // aliases around the node at hand
}

func (c *checker) at(n *yaml.Node) int { return c.cols.offset(n.Line, n.Column) }

func (c *checker) check(root *yaml.Node) *problem {
	if root.Kind == yaml.MappingNode {
		// No lookup here: before the check, merges may have no end.
		for i := 0; i < len(root.Content); i += 2 {
			if root.Content[i].Value == "kind" && root.Content[i+1].Value == "Secret" {
				c.secret = true
			}
		}
	}
	for i := bytes.IndexByte(c.text, '!'); i >= 0 && i < len(c.text) && !c.bang; i++ {
		c.bang = c.text[i] == '!' && blankz(c.text, i+1)
	}
	return c.node(root, 0)
}

func (c *checker) node(n *yaml.Node, depth int) *problem {
	if c.aliases > 0 {
		c.expanded++
		c.bytes += len(n.Value)
		if c.expanded > maxExpanded || c.bytes > maxFileSize {
			return problemf(c.at(n), "aliases that expand too far")
		}
	}
	switch n.Kind {
	case yaml.AliasNode:
		c.aliases++
		p := c.node(n.Alias, depth)
		c.aliases--
		if p != nil {
			p.off = c.at(n) // the outermost alias is where the reader has to look
		}
		return p
	case yaml.ScalarNode:
		if c.aliases > 0 {
			return nil
		}
		if c.bang && c.nonSpecific(n) {
			return &problem{off: c.at(n), msg: "the tag ! without a name", hint: "quote the value, or write !!str"}
		}
		return c.template(n)
	}
	if depth >= maxDepth {
		return problemf(c.at(n), "nested more than %d levels deep", maxDepth)
	}
	if n.Kind == yaml.MappingNode && c.aliases == 0 {
		if p := c.keys(n); p != nil {
			return p
		}
	}
	for _, child := range n.Content {
		if p := c.node(child, depth+1); p != nil {
			return p
		}
	}
	return nil
}

// keys refuses keys that are template text, and keys that appear twice.
func (c *checker) keys(n *yaml.Node) *problem {
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		// "{{ .x }}" reads as a mapping whose key is a mapping.
		if key.Kind == yaml.MappingNode && bytes.HasPrefix(c.text[c.at(n):], []byte("{{")) {
			return &problem{off: c.at(n), msg: "template text where YAML is expected", hint: helmHint}
		}
		if isPlain(key) && strings.Contains(key.Value, "{{") {
			return &problem{off: c.at(key), msg: "template text in a key", hint: helmHint}
		}
		name := "<<"
		if !isMerge(key) {
			k, err := keyName(key)
			if err != nil {
				continue // JSON refuses it; as text it may pass
			}
			name = "k" + k // no name is mistaken for the merge key
		}
		if seen[name] {
			return problemf(c.at(key), "key %s appears twice", shown(strings.TrimPrefix(name, "k")))
		}
		seen[name] = true
	}
	return nil
}

// nonSpecific reports whether a plain scalar has the tag "!", which makes it a
// string. The parser does not tell, so that the value would be read wrongly.
func (c *checker) nonSpecific(n *yaml.Node) bool {
	if !isPlain(n) || n.Style&yaml.TaggedStyle != 0 {
		return false
	}
	at := c.at(n)
	if n.Anchor != "" && bytes.HasPrefix(c.text[at:], []byte("&"+n.Anchor)) {
		at = skipSpace(c.text, at+1+len(n.Anchor))
	}
	return at < len(c.text) && c.text[at] == '!'
}

// template refuses plain scalars that Helm was to fill in.
func (c *checker) template(n *yaml.Node) *problem {
	if !isPlain(n) || !strings.Contains(n.Value, "{{") {
		return nil
	}
	if c.secret || helmAction(n.Value) {
		return &problem{off: c.at(n), msg: "template text in an unquoted value", hint: helmHint}
	}
	return nil
}

// isPlain reports whether n is a scalar without quotes.
func isPlain(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style&^yaml.TaggedStyle == 0
}

// helmAction reports whether s contains an action that only Helm understands.
// Other tools have templates of their own in manifests, which are meant.
func helmAction(s string) bool {
	for {
		_, rest, ok := strings.Cut(s, "{{")
		if !ok {
			return false
		}
		action, after, _ := strings.Cut(rest, "}}")
		for _, word := range [...]string{".Values", ".Release", ".Chart", ".Files", ".Capabilities", ".Template"} {
			if strings.Contains(action, word) {
				return true
			}
		}
		action = strings.TrimLeft(action, "- \t")
		for _, word := range [...]string{"include ", "template ", "tpl ", "toYaml ", "required "} {
			if strings.HasPrefix(action, word) {
				return true
			}
		}
		s = after
	}
}

// helmLine returns the offset of the first line that has template text where
// YAML needs something else (at its start, after a dash or after a key), or -1.
// Block scalars are left out: they may hold templates of other languages.
func helmLine(text []byte) int {
	block := -1 // indentation of the line that opened a block scalar
	for i := 0; i < len(text); {
		end := lineEnd(text, i)
		line := text[i:end]
		start := i
		i = end + breakLen(text, end)
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		if indent == len(line) {
			continue
		}
		if block >= 0 && indent > block {
			continue
		}
		block = -1
		body := bytes.TrimLeft(line, " -")
		if bytes.HasPrefix(body, []byte("#")) {
			continue
		}
		if bytes.HasPrefix(body, []byte("{{")) || bytes.Contains(body, []byte(": {{")) {
			return start
		}
		if opensBlock(body) {
			block = indent
		}
	}
	return -1
}

// opensBlock reports whether a line ends in the header of a block scalar.
func opensBlock(line []byte) bool {
	line = bytes.TrimRight(line, " \t")
	line = bytes.TrimRight(line, "+-0123456789")
	return bytes.HasSuffix(line, []byte("|")) || bytes.HasSuffix(line, []byte(">"))
}
