package secret

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// SealOptions say how Seal seals.
type SealOptions struct {
	Sealer    seal.Sealer
	Holders   []seal.Holder
	Scope     string // strict, namespace, cluster or match:GLOB
	Namespace string // for a Secret that names none; another one than the Secret's is refused
	// DefaultNamespace is for a Secret that names none where Namespace is empty, too.
	DefaultNamespace string
	AllowEmpty       bool // seal a Secret without data
}

// document is a GitSecret as it is written, in the order that people read it.
type document struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Metadata   metadata  `json:"metadata"`
	Spec       seal.Spec `json:"spec"`
}

type metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Sealed is a sealed Secret.
type Sealed struct {
	JSON     []byte      // the GitSecret
	Values   seal.Values // what was sealed
	Warnings []string    // for the user; they name fields only
}

// Seal turns the JSON of a Secret into the JSON of a GitSecret.
func Seal(doc []byte, o SealOptions) (*Sealed, error) {
	s, err := read(doc)
	if err != nil {
		return nil, err
	}
	if err := s.checkContent(o); err != nil {
		return nil, err
	}
	f, err := s.place(o)
	if err != nil {
		return nil, err
	}
	spec, err := o.Sealer.Seal(f, s.values, o.Holders)
	if err != nil {
		return nil, err
	}
	out, err := Marshal(s.document(spec))
	if err != nil {
		return nil, err
	}
	size, err := CheckSize(out)
	if err != nil {
		return nil, err
	}
	return &Sealed{JSON: out, Values: s.values, Warnings: slices.Concat(s.warnings(), size)}, nil
}

func (s *source) document(spec *seal.Spec) document {
	own, annotations := s.splitAnnotations()
	spec.Type, spec.Immutable = s.typ, s.immutable
	if labels := s.templateLabels(); len(labels)+len(annotations) > 0 {
		spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Labels: labels, Annotations: annotations}}
	}
	return document{
		APIVersion: seal.APIVersion, Kind: seal.Kind,
		Metadata: metadata{Name: s.name, Namespace: s.namespace, Labels: s.labels, Annotations: own},
		Spec:     *spec,
	}
}

func (s *source) checkContent(o SealOptions) error {
	switch s.typ {
	case typeServiceAccount, typeBootstrap:
		return refusedType(s.typ)
	}
	if len(s.values) == 0 && !o.AllowEmpty {
		return refuse("add data or stringData, or pass --allow-empty", "the Secret has no data")
	}
	return s.checkCopies()
}

// place is what the scope binds. It settles the namespace first.
func (s *source) place(o SealOptions) (seal.For, error) {
	switch {
	case s.namespace == "":
		s.namespace = cmp.Or(o.Namespace, o.DefaultNamespace)
	case o.Namespace != "" && o.Namespace != s.namespace:
		return seal.For{}, refuse("remove one of the two", "metadata.namespace is %s, but -n says %s", s.namespace, o.Namespace)
	}
	f := seal.For{Scope: o.Scope}
	switch {
	case o.Scope == seal.ScopeStrict:
		f.Namespace, f.Name = s.namespace, s.name
	case o.Scope == seal.ScopeNamespace:
		f.Namespace = s.namespace
	case strings.HasPrefix(o.Scope, seal.ScopeMatch):
		f.Name = s.name
	}
	if s.namespace == "" && (o.Scope == seal.ScopeStrict || o.Scope == seal.ScopeNamespace) {
		return f, refuse("give it with -n NAMESPACE, or in metadata.namespace", "the Secret has no namespace, and scope %s binds to one", o.Scope)
	}
	if err := f.Check(); err != nil {
		return f, err
	}
	if s.namespace != "" && !f.Allows(seal.Target{Namespace: s.namespace, Name: s.name}) {
		return f, refuse("seal with a pattern that matches, or without a namespace", "scope %s does not match the Secret's own namespace %s", o.Scope, s.namespace)
	}
	return f, nil
}

// requiredKeys are the keys without which the API server refuses a Secret of type t: each alternative is one set of them.
func requiredKeys(t string) [][]string {
	switch t {
	case "kubernetes.io/tls":
		return [][]string{{"tls.crt", "tls.key"}}
	case "kubernetes.io/dockerconfigjson":
		return [][]string{{".dockerconfigjson"}}
	case "kubernetes.io/dockercfg":
		return [][]string{{".dockercfg"}}
	case "kubernetes.io/ssh-auth":
		return [][]string{{"ssh-privatekey"}}
	case "kubernetes.io/basic-auth":
		return [][]string{{"username"}, {"password"}}
	}
	return nil
}

func (s *source) warnings() []string {
	out := slices.Concat(s.repeated(), s.left(), s.variables())
	for _, field := range s.dropped {
		out = append(out, field+" is left out: it has no place in a GitSecret")
	}
	if missing := MissingKeys(s.typ, s.values.Names()); missing != "" {
		out = append(out, missing)
	}
	return out
}

// MissingKeys warns of a Secret of type t that has these keys and not those that the API server wants; empty where there is nothing to say.
func MissingKeys(t string, names []string) string {
	var wants []string
	for _, keys := range requiredKeys(t) {
		if !slices.ContainsFunc(keys, func(k string) bool { return !slices.Contains(names, k) }) {
			return ""
		}
		wants = append(wants, strings.Join(keys, " and "))
	}
	if len(wants) == 0 {
		return ""
	}
	return fmt.Sprintf("a Secret of type %s needs the key %s; the API server will refuse it", t, strings.Join(wants, " or "))
}

// CheckSize holds the JSON of a GitSecret against the limits of the API server: an error above what etcd takes, a warning above what kubectl apply takes.
func CheckSize(doc []byte) (warnings []string, err error) {
	switch n := len(doc); {
	case n > seal.MaxDocument:
		return nil, seal.DocumentTooLarge(n)
	case n > seal.WarnDocument:
		return []string{fmt.Sprintf("the object is %d KiB as JSON; above 256 KiB kubectl apply works only with --server-side", n>>10)}, nil
	}
	return nil, nil
}

// Marshal is json.Marshal without HTML escapes.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
