package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// role of a document, as far as sealing is concerned.
type role int

const (
	other      role = iota
	isSecret        // a plaintext Secret of Kubernetes
	isSealed        // a GitSecret
	misspelled      // plaintext, but not quite a Secret
	isList          // a list whose items can be edited one by one
	closedList      // a list that hides Secrets and cannot be edited item by item
)

// object is a document, or an item of a list document.
type object struct {
	*manifest.Doc
	file *manifest.File
	name string // of the file
	role role
}

// objects lists the objects of a file, with lists taken apart, empty documents left out.
func objects(name string, file *manifest.File) []object {
	return expand(name, file, file.Docs())
}

func expand(name string, file *manifest.File, docs []*manifest.Doc) []object {
	var out []object
	for _, d := range docs {
		if d.Empty() {
			continue
		}
		o := object{Doc: d, file: file, name: name, role: roleOf(d)}
		if items, ok := d.Items(); ok && o.role == isList {
			out = append(out, expand(name, file, items)...)
			continue
		}
		out = append(out, o)
	}
	return out
}

func roleOf(d *manifest.Doc) role {
	core := !strings.Contains(d.APIVersion(), "/")
	switch {
	case d.APIVersion() == "v1" && d.Kind() == "Secret":
		return isSecret
	case d.APIVersion() == seal.APIVersion && d.Kind() == seal.Kind:
		return isSealed
	case strings.EqualFold(d.Kind(), "Secret") && (core || hasData(d)):
		return misspelled
	case strings.EqualFold(d.Kind(), seal.Kind):
		return misspelled
	}
	if _, ok := d.Items(); ok {
		return isList
	}
	if list := d.Kind() == "" || strings.HasSuffix(strings.ToLower(d.Kind()), "list"); list && holdsSecret(d) {
		return closedList
	}
	return other
}

// hasData says whether the document has values in the clear, as a Secret has them.
func hasData(d *manifest.Doc) bool {
	var top map[string]any
	doc, err := d.JSON()
	return err == nil && json.Unmarshal(doc, &top) == nil && hasDataIn(top)
}

// hasDataIn does not mind case: a misspelled Secret is readable, too.
func hasDataIn(m map[string]any) bool {
	for name, v := range m {
		if v != nil && (strings.EqualFold(name, "data") || strings.EqualFold(name, "stringData")) {
			return true
		}
	}
	return false
}

// holdsSecret says whether a Secret with data stands somewhere inside of the document. References to Secrets, which have a kind and a name only, do not count.
func holdsSecret(d *manifest.Doc) bool {
	doc, err := d.JSON()
	if err != nil || !bytes.Contains(bytes.ToLower(doc), []byte(`"kind":"secret"`)) {
		return false
	}
	var tree any
	return json.Unmarshal(doc, &tree) == nil && holdsSecretIn(tree)
}

func holdsSecretIn(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		if kind, _ := v["kind"].(string); strings.EqualFold(kind, "Secret") && hasDataIn(v) {
			return true
		}
		for _, member := range v {
			if holdsSecretIn(member) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsSecretIn)
	}
	return false
}

// label names the object in messages; the number of the only document of a file is left out.
func (o object) label() string {
	label := o.Label()
	if len(o.file.Docs()) == 1 {
		label = strings.Replace(label, ": document 1", "", 1)
	}
	return label
}

// error puts the object's label before err, unless err names its place already.
func (o object) error(err error) error {
	var placed *manifest.Error
	if errors.As(err, &placed) {
		return err
	}
	return fmt.Errorf("%s: %w", o.label(), err)
}

// kinds lists what a file holds, for an error.
func kinds(all []object) string {
	seen := map[string]bool{}
	var names []string
	for _, o := range all {
		name := o.Kind()
		if name == "" {
			name = "a document without kind"
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	const most = 6
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return strings.Join(names, ", ")
}

// noneFound is the error for a file without the wanted kind.
func noneFound(name, wanted string, all []object, hint string) error {
	if len(all) == 0 {
		return failed(hint, "%s: no %s found: it holds no document", name, wanted)
	}
	return failed(hint, "%s: no %s found; seen: %s", name, wanted, kinds(all))
}

// secretsLeft is the last look at what is about to be written: an error if a plaintext Secret is still in it. It does not trust the pass that sealed.
func secretsLeft(name string, data []byte) error {
	file, err := manifest.Parse(name, data)
	if err != nil {
		return fmt.Errorf("checking the result: %w", err)
	}
	for _, o := range objects(name, file) {
		if o.role == isSecret || o.role == misspelled || o.role == closedList {
			return failed("", "%s: a Secret was not sealed; nothing is written", o.label())
		}
	}
	return nil
}

// parse reads the documents of one input.
func parse(name string, data []byte) (*manifest.File, []object, error) {
	file, err := manifest.Parse(name, data)
	if err != nil {
		return nil, nil, err
	}
	return file, objects(name, file), nil
}

// convert writes a file in another syntax, documents in their order; comments are lost. Empty documents are left out.
func convert(file *manifest.File, to manifest.Syntax) ([]byte, error) {
	if file.Syntax() == to {
		return file.Bytes(), nil
	}
	var out bytes.Buffer
	for _, d := range file.Docs() {
		if d.Empty() {
			continue
		}
		doc, err := d.JSON()
		if err != nil {
			return nil, err
		}
		if to == manifest.JSON {
			if err := json.Indent(&out, doc, "", "  "); err != nil {
				return nil, fmt.Errorf("writing JSON: %w", err)
			}
			out.WriteByte('\n')
			continue
		}
		text, err := renderYAML(doc)
		if err != nil {
			return nil, err
		}
		if out.Len() > 0 {
			out.WriteString("---\n")
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}

// renderYAML writes one JSON value as a YAML document.
func renderYAML(doc []byte) ([]byte, error) {
	file, err := manifest.Parse("the result", nil)
	if err != nil {
		return nil, err
	}
	if err := file.Docs()[0].Replace(doc); err != nil {
		return nil, err
	}
	text := file.Bytes()
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	return text, nil
}

// sizeWarnings holds a GitSecret against the limits of the API server.
func sizeWarnings(o object) ([]string, error) {
	doc, err := o.JSON()
	if err != nil {
		return nil, err
	}
	return secret.CheckSize(doc)
}
