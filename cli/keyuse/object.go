package keyuse

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Wrap is whose wrap an envelope has, and for which keys.
type Wrap struct {
	Holder       string
	Keys, Before []string // ids of keys that it is for, and that it was for earlier
}

// Object is a GitSecret as far as keys are concerned.
type Object struct {
	Namespace, Name string // Namespace is empty where the object names none
	For             seal.For
	Items           map[string]string // the envelope of each item
	Wraps           map[string][]Wrap // of each envelope that an item names, in byte order of the holders
}

// Read reads the JSON of a GitSecret, from a file or from the API server. The error is json's: whether the format takes the object is not asked.
func Read(doc []byte) (Object, error) {
	var head struct {
		Metadata struct{ Name, Namespace string }
		Spec     seal.Spec
	}
	if err := json.Unmarshal(doc, &head); err != nil {
		return Object{}, err
	}
	return New(head.Metadata.Namespace, head.Metadata.Name, &head.Spec), nil
}

// New keeps what matters of a spec, and nothing that it refers to.
func New(namespace, name string, spec *seal.Spec) Object {
	o := Object{Namespace: namespace, Name: name, For: spec.For, Items: make(map[string]string, len(spec.Items)), Wraps: map[string][]Wrap{}}
	for item, v := range spec.Items {
		o.Items[item] = v.Envelope
	}
	for _, id := range spec.Referenced() {
		wraps := spec.Envelopes[id].Wraps
		for _, holder := range slices.Sorted(maps.Keys(wraps)) {
			o.Wraps[id] = append(o.Wraps[id], Wrap{holder, slices.Clone(wraps[holder].Keys), slices.Clone(wraps[holder].WrappedBefore)})
		}
	}
	return o
}

// Could lists the items whose present value one of the keys could ever open, by what their envelopes say; in byte order.
func (o *Object) Could(keys map[string]bool) []string {
	return o.items(func(w *Wrap) bool { return anyOf(w.Keys, keys) || anyOf(w.Before, keys) })
}

// Can lists the items that are sealed for one of the keys as they are; in byte order.
func (o *Object) Can(keys map[string]bool) []string {
	return o.items(func(w *Wrap) bool { return anyOf(w.Keys, keys) })
}

func (o *Object) items(take func(w *Wrap) bool) []string {
	var names []string
	for name, id := range o.Items {
		for i := range o.Wraps[id] {
			if take(&o.Wraps[id][i]) {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return names
}

func anyOf(ids []string, keys map[string]bool) bool {
	return slices.ContainsFunc(ids, func(id string) bool { return keys[id] })
}

// File is a GitSecret in a file.
type File struct {
	Object
	Path     string
	Document int    // in the file, counted from 1
	Place    string // the namespace that it goes to, as far as file and settings say; empty where they do not
}

// Live is a GitSecret as the cluster has it.
type Live struct {
	Object
	Opened  []v1alpha1.KeyUse // with which keys, as the status says
	Exposed []string          // items that the controller calls exposed
}

// ReadLive reads the JSON of a GitSecret as the API server gives it.
func ReadLive(doc []byte) (Live, error) {
	var o v1alpha1.GitSecret
	if err := json.Unmarshal(doc, &o); err != nil {
		return Live{}, err
	}
	return Live{Object: New(o.Namespace, o.Name, &o.Spec), Opened: o.Status.Keys, Exposed: o.Status.Exposed}, nil
}

// OpenedWith says whether the controller has opened present values with the key.
func (l *Live) OpenedWith(key string) bool {
	return slices.ContainsFunc(l.Opened, func(u v1alpha1.KeyUse) bool { return u.ID == key })
}
