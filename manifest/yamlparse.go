package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parseYAML parses the text of one document and applies the limits and
// refusals of this package. The root is nil for a document without content.
func parseYAML(text []byte) (*yaml.Node, *problem) {
	if tooManyNodes(text) {
		return nil, problemf(0, "more than %d nodes in one document", maxNodes)
	}
	root, err := decode(text)
	if err != nil {
		return nil, parseProblem(err, text)
	}
	if root == nil {
		return nil, nil
	}
	c := &checker{text: text, cols: newColumns(text)}
	if p := c.check(root); p != nil {
		return nil, p
	}
	if isEmptyScalar(root) && root.Anchor == "" && root.Style == 0 {
		return nil, nil
	}
	return root, nil
}

// decode runs the YAML parser. Its panics become errors: the input may be
// hostile and the parser is not ours.
func decode(text []byte) (root *yaml.Node, err error) {
	defer func() {
		if recover() != nil {
			root, err = nil, errors.New("yaml: the parser cannot read this")
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(withoutVersion(text)))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("yaml: a document mark after an unusual line break")
		}
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("yaml: the parser cannot read this")
	}
	return doc.Content[0], nil
}

// withoutVersion turns a "%YAML 1.2" directive into a comment of the same length:
// the parser refuses every version but 1.1, though it reads the same.
func withoutVersion(text []byte) []byte {
	end := markEnd(text)
	if end < 3 || lineStart(text, end) != end-3 || !isMark(text, end-3, "---") {
		return text
	}
	at := bytes.Index(text[:end], []byte("%YAML 1.2"))
	if at < 0 || at != lineStart(text, at) || !blankz(text, at+len("%YAML 1.2")) {
		return text
	}
	text = bytes.Clone(text)
	text[at] = '#'
	return text
}

// tooManyNodes estimates from above how many nodes the parser would make of
// text (each needs an indicator), before it is given the chance.
func tooManyNodes(text []byte) bool {
	if len(text) <= maxNodes {
		return false
	}
	n := 0
	for i, c := range text {
		switch c {
		case ':', ',', '[', '{':
			n++
		case '-', '?':
			if blankz(text, i+1) {
				n++
			}
		}
		if n > maxNodes {
			return true
		}
	}
	return false
}

// isEmptyScalar reports whether n is a null without text.
func isEmptyScalar(n *yaml.Node) bool {
	const styled = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.Style&styled == 0
}

// parseProblem turns an error of the YAML parser into one of ours. The parser
// quotes pieces of the document in some of its messages, so only messages known
// to be fixed texts are passed on.
func parseProblem(err error, text []byte) *problem {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if n, after, ok := strings.Cut(rest, ": "); ok {
			line, _ = strconv.Atoi(n)
			msg = after
		}
	}
	p := &problem{msg: "not valid YAML"}
	known, later := knownMessage(msg)
	if known {
		p.msg += ": " + msg
	}
	if line > 0 {
		// What is missing at the end is missing in the last line.
		last := len(bytes.TrimRight(text, " \t\r\n"))
		p.off = min(newColumns(text).offset(line+later, 1), lineStart(text, last))
	}
	switch {
	case strings.HasPrefix(msg, "unknown anchor "):
		p.msg += ": an alias (*) to an anchor (&) that does not exist"
		p.off = findAlias(text, msg)
		p.hint = "quote the value if it is meant to begin with *"
	case msg == "did not find expected key", msg == "did not find expected '-' indicator":
		p.off = findLine(text, p.off, msg)
	case msg == "control characters are not allowed":
		p.off = findControl(text)
	case msg == "found character that cannot start any token":
		if at := skipBlanks(text, p.off); bytes.IndexByte(text[p.off:at], '\t') >= 0 {
			p.hint = "indent with spaces, not with tabs"
		}
	}
	if at := helmLine(text); at >= 0 {
		p.off, p.msg = at, "template text where YAML is expected"
	}
	if bytes.Contains(text, []byte("{{")) {
		p.hint = helmHint
	}
	if at := conflictLine(text); at >= 0 {
		p.off, p.msg, p.hint = at, "a conflict marker: a merge is not resolved", "keep one side of each conflict, and delete the markers"
	}
	return p
}

// conflictLine returns the offset of the first conflict marker of git, or -1.
func conflictLine(text []byte) int {
	mark := []byte("<<<<<<<")
	for i := 0; i < len(text); {
		end := lineEnd(text, i)
		rest, marked := bytes.CutPrefix(text[i:end], mark)
		if rest = bytes.TrimLeft(rest, "<"); marked && (len(rest) == 0 || rest[0] == ' ') {
			return i
		}
		i = end + breakLen(text, end)
	}
	return -1
}

// knownMessage reports whether the parser's message is a fixed text, and how
// many lines the parser's number is behind in errors of its grammar.
func knownMessage(msg string) (known bool, later int) {
	switch msg {
	case "did not find expected key",
		"did not find expected '-' indicator",
		"did not find expected ',' or ']'",
		"did not find expected ',' or '}'",
		"did not find expected node content",
		"did not find expected <document start>",
		"did not find expected <stream-start>",
		"found undefined tag handle",
		"found incompatible YAML document",
		"found duplicate %YAML directive",
		"found duplicate %TAG directive":
		return true, 1
	case "block sequence entries are not allowed in this context",
		"mapping keys are not allowed in this context",
		"mapping values are not allowed in this context",
		"could not find expected ':'",
		"could not find expected directive name",
		"did not find expected alphabetic or numeric character",
		"did not find expected comment or line break",
		"did not find expected hexdecimal number",
		"did not find expected whitespace or line break",
		"found a tab character that violates indentation",
		"found a tab character where an indentation space is expected",
		"found an indentation indicator equal to 0",
		"found character that cannot start any token",
		"found invalid Unicode character escape code",
		"found unexpected document indicator",
		"found unexpected end of stream",
		"found unknown directive name",
		"found unknown escape character",
		"control characters are not allowed",
		"exceeded max depth of 10000",
		"a document mark after an unusual line break":
		return true, 0
	}
	return false, 0
}

// maxBisected bounds the text in which findLine looks.
const maxBisected = 1 << 20

// findLine returns the start of the line at which the parser gives up with msg,
// for messages of which it tells only where the collection around them begins:
// the last line of the shortest text that has the problem.
func findLine(text []byte, otherwise int, msg string) int {
	if len(text) > maxBisected {
		return otherwise
	}
	starts := append(newColumns(text).lines(), len(text))
	n := sort.Search(len(starts)-1, func(i int) bool {
		_, err := decode(text[:starts[i]])
		return err != nil && strings.HasSuffix(err.Error(), msg)
	})
	if n == 0 {
		return otherwise
	}
	return starts[n-1]
}

// findAlias returns the place of the alias that the parser's message names.
func findAlias(text []byte, msg string) int {
	name := strings.TrimSuffix(strings.TrimPrefix(msg, "unknown anchor '"), "' referenced")
	return max(bytes.Index(text, []byte("*"+name)), 0)
}

// findControl returns the place of the first character YAML does not allow.
func findControl(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == '\t', r == '\n', r == '\r', r == 0x85:
		case r < 0x20, r >= 0x7F && r < 0xA0, r == 0xFFFE, r == 0xFFFF:
			return i
		}
		i += size
	}
	return 0
}

// checkBytes refuses what no parser should see.
func checkBytes(data []byte) *problem {
	if len(data) > maxFileSize {
		return &problem{msg: fmt.Sprintf("larger than %d MiB", maxFileSize>>20)}
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return &problem{msg: "UTF-16 text", hint: "save it as UTF-8; in PowerShell: … | Out-File -Encoding utf8 FILE"}
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return &problem{off: i, msg: "a NUL byte: this is not a text file"}
	}
	if i := strayMark(data); i >= 0 {
		return &problem{off: i, msg: "a byte order mark in the middle of the file", hint: "files were joined that begin with one each: remove it"}
	}
	if utf8.Valid(data) {
		return nil
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return &problem{off: i, msg: "not valid UTF-8"}
		}
		i += size
	}
	return nil
}

// strayMark finds a byte order mark where a document or a line begins, other than at the start of the file; -1 where there is none. The YAML parser takes
// it for a part of a key, so that a Secret would not look like one, while kubectl removes it.
func strayMark(data []byte) int {
	for from := len(bom); from < len(data); {
		i := bytes.Index(data[from:], []byte(bom))
		if i < 0 {
			return -1
		}
		i += from
		before := bytes.TrimRight(data[:i], " \t")
		if r, _ := utf8.DecodeLastRune(before); strings.ContainsRune("\n\r\u0085\u2028\u2029\ufeff", r) || bytes.HasSuffix(before, []byte("---")) || len(before) == 0 {
			return i
		}
		from = i + len(bom)
	}
	return -1
}
