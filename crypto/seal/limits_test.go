package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// numbered are n values of a size.
func numbered(n, size int) seal.Values {
	v := seal.Values{}
	for i := range n {
		v[fmt.Sprintf("k%d", i)] = seal.NewValue(bytes.Repeat([]byte{'v'}, size))
	}
	return v
}

func TestItemsUpToTheLimit(t *testing.T) {
	p := classical(t)
	spec := mustSeal(t, strictDB, numbered(seal.MaxItems, 1), holder("prod", p))
	if got, err := open(spec, prodDB, p); err != nil || len(got) != seal.MaxItems {
		t.Errorf("%d values, %v", len(got), err)
	}
	before := spec.DeepCopy()
	if err := sealer().Put(spec, values("more", "v"), []seal.Holder{holder("prod", p)}); seal.Outcome(err) != "InvalidFormat" {
		t.Errorf("one more: %v", err)
	}
	if diff := cmp.Diff(before, spec); diff != "" {
		t.Error("one more changed the object")
	}
	doc := forge.Document(spec, prodDB)
	if _, err := seal.ParseDocument(doc.JSON()); err != nil {
		t.Error(err)
	}
	if _, err := seal.ParseDocument(doc.Set(doc.Get("spec", "items", "k0"), "spec", "items", "more").JSON()); seal.Outcome(err) != "InvalidFormat" {
		t.Errorf("one more in a document: %v", err)
	}
}

func TestValuesUpToTheLimit(t *testing.T) {
	p := classical(t)
	spec := mustSeal(t, strictDB, numbered(1, largestValue), holder("prod", p))
	got, err := open(spec, prodDB, p)
	if err != nil || len(got["k0"]) != largestValue {
		t.Errorf("%d bytes, %v", len(got["k0"]), err)
	}
	if doc := forge.Document(spec, prodDB).JSON(); len(doc) > seal.MaxDocument {
		t.Errorf("the largest value does not fit into a document: %d bytes", len(doc))
	}
	before := document(spec, prodDB)
	err = sealer().Put(spec, values("more", "v"), []seal.Holder{holder("prod", p)})
	if seal.Outcome(err) != "TooLarge" || !strings.Contains(err.Error(), "1 MiB") || string(document(spec, prodDB)) != string(before) {
		t.Errorf("one value more: %v", err)
	}
	if _, err := sealer().Seal(strictDB, numbered(1, largestValue+1), []seal.Holder{holder("prod", p)}); seal.Outcome(err) != "TooLarge" {
		t.Errorf("one byte more: %v", err)
	}
	if _, err := seal.ParseDocument(overfull(forge.Document(spec, prodDB))); seal.Outcome(err) != "TooLarge" {
		t.Errorf("a document that no Sealer made: %v", err)
	}
}

// largestValue is what one item alone can hold (section 12).
const largestValue = seal.MaxValues - 4

// overfull adds an item of the least size to a document that has no room for it; it needs no key to be refused.
func overfull(doc forge.Tree) []byte {
	item := map[string]any{"envelope": doc.Get("spec", "items", "k0", "envelope"), "value": base64.StdEncoding.EncodeToString(make([]byte, 92))}
	return doc.Set(item, "spec", "items", "more").JSON()
}

func TestADocumentThatIsTooLongSaysSo(t *testing.T) {
	_, err := seal.ParseDocument(make([]byte, seal.MaxDocument+1))
	var e *seal.Error
	if !errors.As(err, &e) || seal.Outcome(err) != "TooLarge" || !strings.Contains(e.Msg, "1.5 MiB") || e.Hint == "" {
		t.Errorf("got %v", err)
	}
	if _, err := seal.ParseDocument(make([]byte, seal.MaxDocument)); seal.Outcome(err) != "InvalidFormat" {
		t.Errorf("one byte less: %v", err)
	}
}

func TestHoldersUpToTheLimit(t *testing.T) {
	p := classical(t)
	var hs []seal.Holder
	for i := range seal.MaxWraps {
		h := seal.Holder{Name: fmt.Sprintf("h%d", i), Recipients: []seal.Recipient{p.Recipient}}
		for len(h.Recipients) < seal.MaxRecipients {
			h.Recipients = append(h.Recipients, classical(t).Recipient)
		}
		hs = append(hs, h)
	}
	spec := mustSeal(t, strictDB, values("x", "y"), hs...)
	if got, err := open(spec, prodDB, p); err != nil || got["x"] != "y" {
		t.Errorf("%v, %v", got, err)
	}
}
