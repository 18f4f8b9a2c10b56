package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func TestSetAllChangesTheLinesOfItsEntriesOnly(t *testing.T) {
	for name, c := range map[string]struct{ in, out string }{
		"block": {
			"# first\na:\n  x: 1 # one\n  # between\n  w: {k: v} \nb: [1]\n",
			"# first\na:\n  x: 7 # one\n  # between\n  w:\n    m: \"8\"\nb: [1]\n",
		},
		"json": {
			"{\n  \"a\": {\"x\": 1, \"w\": null}\n}\n",
			"",
		},
	} {
		f, err := Parse("f", []byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		d := f.Docs()[0]
		if err := SetAll([]Edit{{d, []string{"a", "w"}, []byte(`{"m":"8"}`)}, {d, []string{"a", "x"}, []byte(`7`)}}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := d.JSON()
		if err != nil || !strings.Contains(string(got), `{"x":7,"w":{"m":"8"}}`) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if name == "block" && string(f.Bytes()) != c.out {
			t.Errorf("%s: %q", name, f.Bytes())
		}
	}
}

func TestSetAllEditsItemsOfALongList(t *testing.T) {
	const items = 3000
	var in strings.Builder
	in.WriteString("apiVersion: v1\nkind: List\nitems:\n")
	for i := range items {
		fmt.Fprintf(&in, "- kind: A # %d\n  metadata: {name: n%d}\n  spec:\n    v: old\n", i, i)
	}
	f, err := Parse("f", []byte(in.String()))
	if err != nil {
		t.Fatal(err)
	}
	docs, ok := f.Docs()[0].Items()
	if !ok || len(docs) != items {
		t.Fatalf("%d items", len(docs))
	}
	var edits []Edit
	for _, d := range docs {
		edits = append(edits, Edit{d, []string{"spec", "v"}, []byte(`"new"`)})
	}
	if err := SetAll(edits); err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(in.String(), "v: old", "v: new"); string(f.Bytes()) != want {
		t.Error("other lines have changed")
	}
	for i, d := range docs {
		got, err := d.JSON()
		if err != nil || d.Name() != fmt.Sprintf("n%d", i) || !strings.Contains(string(got), `"v":"new"`) {
			t.Fatalf("item %d (%s) is %s, %v", i, d.Name(), got, err)
		}
	}
}

func TestSetAllSetsAllOrNone(t *testing.T) {
	const in = "a: &x {k: 1}\nb: *x\nc: {d: {e: 1}}\n---\nz: 1\n"
	for name, paths := range map[string][][]string{
		"not there": {{"c", "d"}, {"c", "n"}}, "the same": {{"c", "d"}, {"c", "d"}}, "one in the other": {{"c"}, {"c", "d"}}, "reversed": {{"c", "d"}, {"c"}},
		"shared": {{"c", "d"}, {"a", "k"}}, "empty path": {{"c", "d"}, {}}, "no mapping": {{"c", "d", "e", "f"}},
	} {
		f, err := Parse("f", []byte(in))
		if err != nil {
			t.Fatal(err)
		}
		var edits []Edit
		for i, p := range paths {
			edits = append(edits, Edit{f.Docs()[0], p, fmt.Appendf(nil, "%d", i+5)})
		}
		if err := SetAll(edits); err == nil {
			t.Errorf("%s: no error; %q", name, f.Bytes())
		}
		if string(f.Bytes()) != in {
			t.Errorf("%s: changed to %q", name, f.Bytes())
		}
	}
	f, err := Parse("f", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if err := SetAll([]Edit{{f.Docs()[0], []string{"c"}, []byte("1")}, {f.Docs()[1], []string{"z"}, []byte("2")}}); err == nil || string(f.Bytes()) != in {
		t.Errorf("two documents: %v, %q", err, f.Bytes())
	}
	if err := SetAll(nil); err != nil {
		t.Error(err)
	}
}
