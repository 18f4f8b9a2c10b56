// Package rewrap puts new wraps into the text of sealed files.
//
// It finds the GitSecrets of a file, says which of their wraps are stale, and replaces wraps by envelope id and commit. It guarantees that an edit changes the
// lines of those wraps and no others, that all else of an object stays as it was, signature included, and that an object which does not check afterwards is not
// changed at all. It opens nothing and makes no wraps (crypto/seal does, or the controller), and reads and writes no files.
package rewrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// maxListDepth is how deep lists in lists are looked into.
const maxListDepth = 8

// Wrap is a wrap to put into place: that of Holder in the envelope with this id and commit.
type Wrap struct {
	Envelope, Commit, Holder string
	Wrap                     seal.Wrap
}

// Sealed lists the GitSecrets of a file in their order, those in lists as items.
func Sealed(file *manifest.File) []*manifest.Doc {
	var out []*manifest.Doc
	for _, d := range file.Docs() {
		out = append(out, sealedIn(d, 0)...)
	}
	return out
}

func sealedIn(d *manifest.Doc, depth int) []*manifest.Doc {
	if d.APIVersion() == seal.APIVersion && d.Kind() == seal.Kind {
		return []*manifest.Doc{d}
	}
	if depth == maxListDepth {
		return nil
	}
	var out []*manifest.Doc
	items, _ := d.Items()
	for _, item := range items {
		out = append(out, sealedIn(item, depth+1)...)
	}
	return out
}

// Stale lists the envelopes, among those that an item names, whose wrap of h is for other keys than h has now; in byte order.
func Stale(spec *seal.Spec, h seal.Holder) []string { return spec.Stale(h) }

// Make makes new wraps of h for the envelopes ids, which have one of h; envelope keys come from keys. spec stays as it is.
func Make(spec *seal.Spec, h seal.Holder, ids []string, keys seal.Keys) ([]Wrap, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	checked, err := seal.Check(spec)
	if err != nil {
		return nil, err
	}
	made, err := checked.MakeWraps(h, ids, keys)
	if err != nil {
		return nil, err
	}
	wraps := make([]Wrap, len(ids))
	for i, id := range ids {
		wraps[i] = Wrap{Envelope: id, Commit: spec.Envelopes[id].Commit, Holder: h.Name, Wrap: made[id]}
	}
	return wraps, nil
}

// Replace puts wraps into the objects docs of a file, which are as Sealed gives them: into each that has the envelope, by id and commit, and a wrap of the holder in it. It
// gives the number of wraps that it replaced. After an error the documents before it may have changed: drop the file.
func Replace(docs []*manifest.Doc, wraps []Wrap) (int, error) {
	byEnvelope := map[string][]Wrap{}
	for _, w := range wraps {
		byEnvelope[w.Envelope] = append(byEnvelope[w.Envelope], w)
	}
	n := 0
	for len(docs) > 0 {
		same := 1
		for same < len(docs) && docs[same].SameText(docs[0]) {
			same++
		}
		done, err := replaceIn(docs[:same], byEnvelope)
		if err != nil {
			return 0, err
		}
		n, docs = n+done, docs[same:]
	}
	return n, nil
}

// part is what an edit needs to know of an object. What it becomes is checked, so what it is need not be.
type part struct {
	Spec seal.Spec `json:"spec"`
}

// replaceIn edits objects of one document.
func replaceIn(docs []*manifest.Doc, byEnvelope map[string][]Wrap) (int, error) {
	var edits []manifest.Edit
	expect := map[*manifest.Doc]*seal.Spec{}
	for _, d := range docs {
		b, err := d.JSON()
		if err != nil {
			return 0, err
		}
		var p part
		if err := json.Unmarshal(b, &p); err != nil {
			return 0, fmt.Errorf("%s: %w", d.Label(), errors.New("its envelopes cannot be read"))
		}
		more, err := editsFor(d, p, byEnvelope)
		if err != nil {
			return 0, err
		}
		if len(more) == 0 {
			continue
		}
		edits = append(edits, more...)
		expect[d] = with(&p.Spec, byEnvelope)
	}
	if err := manifest.SetAll(edits); err != nil {
		return 0, err
	}
	for _, d := range docs {
		if want, ok := expect[d]; ok {
			if err := check(d, want); err != nil {
				return 0, err
			}
		}
	}
	return len(edits), nil
}

func editsFor(d *manifest.Doc, p part, byEnvelope map[string][]Wrap) ([]manifest.Edit, error) {
	var edits []manifest.Edit
	for _, id := range slices.Sorted(maps.Keys(p.Spec.Envelopes)) {
		e := p.Spec.Envelopes[id]
		for _, w := range byEnvelope[id] {
			if _, ok := e.Wraps[w.Holder]; !ok || e.Commit != w.Commit {
				continue
			}
			b, err := json.Marshal(w.Wrap)
			if err != nil {
				return nil, fmt.Errorf("encoding JSON: %w", err)
			}
			edits = append(edits, manifest.Edit{Doc: d, Path: []string{"spec", "envelopes", id, "wraps", w.Holder}, JSON: b})
		}
	}
	return edits, nil
}

// with is spec with the wraps in their places.
func with(spec *seal.Spec, byEnvelope map[string][]Wrap) *seal.Spec {
	next := spec.DeepCopy()
	for id, e := range next.Envelopes {
		for _, w := range byEnvelope[id] {
			if _, ok := e.Wraps[w.Holder]; ok && e.Commit == w.Commit {
				e.Wraps[w.Holder] = w.Wrap
			}
		}
	}
	return next
}

// check holds what an object now reads as against what it has to be.
func check(d *manifest.Doc, want *seal.Spec) error {
	b, err := d.JSON()
	if err != nil {
		return err
	}
	doc, err := seal.ParseDocument(b)
	if err != nil {
		return fmt.Errorf("%s: with its new wraps: %w", d.Label(), err)
	}
	if !reflect.DeepEqual(doc.Spec(), want) {
		return fmt.Errorf("%s: %w", d.Label(), errors.New("the new wraps cannot be written into this file"))
	}
	return nil
}
