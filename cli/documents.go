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
	closedList      // a list that hides Secrets and cannot be edited item by item
)

// object is a document, or an item of a list document.
type object struct {
	*manifest.Doc
	file *manifest.File
	name string // of the file
	role role

	list  *longList // of an item of a long list
	index int
}

// JSON is the object's content.
func (o object) JSON() ([]byte, error) {
	if o.list != nil {
		return o.list.items[o.index], nil
	}
	return o.Doc.JSON()
}

// Replace makes doc the object's content. For items of a long list, flush has to follow.
func (o object) Replace(doc []byte) error {
	if o.list != nil {
		o.list.items[o.index], o.list.changed = doc, true
		return nil
	}
	return o.Doc.Replace(doc)
}

func (o object) findRole() role {
	core := !strings.Contains(o.APIVersion(), "/")
	switch {
	case o.APIVersion() == "v1" && o.Kind() == "Secret":
		return isSecret
	case o.APIVersion() == seal.APIVersion && o.Kind() == seal.Kind:
		return isSealed
	case strings.EqualFold(o.Kind(), "Secret") && (core || o.hasData()), strings.EqualFold(o.Kind(), seal.Kind):
		return misspelled
	}
	if list := o.Kind() == "" || strings.HasSuffix(strings.ToLower(o.Kind()), "list"); list && o.holdsSecret() {
		return closedList
	}
	return other
}

// hasData says whether the object has values in the clear, as a Secret has them.
func (o object) hasData() bool {
	var top map[string]any
	doc, err := o.JSON()
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

// holdsSecret says whether a Secret with data stands somewhere inside. References to Secrets, which have a kind and a name only, do not count.
func (o object) holdsSecret() bool {
	doc, err := o.JSON()
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
