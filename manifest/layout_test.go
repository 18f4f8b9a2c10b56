package manifest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unusualLayouts are documents that are valid YAML and seldom seen.
func unusualLayouts() []string {
	return []string{
		"a: 1\n",
		"a: 1",
		"? a\n: b\nc: d\n",
		"? a\nc: d\n",
		"?   a  # c\n:   - b\n    - c\nd: e\n",
		"? |\n  block key\n: - one\n  - two\nb: 1\n",
		"a:\t1\n",
		"a: 1 \t\nb: 2\t# c\n",
		"a: 1\n \t \nb: 2\n",
		"a: &x\n  b: 1\nc: &y\n- 1\nd: &z |\n  t\n",
		"&k a: &v b\n&l c: !!str 1\n",
		"&k a: &v\n&l c: !!str\n!!str d: !!null &n\n&o e: f\n",
		"&m\na: 1\nb: 2\n",
		"!!map\na: 1\nb: 2\n",
		"--- !!map\na: 1\nb: 2\n",
		"--- &root\na: 1\nb: 2\n",
		"a: !!str\nb: !!null\nc: &e\nd: 1\n",
		"a: !<tag:yaml.org,2002:str> 1\nb: !local {c: d}\n",
		"a: &x 1\nb: &x 2\nc: *x\n*x : d\n",
		"a: {b: c, d, ? e : f, \"g\":h, i: , j: }\n",
		"a: [b, c: d, ? h : i, \"j\": k, [l], ]\n",
		"a: [\n# c\nb, # d\nc\n# e\n]\nf: {\n\n g: h # i\n\n , j: k }\n",
		"a: {b:\n c, d:\n e\n }\n",
		"a:\n- b\n-\n  - c\n- - d\n  - - e\n    -\n- f: g\n  h:\n  - i\n-   j: k\n    l: m\n- ? n\n  : o\n-\n",
		"a: |\n\n\n  b\n   c\n\n\nd: >2-\n   e\n  f\n# g\nh: |+\n\ni: |\nj: >-\n\n  k\n\n # l\nm: n\n",
		"a:\n  |\n  b\nc:\n  >\n d\n",
		"a:\n  b\n  c\n\n  d # e\nf: 'g\n\n  h'' i'\nj: \"k\\\n  l\\\"\n  m\"\n",
		"a: \"# {{ }}: b\"\nb: '{{ x }}' # {{ y }}\n",
		"'a': 1\n\"b\\x41\": 2\n3: c\ntrue: d\nno: e\n~x: f\n",
		"a: http://x/#y\nb: c#d\ne: f:g\nh: -i\nj: ?k\nl: m - n\n",
		"# c\n\n  # d\na: 1\n    # e\n# f\n",
		"  a: 1\n  b: 2\n",
		"%YAML 1.1\n%TAG !e! tag:yaml.org,2002:\n---\na: !e!str 1\n...\n# c\n",
		"%YAML 1.2\n---\na: 1\n",
		"---  \t# c\n# d\na: 1\n",
		"--- {a: 1}\n",
		"--- # c\n{a: 1,\n b: 2}\n...\n",
		"--- {\"a\": 1,\n \"b\": {\"c\": []}}\n",
		"{\n  \"a\": 1\n}\n",
		"{\"a\":1,\"b\":{}}",
		" {\n\t\"b\" : [ 1 , 2 ] ,\n\t\"c\" : { }\n}\n\n",
		"a: ünï # ö\nß: [é, {à: ç}]\n日本: 語\n😀: 😀\n",
		"a: \"\u2028\"\nb: x\u2029  y\n# \u2028\nc: \u00a0d\n",
		"a: x\u0085  y\nb: 1\n",
		"a: 1\rb: 2\r",
		"a: 1\r\nb: |\r\n  c\r\n\r\n  d\r\ne:\r\n- f\r\n",
		"\ufeff# c\na: 1\n",
		"<<: {a: 1}\nb: 2\n",
		"a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n",
		"a: |-\n b\nc: d",
		"a:\n    b:\n          c: d\n    e:\n     - f\n",
		"a: []\nb: {}\nc: [ ]\nd: { }\ne: {\n}\n",
		"a: !<x>\n- b\nc: &a\n",
	}
}

func TestAnEntryAddedAndDeletedLeavesUnusualLayoutsAsTheyWere(t *testing.T) {
	values := []string{`1`, `"x"`, `{"p":{"q":"r\ns\n"}}`, `["t",{"u":[]}]`}
	for i, in := range unusualLayouts() {
		for _, key := range []string{"zz", "0"} {
			for _, val := range values {
				t.Run(fmt.Sprintf("%d %s %s", i, key, val), func(t *testing.T) {
					addAndDelete(t, in, key, val)
				})
			}
		}
	}
}

func addAndDelete(t *testing.T, in, key, val string) {
	f, err := Parse("x.yaml", []byte(in))
	if err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	if diff := cmp.Diff(in, string(f.Bytes())); diff != "" {
		t.Fatal(diff)
	}
	d := f.Docs()[0]
	if err := d.Set([]string{key}, []byte(val)); err != nil {
		t.Fatalf("%q: setting: %v", in, err)
	}
	between := string(f.Bytes())
	if err := d.Delete([]string{key}); err != nil {
		t.Fatalf("%q: deleting: %v", between, err)
	}
	if diff := cmp.Diff(in, string(f.Bytes())); diff != "" {
		t.Errorf("set and deleted, it differs (-before +after):\n%s\nbetween:\n%s", diff, between)
	}
}
