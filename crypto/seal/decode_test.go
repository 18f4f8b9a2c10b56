package seal

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestDecodingIsThatOfJSON holds what is taken from a tree against what encoding/json makes of the same text.
func TestDecodingIsThatOfJSON(t *testing.T) {
	docs := []string{
		`{}`, `{"format":1,"for":{"scope":"cluster"},"items":{},"envelopes":{}}`,
		`{"items":{"a":{},"":{"envelope":"e","value":"<&\u00fc\u2028\ud83d\ude00\u0000"}},"suspend":true,"immutable":false}`,
		`{"envelopes":{"e":{"wraps":{}},"f":{"sealedAt":"x","commit":"y","wraps":{"h":{"keys":[],"age":"z"},"i":{"keys":["1","2"],"wrappedBefore":["3"]}}}}}`,
		`{"template":{"metadata":{"labels":{"a":"b"}},"data":{}},"signature":{"signer":"s","sshsig":"g"},"type":"T","deletionPolicy":"Retain","onImmutable":"Refuse"}`,
	}
	for _, doc := range docs {
		tree, err := readTree([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if err := specShape.check("", tree); err != nil {
			t.Fatal(err)
		}
		got, err := decodeSpec(tree)
		if err != nil {
			t.Errorf("%.200s: %v", doc, err)
			continue
		}
		want := &Spec{}
		if err := json.Unmarshal([]byte(doc), want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%.200s is %+v, not %+v", doc, got, want)
		}
	}
	for _, doc := range []string{`{"format":1.5}`, `{"format":99999999999}`} {
		tree, err := readTree([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeSpec(tree); err == nil {
			t.Errorf("%s is taken", doc)
		}
	}
}
