package seal_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// addVectors gives a target the documents of all vectors that are not long.
func addVectors(f *testing.F) {
	f.Helper()
	for _, file := range readVectors(f) {
		for _, v := range file.Vectors {
			if doc := v.bytes(); len(doc) < 8<<10 {
				f.Add(doc)
			}
		}
	}
}

// wantDecoded: the spec is what encoding/json reads, where no member is null: it takes those for empty ones.
func wantDecoded(t *testing.T, doc []byte, got *seal.Spec) {
	t.Helper()
	var want struct {
		Spec seal.Spec `json:"spec"`
	}
	if err := json.Unmarshal(doc, &want); err != nil {
		t.Fatalf("%q is accepted: %v", doc, err)
	}
	if diff := cmp.Diff(&want.Spec, got); diff != "" && !bytes.Contains(doc, []byte("null")) {
		t.Fatalf("%q: -JSON +decoded:\n%s", doc, diff)
	}
}

// FuzzParseDocument: no panic, one of two words, and an accepted document marshals to one that says the same.
func FuzzParseDocument(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, err := seal.ParseDocument(doc)
		if err != nil {
			if word := seal.Outcome(err); word != "InvalidFormat" && word != "TooLarge" {
				t.Errorf("outcome %q of %v", word, err)
			}
			wantPlainError(t, "parsing", err)
			return
		}
		wantDecoded(t, doc, d.Spec())
		again := marshal(t, d)
		if len(again) > seal.MaxDocument {
			return
		}
		e, err := seal.ParseDocument(again)
		if err != nil {
			t.Fatalf("the document as it is marshalled: %v", err)
		}
		if diff := cmp.Diff(d.Spec(), e.Spec(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("spec (-first +second):\n%s", diff)
		}
		if d.Target != e.Target || !maps.Equal(d.Annotations, e.Annotations) || d.Class() != e.Class() {
			t.Errorf("target, annotations or class: %v, %v", d, e)
		}
	})
}

// marshal is a document as the types of the package say it.
func marshal(t *testing.T, d *seal.Document) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"apiVersion": seal.APIVersion, "kind": seal.Kind, "spec": d.Spec(),
		"metadata": map[string]any{"namespace": d.Target.Namespace, "name": d.Target.Name, "annotations": d.Annotations},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sealedThing is an item as somebody sealed it for a place.
type sealedThing struct {
	f           seal.For
	name, value string
}

// FuzzOpen: no panic, and what opens was sealed: for this place, under this name, with this value. The vectors' own documents are all that was ever sealed
// for their keys.
func FuzzOpen(f *testing.F) {
	addVectors(f)
	keys, sealed := seal.Identities{}, map[sealedThing]bool{}
	for _, file := range readVectors(f) {
		for _, v := range file.Vectors {
			maps.Copy(keys, v.keys(f))
			if v.Expect != "ok" {
				continue
			}
			d, err := seal.ParseDocument(v.bytes())
			if err != nil {
				f.Fatal(err)
			}
			for name, value := range v.Values {
				sealed[sealedThing{d.Spec().For, name, value}] = true
			}
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		values, err := openDocument(doc, keys, false)
		if err != nil {
			if seal.Outcome(err) == "" {
				t.Errorf("no outcome: %v", err)
			}
			wantPlainError(t, "opening", err)
			return
		}
		d, err := seal.ParseDocument(doc)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range values {
			if !sealed[sealedThing{d.Spec().For, name, value}] {
				t.Errorf("%s opens to what nobody sealed for %s", name, d.Spec().For)
			}
		}
	})
}

// FuzzVerifySignature: no panic, and what verifies is the one signature that was made.
func FuzzVerifySignature(f *testing.F) {
	var base *seal.Document
	for _, file := range readVectors(f) {
		for _, v := range file.Vectors {
			if file.Section != 11 {
				continue
			}
			d, err := seal.ParseDocument(v.bytes())
			if err != nil {
				f.Fatal(err)
			}
			if v.Description == "ssh-ed25519" {
				base = d
			}
			if s := d.Spec().Signature; s != nil {
				f.Add(s.Signer, s.SSHSig, d.Spec().Type)
			}
		}
	}
	if base == nil {
		f.Fatal("the vector ssh-ed25519 is gone")
	}
	made := *base.Spec().Signature
	f.Fuzz(func(t *testing.T, signer, sshsig, kind string) {
		spec := base.Spec().DeepCopy()
		spec.Type, spec.Signature = kind, &seal.Signature{Signer: signer, SSHSig: sshsig}
		c, err := seal.Check(spec)
		if err != nil {
			return
		}
		key, err := c.VerifySignature(nil)
		if err != nil {
			if seal.Outcome(err) != "BadSignature" {
				t.Errorf("outcome of %v", err)
			}
			wantPlainError(t, "verifying", err)
			return
		}
		if key == nil || kind != base.Spec().Type || signer != made.Signer {
			t.Errorf("a signature that nobody made verifies for type %q and signer %s", kind, signer)
		}
	})
}

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)

func TestEveryFuzzTargetHasSeeds(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fuzzTarget.FindAllSubmatch(text, -1) {
			targets[string(m[1])] = true
		}
	}
	if want := []string{"FuzzOpen", "FuzzParseDocument", "FuzzRSARecipient", "FuzzTree", "FuzzUnpad", "FuzzVerifySignature"}; !slices.Equal(slices.Sorted(maps.Keys(targets)), want) {
		t.Errorf("targets are %v, want %v", slices.Sorted(maps.Keys(targets)), want)
	}
	for target := range targets {
		seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", target))
		if err != nil || len(seeds) < 3 {
			t.Errorf("%s has %d committed seeds: %v", target, len(seeds), err)
		}
	}
	folders, err := os.ReadDir(filepath.Join("testdata", "fuzz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if !targets[folder.Name()] {
			t.Errorf("the seeds of %s have no target", folder.Name())
		}
	}
}
