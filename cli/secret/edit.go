package secret

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Edit is what a person has changed in an opened Secret.
type Edit struct {
	Values              seal.Values // added and changed
	Removed             []string    // keys, sorted
	Labels, Annotations Texts
	Type                *string // nil for unchanged
	// Immutable is the new value where ImmutableChanged.
	Immutable        *bool
	ImmutableChanged bool
	Warnings         []string // for the user; they name fields only
}

// Texts are changes of a map of text.
type Texts struct {
	Set     map[string]string
	Removed []string
}

// Empty says whether nothing changes.
func (t Texts) Empty() bool { return len(t.Set) == 0 && len(t.Removed) == 0 }

// On gives m with the changes; m stays as it is.
func (t Texts) On(m map[string]string) map[string]string {
	next := maps.Clone(m)
	if next == nil {
		next = map[string]string{}
	}
	maps.Copy(next, t.Set)
	for _, key := range t.Removed {
		delete(next, key)
	}
	return next
}

// Empty says whether nothing has changed.
func (e *Edit) Empty() bool {
	return len(e.Values) == 0 && len(e.Removed) == 0 && e.Labels.Empty() && e.Annotations.Empty() && e.Type == nil && !e.ImmutableChanged
}

// Compare says what has changed from was to now, both the JSON of a Secret, was as Open gives it. What cannot be carried into the GitSecret is refused by name.
func Compare(was, now []byte) (*Edit, error) {
	old, err := read(was)
	if err != nil {
		return nil, err
	}
	s, err := read(now)
	if err != nil {
		return nil, err
	}
	if s.name != old.name || s.namespace != old.namespace {
		return nil, refuse("what is sealed is bound to its place: for another one, seal a Secret of its own",
			"the Secret is now %s, and was %s", shown(s.namespace+"/"+s.name), shown(old.namespace+"/"+old.name))
	}
	if len(s.values) == 0 && len(old.values) > 0 {
		return nil, refuse("if the Secret is to go, remove its file from Git", "the Secret has no data any more")
	}
	if err := s.checkContent(SealOptions{AllowEmpty: true}); err != nil {
		return nil, err
	}
	e := &Edit{
		Values: seal.Values{},
		Labels: changes(old.labels, s.labels), Annotations: changes(old.annotations, s.annotations),
		Immutable: s.immutable, ImmutableChanged: !reflect.DeepEqual(old.immutable, s.immutable),
	}
	if s.typ != old.typ {
		e.Type = &s.typ
		e.Warnings = append(e.Warnings, "the type of a Secret that exists already cannot be changed: the controller will say ImmutableConflict")
	}
	for _, name := range s.values.Names() {
		if v, there := old.values[name]; !there || !bytes.Equal(v.Bytes(), s.values[name].Bytes()) {
			e.Values[name] = s.values[name]
		}
	}
	for _, name := range old.values.Names() {
		if _, stays := s.values[name]; !stays {
			e.Removed = append(e.Removed, name)
		}
	}
	e.Warnings = append(e.Warnings, s.warnings()...)
	return e, e.checkMetadata()
}

func changes(old, now map[string]string) Texts {
	t := Texts{Set: map[string]string{}}
	for key, text := range now {
		if was, there := old[key]; !there || was != text {
			t.Set[key] = text
		}
	}
	for key := range old {
		if _, stays := now[key]; !stays {
			t.Removed = append(t.Removed, key)
		}
	}
	slices.Sort(t.Removed)
	return t
}

// checkMetadata refuses labels and annotations that sealing would not carry to the Secret: those of the GitSecret itself are not shown to the person, so nothing tells what the change means.
func (e *Edit) checkMetadata() error {
	const hint = "it is about the object in Git, or speaks to another controller: write it under metadata of the GitSecret itself"
	for _, key := range slices.Sorted(maps.Keys(e.Labels.Set)) {
		if !v1alpha1.TemplateMayCarry(key) {
			return refuse(hint, "metadata.labels[%s] cannot be put on the Secret", shown(key))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(e.Annotations.Set)) {
		if isCopy(key) || key == trackingID || aboutGit(key) || !v1alpha1.TemplateMayCarry(key) {
			return refuse(hint, "metadata.annotations[%s] cannot be put on the Secret", shown(key))
		}
	}
	return nil
}

// Apply makes the changes in spec that need no key: all but Values. The signature is dropped.
func (e *Edit) Apply(spec *seal.Spec) error {
	if len(e.Removed) > 0 {
		if err := seal.Remove(spec, e.Removed...); err != nil {
			return err
		}
	}
	spec.Signature = nil
	if e.Type != nil {
		spec.Type = *e.Type
	}
	if e.ImmutableChanged {
		spec.Immutable = e.Immutable
	}
	if e.Labels.Empty() && e.Annotations.Empty() {
		return nil
	}
	t := spec.Template.DeepCopy()
	if t == nil {
		t = &seal.Template{}
	}
	if t.Metadata == nil {
		t.Metadata = &seal.TemplateMetadata{}
	}
	t.Metadata.Labels, t.Metadata.Annotations = e.Labels.On(t.Metadata.Labels), e.Annotations.On(t.Metadata.Annotations)
	spec.Template = t
	if len(t.Metadata.Labels)+len(t.Metadata.Annotations)+len(t.Data) == 0 {
		spec.Template = nil
	}
	return nil
}

// Labels gives metadata.labels of the JSON of an object.
func Labels(doc []byte) (map[string]string, error) {
	top, err := readObject("the document", doc)
	if err != nil {
		return nil, err
	}
	var m object
	if json.Unmarshal(top["metadata"], &m) != nil {
		return nil, nil
	}
	return readStrings("metadata.labels", m["labels"])
}
