package merge

import (
	"encoding/json"
	"fmt"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// maxListDepth is how deep lists in lists are looked through.
const maxListDepth = 8

// Sound says whether a file can be read, and every GitSecret in it, in lists too, passes the checks of the format. A merge of text can take an item without its
// envelope and see no conflict; this sees it.
func Sound(name string, data []byte) error {
	file, err := manifest.Parse(name, data)
	if err != nil {
		return err
	}
	for _, d := range file.Docs() {
		sealed := d.Kind() == seal.Kind && d.APIVersion() == seal.APIVersion
		if !sealed && (d.Kind() != "List" || d.APIVersion() != "v1") {
			continue
		}
		b, err := d.JSON()
		if err == nil {
			err = soundObject(b, 0)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.Label(), err)
		}
	}
	return nil
}

// Repeated names a GitSecret that stands in a file more than once; empty where none does. Whoever applies such a file keeps the last one.
func Repeated(name string, data []byte) (label string, err error) {
	v, err := parseVersion(name, data)
	if err != nil {
		return "", err
	}
	for _, k := range v.keys {
		if k.nth > 0 && v.pieces[k].kind == seal.Kind {
			return v.pieces[k].label(), nil
		}
	}
	return "", nil
}

func soundObject(b []byte, depth int) error {
	var o struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(b, &o) != nil {
		return nil
	}
	switch {
	case o.Kind == seal.Kind && o.APIVersion == seal.APIVersion:
		_, err := seal.ParseDocument(b)
		return err
	case o.Kind == "List" && o.APIVersion == "v1" && depth < maxListDepth:
		for i, item := range o.Items {
			if err := soundObject(item, depth+1); err != nil {
				return fmt.Errorf("item %d: %w", i+1, err)
			}
		}
	}
	return nil
}
