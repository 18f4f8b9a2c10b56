package cli

import (
	"maps"
	"reflect"
	"slices"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// resealed is a GitSecret with its new spec, before it is written into the text.
type resealed struct {
	sealedObject
	next *seal.Spec
}

// reseal seals an object's values anew for the holders of its place.
func (f *fileRewrapper) reseal(obj sealedObject, keys seal.Keys) error {
	old := obj.doc.Spec()
	if len(old.Items) == 0 {
		return nil
	}
	if err := secret.CheckPlace(obj.doc, f.o.namespace); err != nil {
		return obj.error(err)
	}
	if old.Signature != nil {
		// What somebody has tampered with must not come out looking new.
		if _, err := obj.doc.VerifySignature(obj.doc.Annotations); err != nil {
			return obj.error(err)
		}
		if f.signer == nil {
			f.out.unsigned = append(f.out.unsigned, obj.label())
		}
	}
	next := *old
	if err := f.env.sealer().Reseal(&next, obj.doc.Target, f.at.holders, keys); err != nil {
		return obj.error(withIdentities(err, f.ids))
	}
	f.fresh = append(f.fresh, resealed{obj, &next})
	has := holdersOf(old)
	for _, h := range f.at.holders {
		f.out.holders[h.Name] = true
		delete(has, h.Name)
	}
	for name := range has {
		f.out.dropped[name]++
	}
	f.out.changed++
	return nil
}

// writeFresh writes the new specs into the file's text: items and envelopes of all objects of a document together, then signatures go, or are made anew.
func (f *fileRewrapper) writeFresh() error {
	for rest := f.fresh; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].text.SameText(rest[0].text) {
			n++
		}
		if err := f.writeResealed(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// writeResealed edits one document.
func (f *fileRewrapper) writeResealed(objects []resealed) error {
	var edits []manifest.Edit
	set := func(o resealed, v any, path ...string) error {
		b, err := secret.Marshal(v)
		edits = append(edits, manifest.Edit{Doc: o.text, Path: path, JSON: b})
		return err
	}
	signed := 0
	for _, o := range objects {
		for _, name := range slices.Sorted(maps.Keys(o.next.Items)) {
			if err := set(o, o.next.Items[name], "spec", "items", name); err != nil {
				return err
			}
		}
		if err := set(o, o.next.Envelopes, "spec", "envelopes"); err != nil {
			return err
		}
		if o.doc.Spec().Signature != nil || f.signer != nil {
			signed++
		}
	}
	if signed > maxItemEdits {
		return objects[0].error(failed("write them as documents of their own", "more than %d objects with signatures in one list", maxItemEdits))
	}
	if err := manifest.SetAll(edits); err != nil {
		return err
	}
	for _, o := range objects {
		if err := o.finish(); err != nil {
			return err
		}
		if err := signObject(f.env, o.object, f.signer); err != nil {
			return err
		}
	}
	return nil
}

// finish drops the signature, and holds the object against what it has to be.
func (o resealed) finish() error {
	if o.doc.Spec().Signature != nil {
		if err := o.text.Delete([]string{"spec", "signature"}); err != nil {
			return err
		}
	}
	b, err := o.text.JSON()
	if err != nil {
		return err
	}
	doc, err := seal.ParseDocument(b)
	if err != nil {
		return o.error(err)
	}
	if !reflect.DeepEqual(doc.Spec(), o.next) {
		return o.error(failed("", "the change cannot be written into this file"))
	}
	return nil
}
