package change

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// maxDepth is how deep members of an object are told apart by name; what lies below counts as one.
const maxDepth = 5

// Object is a GitSecret in one version of a file.
type Object struct {
	Namespace, Name string
	// Spec is what could be read of the sealed part. It is not checked where Problem is not nil.
	Spec seal.Spec
	// Problem is why the format refuses the object, or its signature; an error of package seal. Who may sign is not asked.
	Problem error
	// Doc is the JSON that it was read from.
	Doc []byte

	// fields are the members that are not sealed: their JSON by path.
	fields map[string]string
}

// Read reads the JSON of a GitSecret. What is wrong with it is the Object's Problem.
func Read(doc []byte) Object {
	o := Object{Doc: doc, fields: map[string]string{}}
	if d, err := seal.ParseDocument(doc); err != nil {
		o.Problem = err
	} else if d.Spec().Signature != nil {
		_, o.Problem = d.VerifySignature(d.Annotations)
	}
	// Decoding goes on after a member of the wrong type.
	var head struct {
		Metadata struct{ Name, Namespace string }
		Spec     seal.Spec
	}
	_ = json.Unmarshal(doc, &head)
	o.Namespace, o.Name, o.Spec = head.Metadata.Namespace, head.Metadata.Name, head.Spec

	var top map[string]json.RawMessage
	if json.Unmarshal(doc, &top) != nil {
		return o
	}
	var spec map[string]json.RawMessage
	if json.Unmarshal(top["spec"], &spec) == nil {
		delete(top, "spec")
		for _, sealed := range []string{"for", "items", "envelopes", "signature"} {
			delete(spec, sealed)
		}
		o.flatten("spec.", spec, 1)
	}
	o.flatten("", top, 0)
	return o
}

func (o *Object) flatten(prefix string, members map[string]json.RawMessage, depth int) {
	for name, raw := range members {
		var inner map[string]json.RawMessage
		if depth < maxDepth && json.Unmarshal(raw, &inner) == nil && len(inner) > 0 {
			o.flatten(prefix+name+".", inner, depth+1)
			continue
		}
		o.fields[prefix+name] = string(raw)
	}
}

// Place is namespace/name.
func (o Object) Place() string {
	if o.Namespace == "" {
		return o.Name
	}
	return o.Namespace + "/" + o.Name
}

// Holder is who can open a ciphertext, by what the envelope claims.
type Holder struct {
	Name          string   `json:"name"`
	Keys          []string `json:"keys"`
	WrappedBefore []string `json:"wrappedBefore,omitempty"`
}

// Sealing is how one item is sealed.
type Sealing struct {
	Envelope string   `json:"envelope"`
	SealedAt string   `json:"sealedAt,omitempty"` // RFC 3339
	Holders  []Holder `json:"holders"`            // in byte order of their names
}

// Sealing is how the item called name is sealed; nil where there is no such item.
func (o Object) Sealing(name string) *Sealing {
	item, ok := o.Spec.Items[name]
	if !ok {
		return nil
	}
	e := o.Spec.Envelopes[item.Envelope]
	s := &Sealing{Envelope: item.Envelope, SealedAt: e.SealedAt, Holders: make([]Holder, 0, len(e.Wraps))}
	for _, holder := range slices.Sorted(maps.Keys(e.Wraps)) {
		w := e.Wraps[holder]
		s.Holders = append(s.Holders, Holder{Name: holder, Keys: w.Keys, WrappedBefore: w.WrappedBefore})
	}
	return s
}

// itemsByEnvelope lists for each envelope the items that name it, in byte order.
func (o Object) itemsByEnvelope() map[string][]string {
	out := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(o.Spec.Items)) {
		id := o.Spec.Items[name].Envelope
		out[id] = append(out[id], name)
	}
	return out
}

// signer is who signed, empty where nobody did.
func (o Object) signer() string {
	if o.Spec.Signature == nil {
		return ""
	}
	return o.Spec.Signature.Signer
}

// match pairs the objects of two versions by namespace and name, those of the same name in their order. The result is in the order of the new version, with
// what only the old one has at the end.
func match(before, after []Object) [][2]*Object {
	key := func(o Object, seen map[string]int) string {
		name := fmt.Sprintf("%q/%q", o.Namespace, o.Name)
		seen[name]++
		return fmt.Sprintf("%s %d", name, seen[name])
	}
	olds, seen := map[string]*Object{}, map[string]int{}
	var order []string
	for i := range before {
		k := key(before[i], seen)
		olds[k] = &before[i]
		order = append(order, k)
	}
	var out [][2]*Object
	seen = map[string]int{}
	for i := range after {
		k := key(after[i], seen)
		out = append(out, [2]*Object{olds[k], &after[i]})
		delete(olds, k)
	}
	for _, k := range order {
		if o := olds[k]; o != nil {
			out = append(out, [2]*Object{o, nil})
		}
	}
	return out
}
