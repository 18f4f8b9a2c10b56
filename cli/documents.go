package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// object is a document, or an item of a list document.
type object struct {
	*node
	doc   *manifest.Doc // the document that it is, or lies in
	index int           // of doc in the file
	file  *manifest.File
	name  string // of the file
	role  role

	long *longList // where it is an item of one
}

// inPlace is the object as manifest edits it.
func (o object) inPlace() (*manifest.Doc, error) {
	d := o.doc
	for _, i := range o.path {
		items, ok := d.Items()
		if !ok || i >= len(items) {
			return nil, failed("", "%s: the list has changed", o.label())
		}
		d = items[i]
	}
	return d, nil
}

// JSON is the object's content, with the edits so far.
func (o object) JSON() ([]byte, error) {
	if o.long != nil {
		return o.raw, nil
	}
	d, err := o.inPlace()
	if err != nil {
		return nil, err
	}
	return d.JSON()
}

// Replace makes doc the object's content. For items of a long list, flush has to follow.
func (o object) Replace(doc []byte) error {
	if o.long != nil {
		o.raw, o.changed = doc, true
		return nil
	}
	d, err := o.inPlace()
	if err != nil {
		return err
	}
	return d.Replace(doc)
}

// label names the object in messages; the number of the only document of a file is left out.
func (o object) label() string {
	label := o.name
	if len(o.file.Docs()) > 1 {
		label += fmt.Sprintf(": document %d", o.index+1)
	}
	for _, i := range o.path {
		label += fmt.Sprintf(" item %d", i+1)
	}
	if what := strings.TrimSpace(shown(o.kind) + " " + o.place()); what != "" {
		label += " (" + what + ")"
	}
	return label
}

// place is namespace/name, for messages.
func (o object) place() string {
	return placeText(o.namespace, o.node.name)
}

// shownKind is "kind Secrets", for messages.
func (o object) shownKind() string {
	if o.kind == "" {
		return "an object without kind"
	}
	return "kind " + shown(o.kind)
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
	names := make([]string, len(all))
	for i, o := range all {
		names[i] = shown(o.kind)
		if o.kind == "" {
			names[i] = "a document without kind"
		}
	}
	return some(names)
}

// some lists the first few of names, each of them once.
func some(names []string) string {
	const most = 6
	list := unique(names)
	if len(list) > most {
		list = append(list[:most], "…")
	}
	return strings.Join(list, ", ")
}

// unique are names without those that came before.
func unique(names []string) []string {
	seen := map[string]bool{}
	var list []string
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			list = append(list, name)
		}
	}
	return list
}

// noneFound is the error for a file without the wanted kind.
func noneFound(name, wanted string, all []object, hint string) error {
	if len(all) == 0 {
		return failed(hint, "%s: no %s found: it holds no document", name, wanted)
	}
	return failed(hint, "%s: no %s found; seen: %s", name, wanted, kinds(all))
}

// secretsLeft is the last look at what is about to be written: an error if a plaintext Secret is still in it. It does not trust the pass that sealed, nor its
// parser: where the words of a Secret are not even there, nothing is left.
func secretsLeft(name string, data []byte) error {
	if found := scan.Bytes(data); !found.Secret && !found.Data && !found.Unsure {
		return nil
	}
	file, err := manifest.Parse(name, data)
	if err != nil {
		return fmt.Errorf("checking the result: %w", err)
	}
	for _, o := range objects(name, file, 0) {
		if o.role == isSecret || o.role == misspelled || o.role == closedList {
			return failed("", "%s: a Secret was not sealed; nothing is written", o.label())
		}
	}
	return nil
}

// parse reads the documents of one input, to replace objects in it as wholes.
func parse(name string, data []byte) (*manifest.File, []object, error) {
	file, err := manifest.Parse(name, data)
	if err != nil {
		return nil, nil, err
	}
	return file, objects(name, file, maxItemEdits), nil
}

// sizeWarnings holds a GitSecret against the limits of the API server.
func sizeWarnings(o object) ([]string, error) {
	doc, err := o.JSON()
	if err != nil {
		return nil, err
	}
	return secret.CheckSize(doc)
}
