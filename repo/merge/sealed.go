package merge

import (
	"encoding/json"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// sealed is a sound GitSecret.
type sealed struct {
	tree tree
	doc  *seal.Document
	base *seal.Spec // instead of doc, of a base with two versions: the envelopes that both have
}

func (s *sealed) spec() *seal.Spec {
	if s.base != nil {
		return s.base
	}
	return s.doc.Spec()
}

// readSealed is nil for what does not pass the checks of the format.
func readSealed(d *manifest.Doc) *sealed {
	b, err := d.JSON()
	if err != nil {
		return nil
	}
	doc, err := seal.ParseDocument(b)
	if err != nil {
		return nil
	}
	t, ok := decodeTree(b).(tree)
	if !ok {
		return nil
	}
	return &sealed{tree: t, doc: doc}
}

// newSealed checks a merged tree.
func newSealed(t tree) (*sealed, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	doc, err := seal.ParseDocument(b)
	if err != nil {
		return nil, err
	}
	return &sealed{tree: t, doc: doc}, nil
}

// withoutWraps is what a rewrap leaves alone.
func (s *sealed) withoutWraps() tree {
	var paths [][]string
	for id := range s.spec().Envelopes {
		paths = append(paths, []string{"spec", "envelopes", id, "wraps"})
	}
	return withAll(s.tree, paths, func(int) any { return nil })
}

// signed is what a signature covers (section 11), in a form that compares.
type signed struct {
	For         seal.For
	Items       map[string]seal.Item
	Envelopes   map[string]seal.Envelope
	Type        string
	Immutable   string
	Labels      map[string]string
	Annotations map[string]string
	Data        map[string]string
	Deletion    string
	OnImmutable string
	Suspend     bool
	OnObject    map[string]string
}

func (s *sealed) signed() signed {
	spec := s.spec()
	c := signed{
		For: spec.For, Type: spec.Type, Deletion: spec.DeletionPolicy, OnImmutable: spec.OnImmutable, Suspend: spec.Suspend,
		Items: map[string]seal.Item{}, Envelopes: map[string]seal.Envelope{},
		Labels: map[string]string{}, Annotations: map[string]string{}, Data: map[string]string{}, OnObject: map[string]string{},
	}
	for name, item := range spec.Items {
		c.Items[name] = item
	}
	for id, e := range spec.Envelopes {
		c.Envelopes[id] = seal.Envelope{SealedAt: e.SealedAt, Commit: e.Commit}
	}
	if spec.Immutable != nil {
		c.Immutable = "false"
		if *spec.Immutable {
			c.Immutable = "true"
		}
	}
	if t := spec.Template; t != nil {
		copyTexts(c.Data, t.Data)
		if t.Metadata != nil {
			copyTexts(c.Labels, t.Metadata.Labels)
			copyTexts(c.Annotations, t.Metadata.Annotations)
		}
	}
	for name, value := range s.doc.Annotations {
		if strings.HasPrefix(name, seal.SignedAnnotationPrefix) {
			c.OnObject[name] = value
		}
	}
	return c
}

func copyTexts(dst, src map[string]string) {
	for name, value := range src {
		dst[name] = value
	}
}
