package secret

import (
	"encoding/base64"
	"errors"
	"unicode"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// plain is a Secret as it is written.
type plain struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metadata          `json:"metadata"`
	Type       string            `json:"type,omitempty"`
	Immutable  *bool             `json:"immutable,omitempty"`
	Data       map[string]string `json:"data,omitempty"`
	StringData map[string]string `json:"stringData,omitempty"`
}

// Opened is an opened GitSecret.
type Opened struct {
	Values seal.Values
	Uses   []seal.Use
	// JSON is the Secret as the controller would write it: printable text under stringData, everything else under data.
	JSON []byte
	// Rendered says that spec.template.data adds keys in the cluster that are not in JSON.
	Rendered bool
}

// Open opens the JSON of a GitSecret, in the order of docs/format.md section 9; a signature is verified where there is one. namespace stands in for a missing
// metadata.namespace; another one than the document's is refused.
func Open(doc []byte, namespace string, keys seal.Keys) (*Opened, error) {
	d, err := seal.ParseDocument(doc)
	if err != nil {
		return nil, err
	}
	if err := CheckPlace(d, namespace); err != nil {
		return nil, err
	}
	if d.Spec().Signature != nil {
		if _, err := d.VerifySignature(d.Annotations); err != nil {
			return nil, err
		}
	}
	opened, err := d.Open(d.Target, keys)
	if err != nil {
		return nil, err
	}
	json, err := Marshal(secretOf(d, opened.Values))
	if err != nil {
		return nil, err
	}
	t := d.Spec().Template
	return &Opened{Values: opened.Values, Uses: opened.Uses, JSON: json, Rendered: t != nil && len(t.Data) > 0}, nil
}

// CheckPlace says whether d stands where its scope allows, after namespace has stood in for a missing metadata.namespace; another one than d's is refused.
// The error for a place that is not allowed is seal.ErrScope, with a better hint where the document leaves its namespace to somebody else.
func CheckPlace(d *seal.Document, namespace string) error {
	switch {
	case d.Target.Namespace == "":
		d.Target.Namespace = namespace
	case namespace != "" && namespace != d.Target.Namespace:
		return refuse("remove one of the two", "metadata.namespace is %s, but -n says %s", shown(d.Target.Namespace), namespace)
	}
	f := d.Spec().For
	if f.Allows(d.Target) {
		return nil
	}
	_, err := d.Open(d.Target, nil)
	var e *seal.Error
	if d.Target.Namespace == "" && errors.As(err, &e) {
		return &seal.Error{Kind: e.Kind, Field: e.Field, Msg: "sealed for " + f.String() + ", and the document names no namespace",
			Hint: "say which namespace it goes to, with -n NAMESPACE"}
	}
	return err
}

func secretOf(d *seal.Document, values seal.Values) plain {
	spec := d.Spec()
	p := plain{
		APIVersion: "v1", Kind: "Secret",
		Metadata:  metadata{Name: d.Target.Name, Namespace: d.Target.Namespace},
		Type:      spec.Type,
		Immutable: spec.Immutable,
		Data:      map[string]string{}, StringData: map[string]string{},
	}
	if t := spec.Template; t != nil && t.Metadata != nil {
		p.Metadata.Labels, p.Metadata.Annotations = t.Metadata.Labels, t.Metadata.Annotations
	}
	for name, v := range values {
		if IsText(v.Bytes()) {
			p.StringData[name] = string(v.Bytes())
		} else {
			p.Data[name] = base64.StdEncoding.EncodeToString(v.Bytes())
		}
	}
	return p
}

// IsText says whether b can be shown and comes back the same from YAML and JSON.
func IsText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
	}
	return true
}
