package seal

import (
	"encoding/json"
	"fmt"
)

// APIVersion and Kind of a sealed document.
const (
	APIVersion = "waxwing.io/v1alpha1"
	Kind       = "GitSecret"
)

// Document is a GitSecret as far as the format reads it: where it stands, the annotations that a signature covers, and its checked spec.
type Document struct {
	Target      Target
	Annotations map[string]string
	*Checked
}

// ParseDocument reads a GitSecret from JSON, strictly (section 2), and checks it. Errors are ErrFormat or ErrTooLarge and never quote values.
func ParseDocument(doc []byte) (*Document, error) {
	if len(doc) > MaxDocument {
		return nil, DocumentTooLarge(len(doc))
	}
	root, err := readTree(doc)
	if err != nil {
		return nil, &Error{Kind: ErrFormat, Msg: err.Error()}
	}
	top, ok := root.(map[string]any)
	if !ok || top["apiVersion"] != APIVersion || top["kind"] != Kind {
		return nil, &Error{Kind: ErrFormat, Msg: fmt.Sprintf("is not a %s of %s", Kind, APIVersion)}
	}
	d := &Document{}
	if err := d.readMetadata(top["metadata"]); err != nil {
		return nil, err
	}
	if err := specShape.check("", top["spec"]); err != nil {
		return nil, err
	}
	spec, err := decodeSpec(top["spec"])
	if err != nil {
		return nil, err
	}
	d.Checked, err = Check(spec)
	return d, err
}

// DocumentTooLarge is the refusal of a document of n bytes.
func DocumentTooLarge(n int) error {
	return &Error{Kind: ErrTooLarge, Msg: fmt.Sprintf("the object is %d bytes as JSON; etcd takes requests of at most 1.5 MiB (%d bytes)", n, MaxDocument),
		Hint: "split the Secret, or seal fewer items for fewer holders"}
}

func (d *Document) readMetadata(v any) error {
	if v == nil {
		return nil
	}
	if err := metadataShape.check("", v); err != nil {
		return &Error{Kind: ErrFormat, Msg: "metadata: name and namespace must be strings, annotations an object of strings"}
	}
	m := v.(map[string]any)
	d.Target.Name, _ = m["name"].(string)
	d.Target.Namespace, _ = m["namespace"].(string)
	annotations, _ := m["annotations"].(map[string]any)
	d.Annotations = make(map[string]string, len(annotations))
	for k, text := range annotations {
		d.Annotations[k] = text.(string)
	}
	return nil
}

// shape is the form of a JSON value; exactly one of its parts is set.
type shape struct {
	scalar string            // "string", "bool" or "number"
	fields map[string]*shape // an object with these members
	open   bool              // with fields: other members are ignored
	values *shape            // an object of any names
	list   *shape
}

var (
	text     = &shape{scalar: "string"}
	texts    = &shape{values: text}
	textList = &shape{list: text}

	metadataShape = &shape{open: true, fields: map[string]*shape{"name": text, "namespace": text, "annotations": texts}}
	specShape     = &shape{fields: map[string]*shape{
		"format": {scalar: "number"},
		"for":    {fields: map[string]*shape{"scope": text, "namespace": text, "name": text}},
		"items":  {values: &shape{fields: map[string]*shape{"envelope": text, "value": text}}},
		"envelopes": {values: &shape{fields: map[string]*shape{
			"sealedAt": text, "commit": text,
			"wraps": {values: &shape{fields: map[string]*shape{"keys": textList, "wrappedBefore": textList, "age": text}}},
		}}},
		"type":      text,
		"immutable": {scalar: "bool"},
		"template": {fields: map[string]*shape{
			"metadata": {fields: map[string]*shape{"labels": texts, "annotations": texts}}, "data": texts,
		}},
		"deletionPolicy": text,
		"onImmutable":    text,
		"suspend":        {scalar: "bool"},
		"signature":      {fields: map[string]*shape{"signer": text, "sshsig": text}},
	}}
)

// check holds v against s; names are compared exactly, unlike in encoding/json.
func (s *shape) check(path string, v any) error {
	wrong := func(want string) error { return formatErr(path, "must be %s", want) }
	switch v := v.(type) {
	case map[string]any:
		if s.fields == nil && s.values == nil {
			return wrong(s.kind())
		}
		for name, member := range v {
			next := s.values
			if s.fields != nil {
				next = s.fields[name]
			}
			switch {
			case next == nil && s.open:
			case next == nil:
				return formatErr(join(path, name), "is not a field of the format")
			default:
				if err := next.check(join(path, name), member); err != nil {
					return err
				}
			}
		}
	case []any:
		if s.list == nil {
			return wrong(s.kind())
		}
		for _, e := range v {
			if err := s.list.check(path, e); err != nil {
				return err
			}
		}
	case string:
		if s.scalar != "string" {
			return wrong(s.kind())
		}
	case bool:
		if s.scalar != "bool" {
			return wrong(s.kind())
		}
	case json.Number:
		if s.scalar != "number" {
			return wrong(s.kind())
		}
	default:
		return wrong(s.kind())
	}
	return nil
}

func (s *shape) kind() string {
	switch {
	case s.scalar != "":
		return "a " + s.scalar
	case s.list != nil:
		return "a list"
	}
	return "an object"
}

func join(path, name string) string {
	if path == "" {
		return shown(name)
	}
	return path + "." + shown(name)
}
