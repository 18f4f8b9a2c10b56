package cli

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzMembers holds the members of any JSON against those that encoding/json finds.
func FuzzMembers(f *testing.F) {
	for _, doc := range []string{
		`{}`, `null`, `7`, `[{"a":1}]`, `"{"`, `{"a":1}`, ` { "a" : -1.5e3 , "b":true,"c" : null } `, `{"a":"x\"y\\","b":"\\\"}","\u00e9\"":"ü"}`, "{\n\t\"a\": {\"b\": [1, {\"c\": \"]}\"}, []]},\r\n \"d\": []\n}",
		`{"a":[],"b":{},"":"","c":[[["}"]]]}`, `{"a":1,"a":2}`, `{"a"`, `{"a":`, `{"`, `{"a"}`, `{`, `{"kind":"Secret","metadata":{"name":"db"}}`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if !json.Valid(doc) {
			members(doc) // which must not panic
			return
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(doc, &want) != nil {
			want = nil
		}
		got := members(doc)
		if len(got) != len(want) || (got == nil) != (want == nil) {
			t.Fatalf("%q has %q, not %q", doc, got, want)
		}
		for name, v := range want {
			if !bytes.Equal(got[name], v) {
				t.Fatalf("%q: %s is %q, not %q", doc, name, got[name], v)
			}
			var s string
			if json.Unmarshal(v, &s) != nil {
				s = ""
			}
			if text(v) != s {
				t.Fatalf("%q: %s is the text %q, not %q", doc, name, text(v), s)
			}
		}
	})
}
