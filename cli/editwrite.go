package cli

import (
	"maps"
	"reflect"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// applyEdit seals what is new in edit, and writes the difference, and only that, into the object's text, and signs it if there is a signer.
func applyEdit(env *Env, obj object, spec *seal.Spec, edit *secret.Edit, holders []seal.Holder, signer ssh.Signer) (warnings []string, err error) {
	next := *spec
	if err := env.sealer().Put(&next, edit.Values, holders); err != nil {
		return nil, obj.error(err)
	}
	if err := edit.Apply(&next); err != nil {
		return nil, obj.error(err)
	}
	if err := writeLabels(obj, edit.Labels); err != nil {
		return nil, err
	}
	warnings, err = changeItems(env, obj, spec, &next, slices.Concat(edit.Values.Names(), edit.Removed), signer)
	if err != nil {
		return nil, err
	}
	check, err := parseSealed(obj)
	if err != nil {
		return nil, err
	}
	if !sameMetadata(check.Spec(), &next) {
		return nil, obj.error(failed("", "the change cannot be written into this file"))
	}
	return warnings, nil
}

// sameMetadata compares what an edit may change beside the items.
func sameMetadata(a, b *seal.Spec) bool {
	return a.Type == b.Type && reflect.DeepEqual(a.Immutable, b.Immutable) &&
		maps.Equal(labels(a), labels(b)) && maps.Equal(annotations(a), annotations(b))
}

func labels(s *seal.Spec) map[string]string {
	if s.Template == nil || s.Template.Metadata == nil {
		return nil
	}
	return s.Template.Metadata.Labels
}

func annotations(s *seal.Spec) map[string]string {
	if s.Template == nil || s.Template.Metadata == nil {
		return nil
	}
	return s.Template.Metadata.Annotations
}

// writeTemplate edits what differs of the Secret's type and metadata.
func writeTemplate(d editor, old, next *seal.Spec) error {
	switch {
	case next.Type == old.Type:
	case next.Type == "":
		if err := d.Delete([]string{"spec", "type"}); err != nil {
			return err
		}
	default:
		if err := setJSON(d, next.Type, "spec", "type"); err != nil {
			return err
		}
	}
	switch {
	case reflect.DeepEqual(next.Immutable, old.Immutable):
	case next.Immutable == nil:
		if err := d.Delete([]string{"spec", "immutable"}); err != nil {
			return err
		}
	default:
		if err := setJSON(d, *next.Immutable, "spec", "immutable"); err != nil {
			return err
		}
	}
	if next.Template == nil && old.Template != nil {
		return d.Delete([]string{"spec", "template"})
	}
	if err := writeTexts(d, labels(old), labels(next), "spec", "template", "metadata", "labels"); err != nil {
		return err
	}
	return writeTexts(d, annotations(old), annotations(next), "spec", "template", "metadata", "annotations")
}

// writeTexts edits what differs between two maps of text; one that is empty now goes as a whole.
func writeTexts(d editor, old, next map[string]string, path ...string) error {
	if len(next) == 0 && len(old) > 0 {
		return d.Delete(path)
	}
	for _, key := range slices.Sorted(maps.Keys(next)) {
		if was, there := old[key]; there && was == next[key] {
			continue
		}
		if err := setJSON(d, next[key], append(slices.Clone(path), key)...); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if _, stays := next[key]; stays {
			continue
		}
		if err := d.Delete(append(slices.Clone(path), key)); err != nil {
			return err
		}
	}
	return nil
}

// writeLabels repeats changes of the Secret's labels on the GitSecret itself, where sealing has put them.
func writeLabels(obj object, change secret.Texts) error {
	if change.Empty() {
		return nil
	}
	d, err := obj.inPlace()
	if err != nil {
		return err
	}
	doc, err := d.JSON()
	if err != nil {
		return err
	}
	own, err := secret.Labels(doc)
	if err != nil {
		return obj.error(err)
	}
	return writeTexts(d, own, change.On(own), "metadata", "labels")
}
