package seal_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// vector is one vector of docs/format.md, section 14.
type vector struct {
	Description      string            `json:"description"`
	Document         string            `json:"document,omitempty"`
	DocumentBase64   []byte            `json:"document_base64,omitzero"`
	DocumentLength   int               `json:"document_length,omitempty"`
	Identities       []string          `json:"identities"`
	RequireSignature bool              `json:"require_signature"`
	Expect           string            `json:"expect"`
	Values           map[string]string `json:"values,omitzero"`
}

type vectorFile struct {
	Section int      `json:"section"`
	Comment string   `json:"comment"`
	Vectors []vector `json:"vectors"`
}

const vectorFolder = "testdata/vectors"

func readVectors(t testing.TB) []vectorFile {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(vectorFolder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var files []vectorFile
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		var f vectorFile
		if err := dec.Decode(&f); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		files = append(files, f)
	}
	return files
}

// bytes is section 14's way from a vector to its document.
func (v vector) bytes() []byte {
	b := []byte(v.Document)
	if v.DocumentBase64 != nil {
		b = bytes.Clone(v.DocumentBase64)
	}
	if n := v.DocumentLength - len(b); n > 0 {
		b = append(b, bytes.Repeat([]byte(" "), n)...)
	}
	return b
}

func (v vector) keys(t testing.TB) seal.Identities {
	t.Helper()
	var ids []seal.Identity
	for _, text := range v.Identities {
		if der, ok := strings.CutPrefix(text, "rsa:"); ok {
			ids = append(ids, rsaIdentity(t, der))
			continue
		}
		id, err := seal.ParseIdentity(text)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return seal.NewIdentities(ids...)
}

// rsaIdentity is section 14's identity of section 4.1.
func rsaIdentity(t testing.TB, text string) seal.Identity {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return rsaParty(t, key.(*rsa.PrivateKey), nil).Identity
}

// openDocument takes a document through all of section 9.
func openDocument(doc []byte, keys seal.Keys, requireSignature bool) (map[string]string, error) {
	d, err := seal.ParseDocument(doc)
	if err != nil {
		return nil, err
	}
	if requireSignature || d.Spec().Signature != nil {
		if _, err := d.VerifySignature(d.Annotations); err != nil {
			return nil, err
		}
	}
	o, err := d.Open(d.Target, keys)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for name, v := range o.Values {
		values[name] = base64.StdEncoding.EncodeToString(v.Bytes())
	}
	return values, nil
}

func TestVectors(t *testing.T) {
	files := readVectors(t)
	count := 0
	for _, f := range files {
		good, bad := 0, 0
		for _, v := range f.Vectors {
			count++
			got, err := openDocument(v.bytes(), v.keys(t), v.RequireSignature)
			if seal.Outcome(err) != v.Expect {
				t.Errorf("section %d, %s: got %q (%v), want %q", f.Section, v.Description, seal.Outcome(err), err, v.Expect)
			}
			if v.Expect != "ok" {
				bad++
				continue
			}
			good++
			if diff := cmp.Diff(v.Values, got); diff != "" {
				t.Errorf("section %d, %s: values differ (-want +got):\n%s", f.Section, v.Description, diff)
			}
		}
		if f.Section >= 2 && f.Section <= 12 && (good == 0 || bad == 0) {
			t.Errorf("section %d has %d vectors that open and %d that do not; it needs both", f.Section, good, bad)
		}
		t.Logf("section %d: %d open, %d do not", f.Section, good, bad)
	}
	if count < 150 {
		t.Errorf("%d vectors are too few", count)
	}
}

func TestEverySectionHasVectorsWithDifferentDescriptions(t *testing.T) {
	sections, seen := map[int]bool{}, map[string]bool{}
	for _, f := range readVectors(t) {
		sections[f.Section] = true
		if f.Comment == "" {
			t.Errorf("section %d does not say where its private keys come from", f.Section)
		}
		for _, v := range f.Vectors {
			if v.Description == "" || seen[v.Description] {
				t.Errorf("section %d: the description %q is empty or not the only one", f.Section, v.Description)
			}
			seen[v.Description] = true
		}
	}
	for n := 2; n <= 12; n++ {
		if !sections[n] {
			t.Errorf("section %d has no vectors", n)
		}
	}
}
