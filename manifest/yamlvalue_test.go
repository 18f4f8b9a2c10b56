package manifest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	kubeyaml "sigs.k8s.io/yaml"
)

// canonical returns JSON with sorted members and normal numbers.
func canonical(t *testing.T, data []byte) string {
	t.Helper()
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("decoding %s: %v", data, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestScalarsReadAsKubectlReadsThem(t *testing.T) {
	for _, s := range []string{
		"yes", "No", "ON", "off", "y", "N", "true", "False", "TRUE", "yEs", "truE",
		"~", "null", "Null", "NULL", "nULL", "''", `""`, "'yes'", `"123"`, `"null"`,
		"0", "-1", "+12", "007", "0o17", "0x1f", "0X1F", "0b101", "-0b11", "1_000", "-0x10", "0_1", "08", "0x", "0b2",
		"123456789012345678", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
		"1.5", "1.", ".5", "-.5", "+.5", "1e3", "1E3", "1e-3", "1.5e+10", "-1e3", ".5e1", "e3", "1e", "1e+", "1.2.3", "1..2", "1e1000", "._1",
		"2026-11-23", "2026-11-23T02:22:00Z", "2026-11-23 02:22:00", "2026-1-2t1:2:3.5-07:00", "2026-13-45", "2026-11",
		"12:30:45", "1:30", "10.0.0.1", "1,000", "<<", "=", "a b", "a#b", "http://x:80/y?z", "+", "1a", "0xg", "1 2",
		"!!str 123", "!!str yes", "!!int 3", "!!int 0x1f", "!!float 3", "!!float 1.5", "!!bool yes", "!!null ''", "!!null ~", "!!binary aGVsbG8=",
		"!!timestamp 2026-11-23", `!!int "3"`, `!!bool "yes"`, `! "12"`, "!!binary ''",
		"|\n  12", ">\n  yes\n  no", "|+\n  a\n\n", "\"\\u00e9\\x41\\n\"", "'it''s'",
	} {
		src := "a: " + s + "\n"
		want, err := kubeyaml.YAMLToJSON([]byte(src))
		if err != nil {
			t.Fatalf("%q: kubectl refuses it: %v", s, err)
		}
		f, err := Parse("x.yaml", []byte(src))
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		got, err := f.Docs()[0].JSON()
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		if diff := cmp.Diff(canonical(t, want), canonical(t, got)); diff != "" {
			t.Errorf("%q (-kubectl +us):\n%s", s, diff)
		}
	}
}

func TestScalarsThatHaveNoJSON(t *testing.T) {
	for s, want := range map[string]string{
		".nan":               "NaN and infinity have no JSON form",
		"-.INF":              "NaN and infinity have no JSON form",
		"!!float .inf":       "NaN and infinity have no JSON form",
		"!!int canary":       "a scalar that does not fit its tag",
		"!!bool 1":           "a scalar that does not fit its tag",
		"!!null x":           "a scalar that does not fit its tag",
		"!!float canary":     "a scalar that does not fit its tag",
		"!!timestamp now":    "a scalar that does not fit its tag",
		"!!int .nan":         "a scalar that does not fit its tag",
		"!!binary canary!":   "a !!binary scalar that is no base64 of text",
		"!!binary /w==":      "a !!binary scalar that is no base64 of text",
		"{? [canary] : b}":   "a key that JSON cannot hold (null, a list or a mapping)",
		"{~: b}":             "a key that JSON cannot hold (null, a list or a mapping)",
		"!canary x":          "a tag that is not one of YAML's own; quote the value if it begins with an exclamation mark",
		"!canary":            "a tag that is not one of YAML's own; quote the value if it begins with an exclamation mark",
		"{<<: canary}":       "a merge (<<) of something that is no mapping",
		"{<<: [{}, canary]}": "a merge (<<) of something that is no mapping",
	} {
		f, err := Parse("x.yaml", []byte("ok: 1\na: "+s+"\n"))
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		_, err = f.Docs()[0].JSON()
		if err == nil || err.Error() != "x.yaml:2: "+want {
			t.Errorf("%q: got %v, want %s", s, err, want)
		}
	}
}

func TestKeysBecomeStringsAsKubectlMakesThem(t *testing.T) {
	for _, s := range []string{
		"1", "0x10", "010", "1.5", "1e3", "1e21", "true", "yes", "No", "y", "on", "2026-11-23", "'1'", ".inf", "-.Inf", ".NaN", "+.inf",
		"a b", "18446744073709551616", "-1", "!!str 1", "!!binary YQ==",
	} {
		src := s + ": x\n"
		want, err := kubeyaml.YAMLToJSON([]byte(src))
		if err != nil {
			t.Fatalf("%q: kubectl refuses it: %v", s, err)
		}
		f, err := Parse("x.yaml", []byte(src))
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		got, err := f.Docs()[0].JSON()
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		if diff := cmp.Diff(canonical(t, want), canonical(t, got)); diff != "" {
			t.Errorf("%q (-kubectl +us):\n%s", s, diff)
		}
	}
}

func TestJSONKeepsOrderAndResolvesReferences(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"members keep their order":                 {"b: 1\na: 2\nc: {z: 1, w: 2}\n", `{"b":1,"a":2,"c":{"z":1,"w":2}}`},
		"an alias is its value":                    {"a: &x [1, 2]\nb: *x\n", `{"a":[1,2],"b":[1,2]}`},
		"a merge fills what is missing":            {"a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n", `{"a":{"p":1,"q":2},"b":{"p":1,"q":3}}`},
		"a merge after other entries adds to them": {"a: &x {p: 1}\nb:\n  q: 3\n  <<: *x\n", `{"a":{"p":1},"b":{"q":3,"p":1}}`},
		"of several merges the first wins":         {"b:\n  <<: [{p: 1}, {p: 2, q: 2}]\n", `{"b":{"p":1,"q":2}}`},
		"merges merge":                             {"a: &x {p: 1}\nb: &y {<<: *x, q: 2}\nc: {<<: *y}\n", `{"a":{"p":1},"b":{"p":1,"q":2},"c":{"p":1,"q":2}}`},
		"a merge of an aliased list":               {"a: &x [{p: 1}, {q: 2}]\nc: {<<: *x}\n", `{"a":[{"p":1},{"q":2}],"c":{"p":1,"q":2}}`},
		"a quoted merge key is a key":              {"\"<<\": {p: 1}\n", `{"<<":{"p":1}}`},
		"an alias as a key":                        {"a: &x k\n*x : 1\n", `{"a":"k","k":1}`},
		"an empty document":                        {"# nothing\n", `null`},
		"a scalar":                                 {"hello\n", `"hello"`},
		"a list":                                   {"- 1\n- a: b\n", `[1,{"a":"b"}]`},
		"numbers of JSON files stay as written":    {`{"a": 1.50, "b": 1E400, "c": 123456789012345678901234567890}`, `{"a":1.50,"b":1E400,"c":123456789012345678901234567890}`},
		"escapes of JSON files":                    {`{"a": "\ud83d\ude00\u00e9\/"}`, `{"a":"😀é/"}`},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("x", []byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Docs()[0].JSON()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrorsNeverQuoteValues(t *testing.T) {
	const canary = "canary-not-a-secret"
	for _, in := range []string{
		"password: *" + canary + "\n",
		"password: !!int " + canary + "\n",
		"password: !!float " + canary + "\n",
		"password: !!binary " + canary + "\n",
		"password: !" + canary + "!x y\n",
		"password: \"" + canary + "\n",
		"password: \"\\q" + canary + "\"\n",
		"password: '" + canary + "\n",
		"password: " + canary + ": " + canary + "\n",
		"password: @" + canary + "\n",
		"password: %" + canary + "\n",
		"%" + canary + " 1\n---\na: b\n",
		"password: {" + canary + "\n",
		"password: [" + canary + ": {}, " + canary + "\n",
		"password:\n\t" + canary + "\n",
		"password: &" + canary + " [*" + canary + "]\n",
		"password: |x" + canary + "\n",
		"password: " + canary + "\x07\n",
		"password: " + canary + "\xff\n",
		"password: " + canary + "\x00\n",
		"password: {{ " + canary + " }}\n",
		"password: a{{ .Values." + canary + " }}\n",
		"password: {<<: " + canary + "}\n",
		"? {" + canary + ": 1}\n: 2\n",
	} {
		f, err := Parse("x.yaml", []byte(in))
		refusedWithout(t, canary, in, f, err)
	}
	for _, in := range []string{
		`{"password": "` + canary + `", }`,
		`{"password": "` + canary + `\x"}`,
		`{"password": ` + canary + `}`,
		`{"password": "` + canary + `"} ` + canary,
		`{"password": "` + canary,
		`{"password": "` + canary + `\ud800"}`,
		`{"password": "{{ ` + canary + ` }}}`,
	} {
		f, err := Parse("x.json", []byte(in))
		refusedWithout(t, canary, in, f, err)
	}
}

// refusedWithout checks that reading the first document fails with an error
// that does not contain the canary.
func refusedWithout(t *testing.T, canary, in string, f *File, err error) {
	t.Helper()
	if err == nil {
		_, err = f.Docs()[0].JSON()
	}
	if err == nil {
		t.Errorf("%q: no error", in)
		return
	}
	if e := err.(*Error); strings.Contains(e.Error()+e.Hint, canary) {
		t.Errorf("%q: the error quotes it: %v (%s)", in, e, e.Hint)
	}
}

func TestWhatReadersReadDifferentlyIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"a merge that replaces an earlier entry": {"a: 1\n---\nkind: ConfigMap\n<<: {kind: Secret}\n", "x.yaml:4: a merge (<<) after an entry that it would replace; put the merge first"},
		"such a merge deeper down":               {"spec:\n  x: &m {p: 1}\n  y:\n    p: 2\n    <<: *m\n", "x.yaml:5: a merge (<<) after an entry that it would replace; put the merge first"},
		"a byte order mark at a later document":  {"a: 1\n---\n\ufeffkind: Secret\n", "x.yaml:3: a byte order mark in the middle of the file"},
		"a byte order mark behind the marks":     {"a: 1\n--- \ufeff{\"kind\": \"Secret\"}\n", "x.yaml:2: a byte order mark in the middle of the file"},
		"two byte order marks":                   {"\ufeff\ufeffkind: Secret\n", "x.yaml:1: a byte order mark in the middle of the file"},
		"UTF-16":                                 {"\xff\xfek\x00", "x.yaml:1: UTF-16 text"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(tc.in))
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestAKindBehindATagIsSeen(t *testing.T) {
	f, err := Parse("x.yaml", []byte("apiVersion: !a v1\nkind: !b Secret\nmetadata: {name: !c db}\n"))
	if err != nil {
		t.Fatal(err)
	}
	d := f.Docs()[0]
	if got := d.APIVersion() + " " + d.Kind() + " " + d.Name(); got != "v1 Secret db" {
		t.Errorf("got %s", got)
	}
}
