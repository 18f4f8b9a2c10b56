package cli

import (
	"maps"
	"reflect"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// setItems seals values and writes the difference, and only that, into the object's text, and signs it if there is a signer.
func setItems(env *Env, obj object, spec *seal.Spec, values seal.Values, holders []seal.Holder, signer ssh.Signer) (warnings []string, err error) {
	next := *spec
	if err := env.sealer().Put(&next, values, holders); err != nil {
		return nil, obj.error(err)
	}
	return changeItems(env, obj, spec, &next, values.Names(), signer)
}

// changeItems writes what differs between spec and next, the named items and their envelopes, and reads it again. A signature that was there is replaced by
// the signer's, or dropped without one.
func changeItems(env *Env, obj object, spec, next *seal.Spec, names []string, signer ssh.Signer) (warnings []string, err error) {
	if spec.Signature != nil && signer == nil {
		warnings = append(warnings, obj.label()+": the signature is dropped, for the object has changed: add --sign, or run seal sign")
	}
	if err := writeDifference(obj, spec, next, names); err != nil {
		return nil, err
	}
	check, err := parseSealed(obj)
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(check.Spec().Items, next.Items) || !reflect.DeepEqual(check.Spec().Envelopes, next.Envelopes) {
		return nil, obj.error(failed("", "the change cannot be written into this file"))
	}
	if signer != nil {
		message(env.Stderr, "seal: ", "signing "+obj.label()+": "+contents(check))
	}
	if err := signObject(env, obj, signer); err != nil {
		return nil, err
	}
	more, err := sizeWarnings(obj)
	if err != nil {
		return nil, obj.error(err)
	}
	for _, w := range more {
		warnings = append(warnings, obj.label()+": "+w)
	}
	return warnings, nil
}

// maxDeletions is how many envelopes are deleted one by one. Each is an edit of the whole document, and a hostile file can have thousands that nothing names.
const maxDeletions = 4

// writeDifference edits what differs between old and next: the named items, envelopes that come and go, type and metadata of the Secret, the signature.
func writeDifference(obj object, old, next *seal.Spec, names []string) error {
	d, err := obj.inPlace()
	if err != nil {
		return err
	}
	if err := writeEnvelopes(d, old.Envelopes, next.Envelopes); err != nil {
		return err
	}
	for _, name := range names {
		item, stays := next.Items[name]
		if !stays {
			err = d.Delete([]string{"spec", "items", name})
		} else {
			err = setJSON(d, item, "spec", "items", name)
		}
		if err != nil {
			return err
		}
	}
	if err := writeTemplate(d, old, next); err != nil {
		return err
	}
	if old.Signature != nil {
		return d.Delete([]string{"spec", "signature"})
	}
	return nil
}

// editor is a document that can be edited entry by entry.
type editor interface {
	Set(path []string, json []byte) error
	Delete(path []string) error
}

func writeEnvelopes(d editor, old, next map[string]seal.Envelope) error {
	var gone []string
	for _, id := range slices.Sorted(maps.Keys(old)) {
		if _, stays := next[id]; !stays {
			gone = append(gone, id)
		}
	}
	if len(gone) > maxDeletions {
		return setJSON(d, next, "spec", "envelopes")
	}
	for _, id := range slices.Sorted(maps.Keys(next)) {
		if _, there := old[id]; there {
			continue
		}
		if err := setJSON(d, next[id], "spec", "envelopes", id); err != nil {
			return err
		}
	}
	for _, id := range gone {
		if err := d.Delete([]string{"spec", "envelopes", id}); err != nil {
			return err
		}
	}
	return nil
}

func setJSON(d editor, v any, path ...string) error {
	b, err := secret.Marshal(v)
	if err != nil {
		return err
	}
	return d.Set(path, b)
}
