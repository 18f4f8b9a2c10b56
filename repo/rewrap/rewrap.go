// Package rewrap puts new wraps into the text of sealed files.
//
// It finds the GitSecrets of a file, says which of their wraps are stale, and replaces wraps by envelope id and commit: by those that were made with an identity, or
// that a keyring offers and has signed. It guarantees that an edit changes the lines of those wraps and no others, that all else of an object stays as it was, signature
// included, that an object which does not check afterwards is not changed at all, and that what is offered is for exactly the recipients of a set that verifies under a
// pinned key. It opens nothing and makes no wraps (crypto/seal does, or the controller), reads and writes no files, and asks no cluster.
package rewrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

	checked seal.Class // of one that was checked as Offers took it; it must not be changed then
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

// Change is an object of a file with the wraps to put into it.
type Change struct {
	Doc   *manifest.Doc  // as Sealed gives it
	Reads *seal.Document // what it reads as
	Wraps []Wrap         // of envelopes that it has, with these commits and holders; no two for one place
}

// Replace puts wraps into the objects docs of a file, which are as Sealed gives them: into each that has the envelope, by id and commit, and a wrap of the holder in it. It
// gives the number of wraps that it replaced. Of several for one place the last one counts. After an error the documents before it may have changed: drop the file.
func Replace(docs []*manifest.Doc, wraps []Wrap) (int, error) {
	byEnvelope := map[string]map[string]Wrap{}
	for _, w := range wraps {
		if byEnvelope[w.Envelope] == nil {
			byEnvelope[w.Envelope] = map[string]Wrap{}
		}
		byEnvelope[w.Envelope][w.Holder] = w
	}
	var changes []Change
	for _, d := range docs {
		b, err := d.JSON()
		if err != nil {
			return 0, err
		}
		// One that is left alone need not be in order.
		spec, err := readSpec(d, b)
		if err != nil {
			return 0, err
		}
		wraps := fitting(spec, byEnvelope)
		if len(wraps) == 0 {
			continue
		}
		doc, err := seal.ParseDocument(b)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", d.Label(), err)
		}
		changes = append(changes, Change{Doc: d, Reads: doc, Wraps: wraps})
	}
	return Apply(changes)
}

// fitting are the wraps that an object has a place for.
func fitting(spec *seal.Spec, byEnvelope map[string]map[string]Wrap) []Wrap {
	var out []Wrap
	for _, id := range slices.Sorted(maps.Keys(spec.Envelopes)) {
		e := spec.Envelopes[id]
		for _, holder := range slices.Sorted(maps.Keys(byEnvelope[id])) {
			w := byEnvelope[id][holder]
			if _, ok := e.Wraps[holder]; ok && e.Commit == w.Commit {
				out = append(out, w)
			}
		}
	}
	return out
}

// Apply makes changes to the objects of one file, in their order, and gives the number of wraps that it replaced. After an error the documents before it may have changed: drop
// the file.
func Apply(changes []Change) (int, error) {
	n := 0
	for len(changes) > 0 {
		same := 1
		for same < len(changes) && changes[same].Doc.SameText(changes[0].Doc) {
			same++
		}
		done, err := apply(changes[:same])
		if err != nil {
			return 0, err
		}
		n, changes = n+done, changes[same:]
	}
	return n, nil
}

// apply edits objects of one document.
func apply(changes []Change) (int, error) {
	var edits []manifest.Edit
	for _, c := range changes {
		if err := c.check(); err != nil {
			return 0, err
		}
		for _, w := range c.Wraps {
			b, err := json.Marshal(w.Wrap)
			if err != nil {
				return 0, fmt.Errorf("encoding JSON: %w", err)
			}
			edits = append(edits, manifest.Edit{Doc: c.Doc, Path: []string{"spec", "envelopes", w.Envelope, "wraps", w.Holder}, JSON: b})
		}
	}
	// All else that the objects read as stays: SetAll sees to that.
	if err := manifest.SetAll(edits); err != nil {
		return 0, err
	}
	for _, c := range changes {
		if err := c.checkSize(); err != nil {
			return 0, err
		}
	}
	return len(edits), nil
}

// check says whether the object is in order with its new wraps. It was without them, so only what is new has to be looked at.
func (c Change) check() error {
	mixed := false
	for _, w := range c.Wraps {
		e := c.Reads.Spec().Envelopes[w.Envelope]
		_, has := e.Wraps[w.Holder]
		if commit, _ := c.Doc.Text("spec", "envelopes", w.Envelope, "commit"); !has || e.Commit != w.Commit || commit != w.Commit {
			return fmt.Errorf("%s: has no such wrap as a new one is for", c.Doc.Label())
		}
		class := w.checked
		if class == "" {
			var err error
			if class, err = seal.CheckWrap(w.Holder, w.Wrap); err != nil {
				return fmt.Errorf("%s: with its new wraps: %w", c.Doc.Label(), err)
			}
		}
		mixed = mixed || class != c.Reads.Class()
	}
	if !mixed {
		return nil
	}
	next := c.Reads.Spec().DeepCopy()
	for _, w := range c.Wraps {
		next.Envelopes[w.Envelope].Wraps[w.Holder] = w.Wrap
	}
	if _, err := seal.Check(next); err != nil {
		return fmt.Errorf("%s: with its new wraps: %w", c.Doc.Label(), err)
	}
	return nil
}

// checkSize is for the object with its new wraps in place.
func (c Change) checkSize() error {
	b, err := c.Doc.JSON()
	if err == nil && len(b) > seal.MaxDocument {
		err = fmt.Errorf("%s: with its new wraps: %w", c.Doc.Label(), seal.DocumentTooLarge(len(b)))
	}
	return err
}

// readSpec reads the spec of an object without checking it.
func readSpec(d *manifest.Doc, doc []byte) (*seal.Spec, error) {
	var part struct {
		Spec seal.Spec `json:"spec"`
	}
	if err := json.Unmarshal(doc, &part); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Label(), errors.New("its envelopes cannot be read"))
	}
	return &part.Spec, nil
}
