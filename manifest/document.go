package manifest

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Doc is one document of a File, or one item of a List document. The accessors
// follow the edits made through the same Doc.
type Doc struct {
	file  *File
	index int
	text  []byte // the document with its marks and comments; unused in items
	empty bool
	head  head

	kept  *reading // of the text, where it is small
	edits int      // how often the text has changed

	owner *Doc   // of an item: the List's document
	path  []step // of an item: where it lies in the owner
	item  *value // of an item: its value after so many edits of the owner
	since int
}

// head is what identifies an object.
type head struct{ apiVersion, kind, name, namespace string }

// step is one step of a path into a document: a key, or an index into a list.
type step struct {
	key     string
	index   int
	isIndex bool
}

// APIVersion returns the object's apiVersion, "" when absent or no string.
func (d *Doc) APIVersion() string { return d.head.apiVersion }

// Kind returns the object's kind, "" when absent, no string, or when the
// document is no mapping.
func (d *Doc) Kind() string { return d.head.kind }

// Name returns metadata.name, "" when absent or no string.
func (d *Doc) Name() string { return d.head.name }

// Namespace returns metadata.namespace, "" when absent or no string.
func (d *Doc) Namespace() string { return d.head.namespace }

// Empty reports whether the document holds only comments and white space.
func (d *Doc) Empty() bool { return d.empty }

// Bytes returns the document's text, with its marks and the comments around it
// and with the edits so far; the texts of a file's documents and its byte order
// mark add up to File.Bytes. Nil for an item of a list. The result must not be
// changed.
func (d *Doc) Bytes() []byte { return d.text }

// Label names the document for errors: "db.yaml: document 2 (Secret prod/db)".
func (d *Doc) Label() string {
	label := fmt.Sprintf("%s: document %d", d.file.name, d.index+1)
	for _, s := range d.path {
		if s.isIndex {
			label += fmt.Sprintf(" item %d", s.index+1)
		}
	}
	object := d.head.name
	if d.head.namespace != "" {
		object = d.head.namespace + "/" + object
	}
	object = strings.TrimSpace(d.head.kind + " " + object)
	if object == "" || len(object) > 3*maxShownName || strings.ContainsFunc(object, unprintable) {
		return label
	}
	return label + " (" + object + ")"
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// JSON returns the document as compact JSON, members in their order, aliases
// and merges resolved; "null" for an empty document. The package comment says
// how YAML scalars are read. Every error is an *Error.
func (d *Doc) JSON() ([]byte, error) {
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	return appendJSON(make([]byte, 0, len(d.text)), v), nil
}

// Size returns how many bytes the keys and scalars of the document have, aliases
// and merges resolved: less than JSON gives, and known before that is made. Every
// error is an *Error.
func (d *Doc) Size() (int, error) {
	v, err := d.value()
	if err != nil {
		return 0, err
	}
	return v.size(), nil
}

// Text returns the string at a path of mappings; false where there is none.
func (d *Doc) Text(path ...string) (string, bool) {
	v, err := d.value()
	if err != nil {
		return "", false
	}
	v = v.follow(keySteps(path))
	return v.str(), v != nil && v.kind == kindString
}

// value returns the document, or the item, as a value.
func (d *Doc) value() (*value, error) {
	if d.owner == nil {
		r, p := d.reading()
		if p == nil && r.val == nil {
			r.val, p = yamlValue(d.text, r.root)
		}
		if p != nil {
			return nil, d.error(p)
		}
		return r.val, nil
	}
	if d.item != nil && d.since == d.owner.edits {
		return d.item, nil
	}
	v, err := d.owner.value()
	if err != nil {
		return nil, err
	}
	if v = v.follow(d.path); v == nil {
		return nil, d.error(&problem{msg: "the list has no such item any more"})
	}
	return v, nil
}

// maxKept bounds the text whose readings a File keeps, in bytes: nodes take many times as much.
const maxKept = 512 << 10

// reading is what the parser made of a document's text. Only val and root are ever set, once.
type reading struct {
	root     *yaml.Node // of YAML; nil for an empty document
	val      *value     // nil where nobody has asked for it
	unparsed bool       // val is known, and nobody has asked for root
}

// reading reads the document's text, once if it is small.
func (d *Doc) reading() (*reading, *problem) {
	if d.kept != nil {
		return d.kept, nil
	}
	r, p := read(d.file.syntax, d.text)
	if p == nil {
		d.keep(r)
	}
	return r, p
}

// keep keeps r for as long as the text stays.
func (d *Doc) keep(r *reading) {
	if d.kept == nil && d.file.kept+len(d.text) <= maxKept {
		d.kept = r
		d.file.kept += len(d.text)
	}
}

// edited makes text the document's, and r what it reads as.
func (d *Doc) edited(text []byte, r *reading) {
	if d.kept != nil {
		d.kept = nil
		d.file.kept -= len(d.text)
	}
	d.text = text
	d.edits++
	d.keep(r)
}

// read reads the text of one document. The value is there already in JSON only.
func read(syntax Syntax, text []byte) (*reading, *problem) {
	if syntax == YAML {
		root, p := parseYAML(text)
		return &reading{root: root}, p
	}
	v, p := textValue(syntax, text)
	return &reading{val: v}, p
}

// textValue reads the text of one document.
func textValue(syntax Syntax, text []byte) (*value, *problem) {
	if syntax == JSON {
		root, p := scanJSON(text, 0)
		if p != nil {
			return nil, p
		}
		s := &scanner{text: text, pos: root.end}
		if s.space(); s.pos < len(text) {
			return nil, s.bad("more than one value")
		}
		return root.jsonValue(), nil
	}
	root, p := parseYAML(text)
	if p != nil {
		return nil, p
	}
	return yamlValue(text, root)
}

// yamlValue converts the root that parseYAML returned.
func yamlValue(text []byte, root *yaml.Node) (*value, *problem) {
	if root == nil {
		return &value{kind: kindNull}, nil
	}
	v, at, err := toValue(root)
	if err != nil {
		return nil, &problem{off: newColumns(text).offset(at.Line, at.Column), msg: err.Error(), cause: err}
	}
	return v, nil
}

// Items returns the items of a v1 List as documents of their own, which can be
// read and edited in place; false when the document is no such list. Edits that
// change the number of items make the returned Docs refuse to work.
func (d *Doc) Items() ([]*Doc, bool) {
	if d.head.kind != "List" || d.head.apiVersion != "v1" {
		return nil, false
	}
	v, err := d.value()
	if err != nil {
		return nil, false
	}
	list := v.get("items")
	if list == nil || list.kind != kindArray {
		return nil, false
	}
	owner := d
	if d.owner != nil {
		owner = d.owner
	}
	docs := make([]*Doc, len(list.items))
	for i, item := range list.items {
		path := append(append([]step{}, d.path...), step{key: "items"}, step{index: i, isIndex: true})
		docs[i] = &Doc{
			file: d.file, index: d.index, owner: owner, path: path, item: item, since: owner.edits,
			head: headOf(item), empty: item.kind == kindNull,
		}
	}
	return docs, true
}

// error places a problem of this document in its file.
func (d *Doc) error(p *problem) *Error {
	e := &Error{File: d.file.name, Line: d.file.lineOf(d.index, p.off), Doc: d.index + 1, Msg: p.msg, Hint: p.hint}
	if errors.Is(p.cause, ErrNotFound) {
		e.cause = ErrNotFound
	}
	return e
}

// headOf identifies a converted object.
func headOf(v *value) head {
	meta := v.get("metadata")
	return head{
		apiVersion: v.get("apiVersion").str(),
		kind:       v.get("kind").str(),
		name:       meta.get("name").str(),
		namespace:  meta.get("namespace").str(),
	}
}

// headOfYAML identifies an object that may not be convertible as a whole.
func headOfYAML(root *yaml.Node) head {
	meta := lookup(root, "metadata")
	return head{
		apiVersion: scalarString(lookup(root, "apiVersion")),
		kind:       scalarString(lookup(root, "kind")),
		name:       scalarString(lookup(meta, "name")),
		namespace:  scalarString(lookup(meta, "namespace")),
	}
}

func scalarString(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	v, err := scalarValue(n)
	if errors.Is(err, errOwnTag) {
		return n.Value // kubectl passes over the tag
	}
	if err != nil {
		return ""
	}
	return v.str()
}
