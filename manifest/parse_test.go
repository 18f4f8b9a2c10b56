package manifest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSplitsFiles(t *testing.T) {
	const a, b = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: prod}\n", "kind: B\n"
	for name, tc := range map[string]struct {
		in     string
		syntax Syntax
		labels []string
		texts  []string
	}{
		"an empty file":                    {"", YAML, []string{"db: document 1"}, []string{""}},
		"comments alone":                   {"# c\n\n# d", YAML, []string{"db: document 1"}, []string{"# c\n\n# d"}},
		"one document":                     {a, YAML, []string{"db: document 1 (Secret prod/a)"}, []string{a}},
		"a first mark makes no document":   {"# c\n---\n" + a, YAML, []string{"db: document 1 (Secret prod/a)"}, []string{"# c\n---\n" + a}},
		"comments stay with what precedes": {a + "# c\n---\n# d\n" + b, YAML, []string{"db: document 1 (Secret prod/a)", "db: document 2 (B)"}, []string{a + "# c\n", "---\n# d\n" + b}},
		"a last mark makes one":            {b + "---\n", YAML, []string{"db: document 1 (B)", "db: document 2"}, []string{b, "---\n"}},
		"marks in a row":                   {"---\n---\r\n--- # c\n" + b, YAML, []string{"db: document 1", "db: document 2", "db: document 3 (B)"}, []string{"---\n", "---\r\n", "--- # c\n" + b}},
		"end marks":                        {b + "...\n# c\n%YAML 1.1\n---\n" + b + "...\n# d\n", YAML, []string{"db: document 1 (B)", "db: document 2 (B)"}, []string{b + "...\n", "# c\n%YAML 1.1\n---\n" + b + "...\n# d\n"}},
		"an end mark without a next mark":  {b + "...\n" + b, YAML, []string{"db: document 1 (B)", "db: document 2 (B)"}, []string{b + "...\n", b}},
		"content on the mark's line":       {"--- {kind: B}\n---\t|\n x\n", YAML, []string{"db: document 1 (B)", "db: document 2"}, []string{"--- {kind: B}\n", "---\t|\n x\n"}},
		"what only looks like a mark":      {"a: |\n  ---\n----: 1\n---x: 2\nb: '\n ---\n'\n", YAML, []string{"db: document 1"}, []string{"a: |\n  ---\n----: 1\n---x: 2\nb: '\n ---\n'\n"}},
		"scalars and lists":                {"hello\n---\n- kind: B\n", YAML, []string{"db: document 1", "db: document 2"}, []string{"hello\n", "---\n- kind: B\n"}},
		"JSON":                             {` {"kind":"B"}` + "\n", JSON, []string{"db: document 1 (B)"}, []string{` {"kind":"B"}` + "\n"}},
		"several JSON values":              {`{"kind":"B"}{"kind":"C"}` + "\n[1]\n", JSON, []string{"db: document 1 (B)", "db: document 2 (C)", "db: document 3"}, []string{`{"kind":"B"}`, `{"kind":"C"}`, "\n[1]\n"}},
		"JSON with marks is YAML":          {"{\"kind\":\"B\"}\n---\n{\"kind\":\"C\"}\n", YAML, []string{"db: document 1 (B)", "db: document 2 (C)"}, []string{"{\"kind\":\"B\"}\n", "---\n{\"kind\":\"C\"}\n"}},
		"flow style is YAML":               {"{kind: B}\n", YAML, []string{"db: document 1 (B)"}, []string{"{kind: B}\n"}},
		"names by alias and merge":         {"x: &x {name: m}\nmetadata: *x\nkind: &k B\napiVersion: *k\n---\nx: &x {name: w, namespace: p}\nmetadata: {<<: *x, name: m}\nkind: 'B'\n", YAML, []string{"db: document 1 (B m)", "db: document 2 (B p/m)"}, nil},
		"names that are no strings":        {"kind: 1\nmetadata: {name: true, namespace: [x]}\n---\nkind: {a: b}\nmetadata: x\n", YAML, []string{"db: document 1", "db: document 2"}, nil},
		"names one would not print":        {"kind: \"\\e[0m\"\n---\nkind: " + strings.Repeat("k", 500) + "\n", YAML, []string{"db: document 1", "db: document 2"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mark := range []string{"", bom} {
				f, err := Parse("db", []byte(mark+tc.in))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(mark+tc.in, string(f.Bytes())); diff != "" {
					t.Error(diff)
				}
				if f.Syntax() != tc.syntax {
					t.Errorf("syntax is %v", f.Syntax())
				}
				var labels, texts []string
				for _, d := range f.Docs() {
					labels, texts = append(labels, d.Label()), append(texts, string(d.text))
				}
				if diff := cmp.Diff(tc.labels, labels); diff != "" {
					t.Error(diff)
				}
				if tc.texts != nil {
					if diff := cmp.Diff(tc.texts, texts); diff != "" {
						t.Error(diff)
					}
				}
			}
		})
	}
}

func TestEmptyAndNames(t *testing.T) {
	f, err := Parse("-", []byte("# c\n---\n---\n~\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: prod}\n---\n!!null\n"))
	if err != nil {
		t.Fatal(err)
	}
	var empty []bool
	for _, d := range f.Docs() {
		empty = append(empty, d.Empty())
	}
	if diff := cmp.Diff([]bool{true, false, false, false}, empty); diff != "" {
		t.Error(diff)
	}
	d := f.Docs()[2]
	got := []string{d.APIVersion(), d.Kind(), d.Name(), d.Namespace()}
	if diff := cmp.Diff([]string{"v1", "Secret", "a", "prod"}, got); diff != "" {
		t.Error(diff)
	}
	if err := d.Replace([]byte(`{"kind":"GitSecret","metadata":{"name":"b"}}`)); err != nil {
		t.Fatal(err)
	}
	got = []string{d.APIVersion(), d.Kind(), d.Name(), d.Namespace()}
	if diff := cmp.Diff([]string{"", "GitSecret", "b", ""}, got); diff != "" {
		t.Errorf("after an edit: %s", diff)
	}
	if err := f.Docs()[0].Set([]string{"kind"}, []byte(`"C"`)); err != nil || f.Docs()[0].Empty() {
		t.Errorf("an empty document that was filled: %v, empty %v", err, f.Docs()[0].Empty())
	}
}

func TestParseRefusesWithAPlace(t *testing.T) {
	const helm = "render the chart first (helm template), or seal the values another way"
	deep64 := strings.Repeat("[", 64) + strings.Repeat("]", 64)
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
		"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
	for name, tc := range map[string]struct {
		file, in  string
		line, doc int
		msg, hint string
	}{
		"a tab":                        {"x.yaml", "a: 1\nb:\n\tc: 1\n", 3, 1, "not valid YAML: found character that cannot start any token", "indent with spaces, not with tabs"},
		"wrong indentation":            {"x.yaml", "ok: 1\n---\na:\n   b: 1\n  c: 2\n", 5, 2, "not valid YAML: did not find expected key", ""},
		"an open quote":                {"x.yaml", "a: 1\nb: \"x\n", 2, 1, "not valid YAML: found unexpected end of stream", ""},
		"an open bracket":              {"x.yaml", "a: 1\nb: [1,\n", 2, 1, "not valid YAML: did not find expected node content", ""},
		"an unknown alias":             {"x.yaml", "a: 1\nb: *canary\n", 2, 1, "not valid YAML: an alias (*) to an anchor (&) that does not exist", "quote the value if it is meant to begin with *"},
		"an alias of another document": {"x.yaml", "a: &x 1\n---\nb: *x\n", 3, 2, "not valid YAML: an alias (*) to an anchor (&) that does not exist", "quote the value if it is meant to begin with *"},
		"a key twice":                  {"x.yaml", "a: 1\nb: {c: 1,\n  'c': 2}\n", 3, 1, `key "c" appears twice`, ""},
		"a key twice as kubectl reads": {"x.yaml", "1: a\n0x1: b\n", 2, 1, `key "1" appears twice`, ""},
		"a merge twice":                {"x.yaml", "<<: {a: 1}\n<<: {b: 1}\n", 2, 1, `key "<<" appears twice`, ""},
		"a long key twice":             {"x.yaml", strings.Repeat("é", 100) + ": 1\n" + strings.Repeat("é", 100) + ": 2\n", 2, 1, `key "` + strings.Repeat("é", 40) + `"... appears twice`, ""},
		"too deep":                     {"x.yaml", "a: 1\n---\nb: " + deep64 + "\n", 3, 2, "nested more than 64 levels deep", ""},
		"far too deep":                 {"x.yaml", "a: " + strings.Repeat("[", 100000), 1, 1, "not valid YAML: exceeded max depth of 10000", ""},
		"too deep in JSON":             {"x.json", "\n" + deep, 2, 1, "nested more than 64 levels deep", ""},
		"an alias bomb":                {"x.yaml", bomb, 5, 1, "aliases that expand too far", ""},
		"an alias bomb of bytes":       {"x.yaml", "a: &a " + strings.Repeat("x", 1<<16) + "\nb: [" + strings.Repeat("*a,", 300) + "]\n", 2, 1, "aliases that expand too far", ""},
		"an alias to itself":           {"x.yaml", "a: &a\n  b: *a\n", 2, 1, "nested more than 64 levels deep", ""},
		"a merge of itself":            {"x.yaml", "a: &a\n  <<: [*a, *a]\n", 2, 1, "nested more than 64 levels deep", ""},
		"too many nodes":               {"x.yaml", "a: 1\n---\n" + strings.Repeat("- \n", maxNodes+1), 2, 2, "more than 262144 nodes in one document", ""},
		"too many nodes in JSON":       {"x.json", "[" + strings.Repeat("1,", maxNodes) + "1]", 1, 1, "more than 262144 nodes in one document", ""},
		"too many documents":           {"x.yaml", strings.Repeat("---\n", maxDocuments+1), 0, 0, "more than 10000 documents", ""},
		"too many JSON values":         {"x.json", strings.Repeat("{}", maxDocuments+1), 0, 0, "more than 10000 documents", ""},
		"too large":                    {"x.yaml", strings.Repeat(" ", maxFileSize+1), 0, 0, "larger than 16 MiB", ""},
		"invalid UTF-8":                {"x.yaml", "a: 1\r\nb: \xff\n", 2, 0, "not valid UTF-8", ""},
		"UTF-16":                       {"x.yaml", "\xff\xfea\x00", 1, 0, "UTF-16 text", "save it as UTF-8; in PowerShell: … | Out-File -Encoding utf8 FILE"},
		"a NUL":                        {"x.json", "{}\n\x00", 2, 0, "a NUL byte: this is not a text file", ""},
		"a control character":          {"x.yaml", "a: 1\n# \x1b[0m\n", 2, 1, "not valid YAML: control characters are not allowed", ""},
		"the tag without a name":       {"x.yaml", "a: 1\nb: &x ! 12\n", 2, 1, "the tag ! without a name", "quote the value, or write !!str"},
		"an unknown directive":         {"x.yaml", "%YAML 3.0\n---\na: 1\n", 1, 1, "not valid YAML: found incompatible YAML document", ""},
		"half a surrogate pair":        {"x.json", `{"a":"\ud83d"}`, 1, 1, "not valid JSON: half of a surrogate pair in a string", ""},
		"JSON with a comma too many":   {"x.json", "{\"a\":1}\n{\n\"b\":1,\n}", 4, 2, "not valid JSON: expected a key in double quotes", ""},
		"JSON with a key twice":        {"x.yaml", "{\"a\":1}\n{\"b\":1,\n\"\\u0062\":2}", 3, 2, `key "b" appears twice`, ""},
		"JSON of a chart":              {"x.json", "{\n\"b\": {{ .Values.b }}\n}", 2, 1, "not valid JSON: expected a key in double quotes", helm},
		"an open conflict":             {"x.yaml", "a: 1\n<<<<<<< ours: items.a (b: {{ c }})\nb: 1\n=======\nb: 2\n>>>>>>> theirs\n", 2, 1, "a conflict marker: a merge is not resolved", "keep one side of each conflict, and delete the markers"},
		"no conflict":                  {"x.yaml", "a: 1\n<<<<<<<x: 1\n=======\n", 3, 1, "not valid YAML: could not find expected ':'", ""},
		"a chart's value":              {"x.yaml", "a: 1\nb: {{ .Values.b }}\n", 2, 1, "template text where YAML is expected", helm},
		"a chart's item":               {"x.yaml", "a:\n- {{ .b }}\n", 2, 1, "template text where YAML is expected", helm},
		"a chart's condition":          {"x.yaml", "# {{ c }}\n{{- if .Values.b }}\na: 1\n{{- end }}\n", 2, 1, "template text where YAML is expected", helm},
		"a chart's value with more":    {"x.yaml", "a: 1\nb: {{ .b }}-c\n", 2, 1, "template text where YAML is expected", helm},
		"a chart's value inside":       {"x.yaml", "a: 1\nb: x-{{ .Values.b }}\n", 2, 1, "template text in an unquoted value", helm},
		"a chart's function inside":    {"x.yaml", "a: 1\nb: x-{{ y }}-{{- include \"x\" . }}\n", 2, 1, "template text in an unquoted value", helm},
		"a chart's key":                {"x.yaml", "a: 1\nx{{ .y }}: 1\n", 2, 1, "template text in a key", helm},
		"any template in a Secret":     {"x.yaml", "kind: Secret\nstringData:\n  a: x-{{ y }}\n", 3, 1, "template text in an unquoted value", helm},
		"something else in a chart":    {"x.yaml", "a: |\n  {{ .Values.x }}\nb: [\n", 3, 1, "not valid YAML: did not find expected node content", helm},
		"the first of two problems":    {"x.yaml", "a: 1\na: 1\n---\nb: [\n", 2, 1, `key "a" appears twice`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(tc.file, []byte(tc.in))
			e, ok := err.(*Error)
			if !ok {
				t.Fatalf("got %v", err)
			}
			got := fmt.Sprintf("%d %d %s | %s", e.Line, e.Doc, e.Msg, e.Hint)
			want := fmt.Sprintf("%d %d %s | %s", tc.line, tc.doc, tc.msg, tc.hint)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			place := tc.file
			if tc.line > 0 {
				place = fmt.Sprintf("%s:%d", tc.file, tc.line)
			}
			if e.Error() != place+": "+tc.msg {
				t.Errorf("Error() is %q", e.Error())
			}
		})
	}
}

func TestParseAcceptsWhatOnlyLooksBad(t *testing.T) {
	for name, in := range map[string]string{
		"a Prometheus template":      "kind: PrometheusRule\nsummary: on {{ $labels.instance }} for {{ $value }}\n",
		"a quoted template":          "kind: Secret\na: \"{{ .Values.x }}\"\nb: '{{ x }}'\n",
		"a template in lines":        "kind: Secret\na: |\n  {{ .Values.x }}\n  {{- if }}\n",
		"a template in a comment":    "a: 1 # {{ .Values.x }}\n# {{- if }}\n",
		"64 levels":                  "a: " + strings.Repeat("[", 63) + strings.Repeat("]", 63) + "\n",
		"99 thousand expanded nodes": "a: &a [" + strings.Repeat("x,", 98) + "]\nb: [" + strings.Repeat("*a,", 1000) + "]\n",
		"10000 documents":            strings.Repeat("---\n", maxDocuments),
		"exactly 16 MiB":             strings.Repeat("#", maxFileSize-1) + "\n",
		"the same key in two places": "a: {c: 1}\nb: {c: 1}\n",
		"a key and its JSON string":  "\"<<\": 1\n<<: {a: 1}\n",
		"unusual spaces":             "a: x\u00a0y\u2003z\ufeff\n",
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("x.yaml", []byte(in))
			if err != nil {
				t.Fatal(err)
			}
			if string(f.Bytes()) != in {
				t.Error("the bytes differ")
			}
		})
	}
}

func TestTextOfAPath(t *testing.T) {
	f, err := Parse("f", []byte("a:\n  b: x\n  c: 7\n  d: \"\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"a b": "x", "a c": "none", "a d": "", "a e": "none", "a": "none", "a b c": "none", "z y": "none"} {
		got, ok := f.Docs()[0].Text(strings.Fields(path)...)
		if !ok {
			got += "none"
		}
		if got != want {
			t.Errorf("%s: %q, not %q", path, got, want)
		}
	}
}
