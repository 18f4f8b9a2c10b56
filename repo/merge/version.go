package merge

import (
	"bytes"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// version is one of the three versions of the file.
type version struct {
	syntax    manifest.Syntax
	bom       []byte
	eol       string
	keys      []key // in the order of the documents
	pieces    map[key]*piece
	counts    map[identity]int
	hasSealed int
}

// identity is what a document is known by in all versions. The version of the API is left out: it may change.
type identity struct{ kind, group, namespace, name string }

// key is an identity, and its place among the documents that share it.
type key struct {
	identity
	nth int
}

// piece is one document. Its text is lead and body.
type piece struct {
	key
	lead   []byte // a line "---", white space in JSON
	body   []byte
	sealed *sealed // nil for what is no sound GitSecret
	unsure bool    // in a base: there are two versions of it, and sealed is what they have in common
}

// label names the document in messages.
func (p *piece) label() string {
	place := shown(p.name)
	if p.namespace != "" {
		place = shown(p.namespace) + "/" + place
	}
	if p.name == "" {
		place = ""
	}
	return strings.TrimSpace(shown(p.kind) + " " + place)
}

func parseVersion(name string, data []byte) (*version, error) {
	file, err := manifest.Parse(name, data)
	if err != nil {
		return nil, err
	}
	v := &version{syntax: file.Syntax(), eol: eolOf(data), pieces: map[key]*piece{}, counts: map[identity]int{}}
	if bom := []byte("\ufeff"); bytes.HasPrefix(data, bom) {
		v.bom = bom
	}
	for _, d := range file.Docs() {
		if len(bytes.TrimSpace(d.Bytes())) == 0 {
			continue
		}
		p := newPiece(d, file.Syntax())
		p.nth = v.counts[p.identity]
		v.counts[p.identity]++
		if p.kind == seal.Kind && d.APIVersion() == seal.APIVersion {
			v.hasSealed++
			p.sealed = readSealed(d)
		}
		v.keys = append(v.keys, p.key)
		v.pieces[p.key] = p
	}
	return v, nil
}

// eolOf is the line break of a text.
func eolOf(data []byte) string {
	if i := bytes.IndexByte(data, '\n'); i > 0 && data[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

func newPiece(d *manifest.Doc, syntax manifest.Syntax) *piece {
	group, _, ok := strings.Cut(d.APIVersion(), "/")
	if !ok {
		group = ""
	}
	text := d.Bytes()
	lead := 0
	if syntax == manifest.JSON {
		lead = len(text) - len(bytes.TrimLeft(text, " \t\r\n"))
	} else if end := bytes.IndexByte(text, '\n') + 1; end > 0 && string(bytes.TrimRight(text[:end], " \t\r\n")) == "---" {
		lead = end
	}
	id := identity{kind: d.Kind(), group: group, namespace: d.Namespace(), name: d.Name()}
	return &piece{key: key{identity: id}, lead: text[:lead:lead], body: text[lead:]}
}

// matchable says whether documents can be matched: those of one identity, which are matched by their order, must be equally many wherever there are several,
// and the files of one syntax.
func matchable(base, ours, theirs *version) bool {
	for _, v := range []*version{ours, theirs} {
		for id, n := range v.counts {
			if n > 1 && (ours.counts[id] != n || theirs.counts[id] != n || base.counts[id] != n) {
				return false
			}
		}
		if len(base.keys) > 0 && base.syntax != v.syntax {
			return false
		}
	}
	for id, n := range base.counts {
		if n > 1 && (ours.counts[id] != n || theirs.counts[id] != n) {
			return false
		}
	}
	return ours.syntax == theirs.syntax || len(ours.keys) == 0 || len(theirs.keys) == 0
}

// order is that of ours; what only theirs has stands after what it follows there.
func order(ours, theirs *version) []key {
	after := map[key][]key{}
	var first []key
	var anchor *key
	for _, k := range theirs.keys {
		switch _, both := ours.pieces[k]; {
		case both:
			anchor = &k
		case anchor == nil:
			first = append(first, k)
		default:
			after[*anchor] = append(after[*anchor], k)
		}
	}
	keys := slices.Clone(first)
	for _, k := range ours.keys {
		keys = append(append(keys, k), after[k]...)
	}
	return keys
}
