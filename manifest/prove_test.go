package manifest

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

// checkProof holds what proves says of a change against a parse of the whole new document. It reports whether the change was proved.
func checkProof(t *testing.T, d *Doc, c change) (proved bool) {
	t.Helper()
	e, old, p := d.editor()
	if p != nil || e.root == nil {
		return false
	}
	want, err := c.apply(old)
	if err != nil {
		return false
	}
	target, p := locate(e.text, e.root, aliasTargets(e.root), c)
	if p != nil {
		return false
	}
	e.detectYAML()
	for _, literal := range []bool{true, false} {
		e.style.literal = literal
		splices, err := e.write(target)
		if err != nil || !e.proves(target, splices) {
			continue
		}
		proved = true
		text := applySplices(e.text, splices)
		if !e.reads(text, want) {
			t.Fatalf("%q\nbecame\n%q\nthat was proved, and is not %s", e.text, text, appendJSON(nil, want))
		}
		if got, asked := appendJSON(nil, e.got.val), appendJSON(nil, want); string(got) != string(asked) {
			t.Fatalf("%q\nbecame\n%q\nthat is %s, not %s", e.text, text, got, asked)
		}
	}
	return proved
}

// randomText is randomJSON with strings in the place of all other scalars.
func randomText(r *rand.Rand) []byte {
	var text func(v any) any
	text = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				v[k] = text(v[k])
			}
			return v
		case []any:
			for i := range v {
				v[i] = text(v[i])
			}
			return v
		case string:
			return v
		}
		return "no string"
	}
	b, _ := json.Marshal(text(randomJSON(r, 3)))
	return b
}

func TestWhatIsProvedReadsAsWanted(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 7))
	tried, proved := 0, 0
	for range 6000 {
		g, text := newDocument(r)
		f, err := Parse("f", text)
		if err != nil {
			t.Fatal(err)
		}
		path := g.entries[r.IntN(len(g.entries))].path
		v, p := parseJSONValue(randomText(r))
		if p != nil || len(path) < 2 {
			continue
		}
		tried++
		if checkProof(t, f.Docs()[0], change{path: keySteps(path), val: v}) {
			proved++
		}
	}
	if proved*8 < tried {
		t.Errorf("%d of %d changes are proved: the test says little", proved, tried)
	}
}

// FuzzProof holds proofs against whole parses for any document.
func FuzzProof(f *testing.F) {
	const wrap = `{"keys":["12e45"],"age":"-----BEGIN\nYWJj\n-----END\n"}`
	for _, text := range []string{
		"a:\n  b:\n    c: 1\n  d: 2\n", "a:\n  b: |+\n    x\n\n\n  # c\nd: 1\n", "a:\n  b:\n  - x\n  - y\n#c\n...\n", "a:\n- c: 1\n  b: {x: y} # z\n\n    # deep\n- e\n",
		"a:\r\n    b: x\r\n\r\n    c: y\r\n", "a:\n  b: &x 1\n  c: *x\n", "%YAML 1.1\n---\na:\n  b: >-\n   x\n    y\n  c: d\n", "a:\n  ? b\n  : c\n  d: e\n", "a:\n  b: x\n   # c\n  d: {{ .x }}\n",
	} {
		f.Add([]byte(text), "a", "b", []byte(wrap))
		f.Add([]byte(text), "a", "b", []byte(`"x\ny"`))
	}
	f.Fuzz(func(t *testing.T, data []byte, a, b string, val []byte) {
		file, err := Parse("f", data)
		v, p := parseJSONValue(val)
		if err != nil || p != nil {
			return
		}
		for _, d := range file.Docs() {
			checkProof(t, d, change{path: keySteps([]string{a, b}), val: v})
			checkProof(t, d, change{path: []step{{key: a}, {index: len(b), isIndex: true}, {key: b}}, val: v})
		}
	})
}

func TestWhatIsNotProved(t *testing.T) {
	const text = "a:\n  b: x\n  c: y\n"
	for name, c := range map[string]struct {
		in, val string
		proved  bool
	}{
		"an entry":                           {text, `"z"`, true},
		"one of many lines":                  {text, `{"k":["v"],"age":"l\nm\n"}`, true},
		"CR LF":                              {strings.ReplaceAll(text, "\n", "\r\n"), `"l\nm\n"`, true},
		"before comments":                    {"a:\n  b: x # b\n\n# c\n  # d\n  c: y\n", `["l"]`, true},
		"at the end":                         {"a:\n  b: x\n", `"z"`, true},
		"before a mark":                      {"a:\n  b: x\n...\n# end\n", `"l\nm\n"`, true},
		"a number":                           {text, `7`, false},
		"a member that is none":              {text, `{"k":null}`, false},
		"a text beyond ASCII":                {text, `"ü"`, false},
		"a template":                         {text, `"l\n{{ .x }}\n"`, false},
		"no last line break":                 {"a:\n  b: x", `"z"`, false},
		"before a comment that ends so":      {"a:\n  b: x\n  # end", `"z"`, false},
		"a comment that would become a text": {"a:\n  b: x\n      # c\n  c: y\n", `"l\nm\n"`, false},
		"an anchor in a comment":             {"a:\n  b: x # &c\n  c: y\n", `"z"`, false},
		"an anchor on the key":               {"a:\n  &k b: x\n  c: y\n", `"z"`, false},
		"an explicit key":                    {"a:\n  ? b\n  : x\n  c: y\n", `"z"`, false},
		"in brackets":                        {"a: {b: x, c: y}\n", `"z"`, false},
		"in brackets on lines":               {"a: {\n  b: x,\n  c: y\n}\n", `"z"`, false},
		"in JSON":                            {"{\"a\": {\"b\": \"x\"}}\n", `"z"`, false},
	} {
		f, err := Parse("f", []byte(c.in))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v, p := parseJSONValue([]byte(c.val))
		if p != nil {
			t.Fatal(p.msg)
		}
		d := f.Docs()[0]
		// Literal first, as the editor tries it.
		e, _, p := d.editor()
		if p != nil {
			t.Fatal(p.msg)
		}
		ch := change{path: keySteps([]string{"a", "b"}), val: v}
		target, p := locate(e.text, e.root, nil, ch)
		if p != nil {
			t.Fatal(p.msg)
		}
		e.detectYAML()
		e.style.literal = true
		splices, err := e.write(target)
		if got := err == nil && e.proves(target, splices); got != c.proved {
			t.Errorf("%s: proved is %t", name, got)
		}
		checkProof(t, d, ch)
	}
}

func TestTheRootIsNotProved(t *testing.T) {
	f, err := Parse("f", []byte("kind: x\nb: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if checkProof(t, f.Docs()[0], change{path: keySteps([]string{"kind"}), val: &value{kind: kindString, text: "Secret"}}) {
		t.Error("what a document may hold depends on its kind")
	}
}

func TestAnEditGoesOnAfterOneThatWasProved(t *testing.T) {
	f, err := Parse("f", []byte("a:\n  b: x # b\n  c: y\nd: [1, 2.0]\n"))
	if err != nil {
		t.Fatal(err)
	}
	d := f.Docs()[0]
	if err := SetAll([]Edit{{d, []string{"a", "b"}, []byte(`{"k":"v"}`)}, {d, []string{"a", "c"}, []byte(`"l\nm\n"`)}}); err != nil {
		t.Fatal(err)
	}
	if d.kept == nil || !d.kept.unparsed {
		t.Error("the whole document was parsed")
	}
	if got, err := d.JSON(); err != nil || string(got) != `{"a":{"b":{"k":"v"},"c":"l\nm\n"},"d":[1,2]}` {
		t.Errorf("%s, %v", got, err)
	}
	if err := d.Set([]string{"a", "b", "k"}, []byte(`"w"`)); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete([]string{"d"}); err != nil {
		t.Fatal(err)
	}
	if want := "a:\n  b: # b\n    k: w\n  c: |\n    l\n    m\n"; string(f.Bytes()) != want {
		t.Errorf("%q", f.Bytes())
	}
}
