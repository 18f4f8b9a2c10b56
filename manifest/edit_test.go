package manifest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// editCase is one edit of the last document of a file.
type editCase struct {
	in   string
	path string // separated by spaces
	json string
	want string
}

type editKind int

const (
	set editKind = iota
	remove
	replace
)

func runEdits(t *testing.T, kind editKind, cases map[string]editCase) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("x", []byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			d := f.Docs()[len(f.Docs())-1]
			switch kind {
			case set:
				err = d.Set(strings.Fields(tc.path), []byte(tc.json))
			case remove:
				err = d.Delete(strings.Fields(tc.path))
			case replace:
				err = d.Replace([]byte(tc.json))
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(f.Bytes())); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSetInBlockMappings(t *testing.T) {
	runEdits(t, set, map[string]editCase{
		"a scalar keeps its line's spacing and comment":  {"a:   1   # one\nb: 2\n", "a", `"x"`, "a:   x   # one\nb: 2\n"},
		"the same value changes nothing":                 {"a: 'x'  # one\n", "a", `"x"`, "a: 'x'  # one\n"},
		"the same mapping in another order, too":         {"a: {p: 1.0, q: 2}\n", "a", `{"q":2,"p":1}`, "a: {p: 1.0, q: 2}\n"},
		"a new key among sorted ones":                    {"a: 1 # one\n# about c\nc: 3\n", "b", `2`, "a: 1 # one\nb: 2\n# about c\nc: 3\n"},
		"a new key before sorted ones":                   {"x:\n  # about b\n  b: 1\n", "x a", `1`, "x:\n  a: 1\n  # about b\n  b: 1\n"},
		"a new first key at the root, below the license": {"# license\nb: 1\n", "a", `1`, "# license\na: 1\nb: 1\n"},
		"a new key among unsorted ones goes last":        {"b: 1\na: 2\n\n# end\n", "aa", `3`, "b: 1\na: 2\naa: 3\n\n# end\n"},
		"a new key before the end mark":                  {"a: 1\n...\n# end\n", "b", `2`, "a: 1\nb: 2\n...\n# end\n"},
		"missing parents are made":                       {"a: 1\n", "b c d", `2`, "a: 1\nb:\n  c:\n    d: 2\n"},
		"a null becomes a mapping":                       {"a: # todo\nb: 1\n", "a x", `2`, "a: # todo\n  x: 2\nb: 1\n"},
		"a tilde becomes a mapping":                      {"a: ~ # todo\nb: 1\n", "a x", `2`, "a: # todo\n  x: 2\nb: 1\n"},
		"an empty flow mapping becomes a block":          {"a: {} # todo\nb: 1\n", "a x w", `2`, "a: # todo\n  x:\n    w: 2\nb: 1\n"},
		"an empty document becomes a mapping":            {"# c\n---\n", "a", `2`, "# c\n---\na: 2\n"},
		"a scalar becomes lines":                         {"a: 1 # one\nb: 2\n", "a", `"x\ny\n"`, "a: | # one\n  x\n  y\nb: 2\n"},
		"lines become a scalar":                          {"a: |- # one\n  x\n\n  y\n\n# about b\nb: 2\n", "a", `"z"`, "a: z # one\n\n# about b\nb: 2\n"},
		"kept lines become a scalar":                     {"a: |+\n  x\n\nb: 2\n", "a", `"z"`, "a: z\nb: 2\n"},
		"a mapping becomes a scalar":                     {"a: # one\n  # in\n  x: 1\n  y: 2 # in\n  # after\nb: 2\n", "a", `null`, "a: null # one\n  # after\nb: 2\n"},
		"a list becomes a mapping":                       {"a:\n- 1\n- 2\nb: 2\n", "a", `{"x":{}}`, "a:\n  x: {}\nb: 2\n"},
		"a folded scalar becomes a list":                 {"a: one\n  two # t\nb:\n  - x\n", "a", `[1,[2,{"c":3}],{"d":[],"e":4}]`, "a: # t\n  - 1\n  - - 2\n    - c: 3\n  - d: []\n    e: 4\nb:\n  - x\n"},
		"a tag goes with the old value":                  {"a: !!str 1 # one\n", "a", `2`, "a: 2 # one\n"},
		"an unused anchor goes with the old value":       {"a: &x # one\n  b: 1\n", "a", `2`, "a: 2 # one\n"},
		"an alias is replaced where it stands":           {"a: &x {b: 1}\nc: *x # c\n", "c", `2`, "a: &x {b: 1}\nc: 2 # c\n"},
		"a key is added beside a merge":                  {"a: &x {b: 1}\nc:\n  <<: *x\n  d: 1\n", "c e", `2`, "a: &x {b: 1}\nc:\n  <<: *x\n  d: 1\n  e: 2\n"},
		"an explicit key becomes a plain one":            {"? a\n: b\nc: d\n", "a", `1`, "a: 1\nc: d\n"},
		"the document's indentation is taken over":       {"a:\n    b: 1\n    c:\n      - 1\n", "a d", `{"e":[1]}`, "a:\n    b: 1\n    c:\n      - 1\n    d:\n        e:\n          - 1\n"},
		"a mapping that begins behind a tag":             {"--- !!map\nb: 1\n", "a", `1`, "--- !!map\na: 1\nb: 1\n"},
		"carriage returns stay":                          {"a: 1\r\nc: 2\r\n", "b", `{"x":"l\nm\n"}`, "a: 1\r\nb:\r\n  x: |\r\n    l\r\n    m\r\nc: 2\r\n"},
		"a byte order mark and a missing newline stay":   {"\ufeffa: 1", "b", `"x\n"`, "\ufeffa: 1\nb: \"x\\n\""},
		"lines at the end without a newline keep it off": {"c: d\na: |\n b", "e", `1`, "c: d\na: |-\n b\ne: 1"},
		"kept lines at the end without a newline, too":   {"c: d\na:\n  b: >+\n   b", "e", `1`, "c: d\na:\n  b: >-\n   b\ne: 1"},
		"other documents stay":                           {"a: 1\n---\n# two\nb: 1\n", "c", `1`, "a: 1\n---\n# two\nb: 1\nc: 1\n"},
		"the path of a GitSecret's wrap": {
			"spec:\n  envelopes:\n    01kb:\n      wraps:\n        breakglass: {keys: [77aa], age: x}\n        prod-eu: {keys: [3f2a], age: y}\n  type: Opaque # t\n",
			"spec envelopes 01kb wraps prod-eu", `{"age":"z","keys":["12e45"]}`,
			"spec:\n  envelopes:\n    01kb:\n      wraps:\n        breakglass: {keys: [77aa], age: x}\n        prod-eu:\n          age: z\n          keys:\n          - \"12e45\"\n  type: Opaque # t\n",
		},
	})
}

func TestSetInFlowMappings(t *testing.T) {
	runEdits(t, set, map[string]editCase{
		"a value":                         {"m: {a: 1, b: 2} # m\n", "m a", `"x"`, "m: {a: x, b: 2} # m\n"},
		"a value with lines is quoted":    {"m: {a: 1}\n", "m a", `"x\ny, z"`, "m: {a: \"x\\ny, z\"}\n"},
		"a mapping is written in flow":    {"m: {a: 1}\n", "m a", `{"x":[1,{}],"y":"a:b"}`, "m: {a: {x: [1, {}], \"y\": \"a:b\"}}\n"},
		"a key without a value":           {"m: {a, b: 2}\n", "m a", `1`, "m: {a: 1, b: 2}\n"},
		"a key with an empty value":       {"m: {a: , b: 2}\n", "m a", `1`, "m: {a: 1 , b: 2}\n"},
		"a new key in the middle":         {"m: {a: 1, c: 3}\n", "m b", `2`, "m: {a: 1, b: 2, c: 3}\n"},
		"a new key at the end":            {"m: {c: 1, a: 3,}\n", "m b", `2`, "m: {c: 1, a: 3, b: 2,}\n"},
		"a new key in a nested empty one": {"m: {a: {}}\n", "m a b", `2`, "m: {a: {b: 2}}\n"},
		"missing parents":                 {"m: {a: 1}\n", "m b c", `2`, "m: {a: 1, b: {c: 2}}\n"},
		"a new line among lines":          {"m: {\n  a: 1, # one\n  c: 3 # three\n}\n", "m b", `2`, "m: {\n  a: 1, # one\n  b: 2,\n  c: 3 # three\n}\n"},
		"a new last line":                 {"m: {\n  a: 1, # one\n  c: 3 # three\n}\n", "m d", `2`, "m: {\n  a: 1, # one\n  c: 3, # three\n  d: 2\n}\n"},
		"a new last line with its comma":  {"m: {\n  a: 1,\n  c: 3, # three\n}\n", "m d", `2`, "m: {\n  a: 1,\n  c: 3, # three\n  d: 2,\n}\n"},
		"a new first line":                {"m: {\n  b: 1\n}\n", "m a", `2`, "m: {\n  a: 2,\n  b: 1\n}\n"},
		"a new key after an empty value":  {"m: {a: }\n", "m b", `2`, "m: {a: , b: 2 }\n"},
		"a new line after an empty value": {"m: {\n  a:\n}\n", "m b", `2`, "m: {\n  a: ,\n  b: 2\n}\n"},
		"a root in flow":                  {"--- {a: 1}\n", "b", `"x"`, "--- {a: 1, b: x}\n"},
		"a root that is JSON stays JSON":  {"---\n{\n  \"a\": {\"b\": 1}\n}\n---\n{\n  \"a\": {\"b\": 1}\n}\n", "c", `{"x":"y"}`, "---\n{\n  \"a\": {\"b\": 1}\n}\n---\n{\n  \"a\": {\"b\": 1},\n  \"c\": {\n    \"x\": \"y\"\n  }\n}\n"},
		"beside a pair without brackets":  {"m: [a: 1]\no: {x: y}\n", "o x", `2`, "m: [a: 1]\no: {x: 2}\n"},
	})
}

func TestDelete(t *testing.T) {
	runEdits(t, remove, map[string]editCase{
		"an entry goes with its lines only":        {"a: 1\n# about b\nb: # x\n  c: 1\n\n  # in\n  d: 2\n# about e\ne: 1\n", "b", "", "a: 1\n# about b\n# about e\ne: 1\n"},
		"the last entry leaves {}":                 {"a: # note\n  # in\n  b: 1 # gone\n  # after\nc: 1\n", "a b", "", "a: {} # note\n  # in\n  # after\nc: 1\n"},
		"behind an anchor, too":                    {"a: &x\n  b: 1\nc: 1\n", "a b", "", "a: &x {}\nc: 1\n"},
		"the last entry of a document":             {"--- # c\n# d\na: 1\n# e\n", "a", "", "--- # c\n# d\n{}\n# e\n"},
		"an entry with kept lines":                 {"a: 1\nb: |+\n  x\n\nc: 1\n", "b", "", "a: 1\nc: 1\n"},
		"an entry after kept lines":                {"a: |+\n  x\nb: 1\n\nc: 1\n", "b", "", "a: |+\n  x\nc: 1\n"},
		"the end of a file without a newline":      {"a: 1\n\nb: 2", "b", "", "a: 1"},
		"an explicit key":                          {"a: 1\n? b\n: c\nd: 1\n", "b", "", "a: 1\nd: 1\n"},
		"carriage returns stay":                    {"a: 1\r\nb: 2\r\nc: 3\r\n", "b", "", "a: 1\r\nc: 3\r\n"},
		"in flow, the first":                       {"m: {a: 1, b: 2} # m\n", "m a", "", "m: {b: 2} # m\n"},
		"in flow, the last":                        {"m: {a: 1, b: 2} # m\n", "m b", "", "m: {a: 1} # m\n"},
		"in flow, the last with a comma":           {"m: {a: 1, b: 2,}\n", "m b", "", "m: {a: 1, }\n"},
		"in flow, the only one":                    {"m: { a: 1, }\n", "m a", "", "m: {}\n"},
		"in flow lines":                            {"m: {\n  a: 1, # one\n  b: 2, # two\n  c: 3 # three\n}\n", "m b", "", "m: {\n  a: 1, # one\n  c: 3 # three\n}\n"},
		"in flow lines, the last takes a comma":    {"m: {\n  a: 1, # one\n  b: 2 # two\n}\n", "m b", "", "m: {\n  a: 1 # one\n}\n"},
		"in flow lines, a comment keeps the lines": {"m: {\n  # note\n  a: 1\n}\n", "m a", "", "m: {\n  # note\n  \n}\n"},
		"in JSON lines":                            {"{\n  \"a\": {\n    \"x\": 1\n  },\n  \"b\": 2\n}\n", "a", "", "{\n  \"b\": 2\n}\n"},
		"in JSON lines, the last":                  {"{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}\n", "b", "", "{\n  \"a\": 1\n}\n"},
		"in JSON on a line":                        {`{"a":1,"b":2,"c":3}`, "b", "", `{"a":1,"c":3}`},
		"in JSON, the only one":                    {"{\n  \"a\": {\n    \"x\": 1\n  }\n}\n", "a x", "", "{\n  \"a\": {}\n}\n"},
	})
}

func TestReplace(t *testing.T) {
	const sealed = `{"kind":"GitSecret","metadata":{"name":"db"},"spec":{"items":{},"age":"-----BEGIN\nYWJj\n-----END\n","keys":["12"]}}`
	const block = "kind: GitSecret\nmetadata:\n  name: db\nspec:\n  items: {}\n  age: |\n    -----BEGIN\n    YWJj\n    -----END\n  keys:\n  - \"12\"\n"
	runEdits(t, replace, map[string]editCase{
		"a document among others":                {"a: 1\n---\n# lead\n\n# lead\nkind: Secret # k\ndata: # d\n  # in\n  a: b\n\n# end\n", "", sealed, "a: 1\n---\n# lead\n\n# lead\n" + block + "\n# end\n"},
		"a document with a comment on its mark":  {"--- # mark\nkind: Secret\n...\n# end\n", "", sealed, "--- # mark\n" + block + "...\n# end\n"},
		"a document on the line of its mark":     {"--- {kind: Secret}\n# end\n", "", sealed, "---\n" + block + "# end\n"},
		"a document with directives":             {"%YAML 1.2\n---\nkind: Secret\n", "", sealed, "%YAML 1.2\n---\n" + block},
		"a document in four columns":             {"kind: Secret\ndata:\n    a: b\n", "", sealed, block},
		"a document without a final newline":     {"a: 1", "", `{"b":"x\ny\n"}`, `b: "x\ny\n"`},
		"an indented document":                   {"# c\n  a: 1\n  b: 2\n", "", `{"b":2}`, "# c\nb: 2\n"},
		"an anchored document":                   {"--- &a !!map\na: 1\n", "", `{"b":2}`, "---\nb: 2\n"},
		"an empty document":                      {"a: 1\n---\n# c\n\n...\n", "", `{"b":2}`, "a: 1\n---\n# c\nb: 2\n\n...\n"},
		"an empty document with a mark alone":    {"a: 1\n---", "", `{"b":2}`, "a: 1\n---\nb: 2"},
		"an empty file":                          {"", "", `{"b":2}`, "b: 2\n"},
		"blank lines":                            {"\n\n", "", `{"b":2}`, "b: 2\n\n"},
		"a scalar document by a scalar":          {"--- x # c\n", "", `"true"`, "--- \"true\"\n"},
		"a document by lines":                    {"--- x\n", "", `" x\ny\n"`, "---\n|2\n   x\n  y\n"},
		"a document by a list":                   {"a: 1\n", "", `[1,[],{"a":[2]},[[3],{"b":4}]]`, "- 1\n- []\n- a:\n  - 2\n- - - 3\n  - b: 4\n"},
		"a document by nothing":                  {"a: 1\n", "", `{}`, "{}\n"},
		"a document with carriage returns":       {"a: 1\r\n---\r\nb: 1\r\n", "", `{"c":"x\ny\n"}`, "a: 1\r\n---\r\nc: |\r\n  x\r\n  y\r\n"},
		"JSON on a line":                         {`{"a":1,"b":[1,2]}` + "\n", "", `{"x":{"y":[]},"z":[1,"a\nb"]}`, `{"x":{"y":[]},"z":[1,"a\nb"]}` + "\n"},
		"JSON on a line with spaces":             {`{"a": 1, "b": 2}`, "", `{"x":{"y":[]},"z":[1]}`, `{"x": {"y": []}, "z": [1]}`},
		"JSON in lines":                          {"{\n    \"a\": 1\n}\n", "", `{"x":{"y":[]},"z":[1]}`, "{\n    \"x\": {\n        \"y\": []\n    },\n    \"z\": [\n        1\n    ]\n}\n"},
		"JSON in lines with tabs":                {"{\r\n\t\"a\": 1\r\n}", "", `{"z":[1]}`, "{\r\n\t\"z\": [\r\n\t\t1\r\n\t]\r\n}"},
		"one JSON value of several":              {"{\"a\":1}\n{\"b\":1}\n\n", "", `{"z":"<&>"}`, "{\"a\":1}\n{\"z\":\"<&>\"}\n\n"},
		"JSON between YAML marks":                {"a: 1\n---\n{\"a\": 1}\n", "", `{"z":{"x":1}}`, "a: 1\n---\n{\"z\": {\"x\": 1}}\n"},
		"numbers stay as the JSON has them":      {"a: 1\n", "", `{"b":1.50,"c":-0.0,"d":1e3,"e":123456789012345678}`, "b: 1.50\nc: -0.0\nd: 1e3\ne: 123456789012345678\n"},
		"braces are quoted, for later readers":   {"a: 1\n", "", `{"b":"x{{ .y }}"}`, "b: \"x{{ .y }}\"\n"},
		"a value that is equal is still written": {"b: 1 # c\na: 2\n", "", `{"a":2,"b":1}`, "a: 2\nb: 1\n"},
	})
}

func TestSetInJSON(t *testing.T) {
	runEdits(t, set, map[string]editCase{
		"a value on a line":              {`{"a":1,"b":2}`, "a", `{"x":[1]}`, `{"a":{"x":[1]},"b":2}`},
		"a value in lines":               {"{\n  \"a\": 1,\n  \"b\": 2\n}\n", "a", `{"x":[1]}`, "{\n  \"a\": {\n    \"x\": [\n      1\n    ]\n  },\n  \"b\": 2\n}\n"},
		"a new key on a line":            {`{"a": 1, "c": 2}`, "b", `"x"`, `{"a": 1, "b": "x", "c": 2}`},
		"a new key in lines":             {"{\n\t\"a\" : 1,\n\t\"c\" : 2\n}\n", "b", `"x"`, "{\n\t\"a\" : 1,\n\t\"b\" : \"x\",\n\t\"c\" : 2\n}\n"},
		"a new key in an empty object":   {"{\n  \"a\": {}\n}\n", "a b", `"x"`, "{\n  \"a\": {\n    \"b\": \"x\"\n  }\n}\n"},
		"a new key in an object of one":  {`{"a":{}}`, "a b", `"x"`, `{"a":{"b":"x"}}`},
		"an object on a line in lines":   {"{\n  \"a\": {\"c\": 1}\n}\n", "a d", `{"x":1}`, "{\n  \"a\": {\"c\": 1, \"d\": {\"x\": 1}}\n}\n"},
		"a null becomes an object":       {`{"a":null}`, "a b c", `1`, `{"a":{"b":{"c":1}}}`},
		"a number keeps its digits":      {`{"a":1.50,"b":1E400}`, "c", `0.10`, `{"a":1.50,"b":1E400,"c":0.10}`},
		"only one of several values":     {"{\"a\":1} {\"a\":1}\n{\"a\":1}", "b", `2`, "{\"a\":1} {\"a\":1}\n{\"a\":1,\"b\":2}"},
		"unprintable text is escaped":    {`{"a":1}`, "b", `"\u0000\u2028\u007fé\ud83d\ude00"`, `{"a":1,"b":"\u0000\u2028\u007fé😀"}`},
		"unsorted keys get it last":      {`{"b":1,"a":2}`, "aa", `3`, `{"b":1,"a":2,"aa":3}`},
		"a byte order mark stays":        {"\ufeff{\"a\":1}", "b", `2`, "\ufeff{\"a\":1,\"b\":2}"},
		"a document of a JSON-like file": {"{a: 1}\n", "b", `2`, "{a: 1, b: 2}\n"},
	})
}

func TestEditsThatAreRefused(t *testing.T) {
	anchors := "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 1\nf: &y 1\ng: [*y]\n"
	for name, tc := range map[string]struct {
		in   string
		op   editKind
		path string
		json string
		want string
	}{
		"setting inside an anchor in use":     {anchors, set, "a b", "2", "x:1: the path leads through an anchor (&) that is used elsewhere; editing there would change every place that uses it"},
		"setting inside an alias":             {anchors, set, "c b", "2", "x:2: the path leads through an alias (*); editing there would change every place that uses it"},
		"setting what a merge gives":          {anchors, set, "d b", "2", `x:4: key "b" comes from a merge (<<)`},
		"deleting what a merge gives":         {anchors, remove, "d b", "", `x:4: key "b" comes from a merge (<<)`},
		"deleting an anchor in use":           {anchors, remove, "f", "", "x:6: the value holds an anchor (&) that is used elsewhere"},
		"overwriting an anchor in use":        {anchors, set, "f", "2", "x:6: the value holds an anchor (&) that is used elsewhere"},
		"deleting a key whose anchor is used": {"&k a: 1\nb: *k\n", remove, "a", "", "x:1: the value holds an anchor (&) that is used elsewhere"},
		"a path through a scalar":             {"a: canary\n", set, "a b", "2", `x:1: the path "a", "b" leads through something that is no mapping`},
		"a path through a list":               {"a: [1]\n", set, "a 0", "2", `x:1: the path "a", "0" leads through something that is no mapping`},
		"a path in a list document":           {"- 1\n", set, "a", "2", `x:1: the path "a" leads through something that is no mapping`},
		"deleting below a scalar":             {"a: 1\n", remove, "a b", "", `x:1: the path "a", "b" leads through something that is no mapping`},
		"an empty path":                       {"a: 1\n", set, "", "2", "x:1: an empty path names no entry"},
		"deleting an empty path":              {"a: 1\n", remove, "", "", "x:1: an empty path names no entry"},
		"a value that is no JSON":             {"a: 1\n", set, "a", "canary", "x:1: the new value: not valid JSON: expected a value"},
		"two values":                          {"a: 1\n", set, "a", "1 2", "x:1: the new value is more than one JSON value"},
		"a value with a key twice":            {"a: 1\n", replace, "", `{"k":1,"k":2}`, `x:1: the new value: key "k" appears twice`},
		"a value that is no UTF-8":            {"a: 1\n", replace, "", "\"\xff\"", "x:1: the new value is not valid UTF-8"},
		"a key too long for YAML":             {"a: 1\n", replace, "", `{"` + strings.Repeat("k", 2000) + `":1}`, "x:1: cannot write this change into the document without changing something else"},
		"a number YAML has no room for":       {"a: 1\n", set, "a", "1E400", "x:1: cannot write this change into the document without changing something else"},
		"a scalar in a JSON file":             {"{}{}", replace, "", "0", "x:1: a JSON file holds objects and lists only"},
		"a document that has no JSON":         {"a: .nan\nb: 1\n", set, "b", "2", "x:1: NaN and infinity have no JSON form"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("x", []byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			d := f.Docs()[0]
			switch tc.op {
			case set:
				err = d.Set(strings.Fields(tc.path), []byte(tc.json))
			case remove:
				err = d.Delete(strings.Fields(tc.path))
			case replace:
				err = d.Replace([]byte(tc.json))
			}
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if diff := cmp.Diff(tc.in, string(f.Bytes())); diff != "" {
				t.Errorf("the document changed:\n%s", diff)
			}
		})
	}
}

func TestDeletingWhatIsNotThereIsErrNotFound(t *testing.T) {
	for name, in := range map[string]string{
		"a key":            "a: {c: 1}\n",
		"a parent":         "x: 1\n",
		"a null parent":    "a:\n",
		"an empty file":    "",
		"a key of JSON":    `{"a":{}}`,
		"a merge of it":    "x: &x {c: 1}\na: {<<: *x}\n",
		"an empty mapping": "a: {}\n",
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("x", []byte(in))
			if err != nil {
				t.Fatal(err)
			}
			err = f.Docs()[0].Delete([]string{"a", "b"})
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("got %v", err)
			}
			var e *Error
			if !errors.As(err, &e) || e.File != "x" || e.Doc != 1 || e.Msg != `no such entry: "a", "b"` {
				t.Errorf("got %#v", e)
			}
		})
	}
}

func TestAnEditIsCheckedBeforeItCounts(t *testing.T) {
	want := &value{kind: kindObject, members: []member{{key: "a", val: &value{kind: kindNumber, text: "1"}}}}
	e := &editor{syntax: YAML, text: []byte("a: 2\n")}
	for name, tc := range map[string]struct {
		text string
		ok   bool
	}{
		"what was meant":                  {"a: 1\n", true},
		"another value":                   {"a: 2\n", false},
		"one entry more":                  {"a: 1\nb: 1\n", false},
		"no YAML":                         {"a: [1\n", false},
		"two documents":                   {"a: 1\n---\n", false},
		"a line that joins the next mark": {"a: 1", false},
	} {
		t.Run(name, func(t *testing.T) {
			if ok := e.reads([]byte(tc.text), want); ok != tc.ok {
				t.Errorf("got %v", ok)
			}
		})
	}
}
