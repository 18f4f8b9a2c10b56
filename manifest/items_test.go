package manifest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const listYAML = `apiVersion: v1
kind: List
items:
# one
- kind: A # a
  metadata: {name: x}
# two
-   kind: B
    metadata:
      name: w
- - nested
-
metadata: {}
`

func TestItemsOfAListAreEditedInPlace(t *testing.T) {
	f, err := Parse("l.yaml", []byte(listYAML))
	if err != nil {
		t.Fatal(err)
	}
	items, ok := f.Docs()[0].Items()
	if !ok || len(items) != 4 {
		t.Fatalf("got %v, %d items", ok, len(items))
	}
	if diff := cmp.Diff([]string{"l.yaml: document 1 item 2 (B w)", "l.yaml: document 1 item 3"}, []string{items[1].Label(), items[2].Label()}); diff != "" {
		t.Error(diff)
	}
	if !items[3].Empty() || items[1].Empty() {
		t.Error("wrong items are empty")
	}
	for _, step := range []error{
		items[1].Replace([]byte(`{"kind":"C","metadata":{"name":"z","namespace":"p"},"age":"l\nm\n"}`)),
		items[0].Set([]string{"metadata", "labels", "app"}, []byte(`"w"`)),
		items[1].Delete([]string{"metadata", "name"}),
		items[2].Replace([]byte(`"text"`)),
		items[3].Set([]string{"kind"}, []byte(`"D"`)),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	want := `apiVersion: v1
kind: List
items:
# one
- kind: A # a
  metadata: {labels: {app: w}, name: x}
# two
- kind: C
  metadata:
    namespace: p
  age: |
    l
    m
- text
- kind: D
metadata: {}
`
	if diff := cmp.Diff(want, string(f.Bytes())); diff != "" {
		t.Error(diff)
	}
	if got := items[1].Label(); got != "l.yaml: document 1 item 2 (C p/)" {
		t.Errorf("after the edits the label is %q", got)
	}
	got, err := items[3].JSON()
	if diff := cmp.Diff(`{"kind":"D"}`, string(got)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestItemsOfAListInJSON(t *testing.T) {
	f, err := Parse("l.json", []byte(`{"apiVersion":"v1","kind":"List","items":[{"kind":"A"},{"kind":"B"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	items, ok := f.Docs()[0].Items()
	if !ok || len(items) != 2 {
		t.Fatalf("got %v, %d items", ok, len(items))
	}
	if err := items[1].Replace([]byte(`{"kind":"C"}`)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"apiVersion":"v1","kind":"List","items":[{"kind":"A"},{"kind":"C"}]}`, string(f.Bytes())); diff != "" {
		t.Error(diff)
	}
}

func TestItemsThatAreGoneOrSharedAreRefused(t *testing.T) {
	f, err := Parse("l.yaml", []byte("apiVersion: v1\nkind: List\nitems: [{kind: A}, {kind: B}]\n---\napiVersion: v1\nkind: List\nx: &x {kind: A}\nitems: [*x]\n"))
	if err != nil {
		t.Fatal(err)
	}
	items, _ := f.Docs()[0].Items()
	if err := f.Docs()[0].Set([]string{"items"}, []byte(`[]`)); err != nil {
		t.Fatal(err)
	}
	if err := items[1].Replace([]byte(`{}`)); !errors.Is(err, ErrNotFound) {
		t.Errorf("replacing an item that is gone: %v", err)
	}
	if _, err := items[1].JSON(); err == nil {
		t.Error("reading an item that is gone: no error")
	}
	shared, _ := f.Docs()[1].Items()
	if err := shared[0].Set([]string{"kind"}, []byte(`"B"`)); err == nil {
		t.Error("editing an aliased item: no error")
	}
}

func TestOnlyListsHaveItems(t *testing.T) {
	for name, in := range map[string]string{
		"another kind":    "apiVersion: v1\nkind: SecretList\nitems: []\n",
		"another version": "apiVersion: x/v1\nkind: List\nitems: []\n",
		"no list":         "apiVersion: v1\nkind: List\nitems: {}\n",
		"nothing":         "apiVersion: v1\nkind: List\n",
		"no JSON":         "apiVersion: v1\nkind: List\nitems: [.nan]\n",
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("x", []byte(in))
			if err != nil {
				t.Fatal(err)
			}
			if items, ok := f.Docs()[0].Items(); ok || items != nil {
				t.Errorf("got %v, %v", items, ok)
			}
		})
	}
}

func TestEntriesOnTheLineOfADash(t *testing.T) {
	const head = "apiVersion: v1\nkind: List\nitems:\n"
	for name, tc := range map[string]struct {
		in   string
		edit func(item *Doc) error
		want string
	}{
		"deleting the first moves the next up":      {"- b: 1 # one\n  c: 2\n", del("b"), "- c: 2\n"},
		"deleting the first keeps a comment's line": {"-  b: 1 # one\n   # about c\n   c: 2\n", del("b"), "-\n   # about c\n   c: 2\n"},
		"deleting a later one takes its line":       {"- b: 1 # one\n  # about c\n  c: 2\n", del("c"), "- b: 1 # one\n  # about c\n"},
		"deleting the only one leaves {}":           {"- b:\n    x: 1\n# end\n", del("b"), "- {}\n# end\n"},
		"deleting the only one below the dash":      {"- # note\n  b: 1\n", del("b"), "- {} # note\n"},
		"deleting the only one behind an anchor":    {"- &x\n  b: 1\n", del("b"), "- &x {}\n"},
		"a new first one goes behind the dash":      {"-  b: 1 # one\n", put("a", `{"x":1}`), "-  a:\n     x: 1\n   b: 1 # one\n"},
		"a new last one":                            {"- b: 1 # one\n- d: 1\n", put("c", `"l\nm"`), "- b: 1 # one\n  c: |-\n    l\n    m\n- d: 1\n"},
		"a value in a flow item":                    {"- {b: 1}\n- d: 1\n", put("c", `2`), "- {b: 1, c: 2}\n- d: 1\n"},
		"a new one in an empty item":                {"- {} # note\n", put("c", `2`), "- c: 2\n"},
		"a first one that wins over a comment":      {"-\n  # about b\n  b: 1\n", put("a", `2`), "-\n  a: 2\n  # about b\n  b: 1\n"},
		"the list as a whole in flow":               {"  [{b: 1}, {c: 1}]\n", put("b", `"x y"`), "  [{b: \"x y\"}, {c: 1}]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("l.yaml", []byte(head+tc.in))
			if err != nil {
				t.Fatal(err)
			}
			items, ok := f.Docs()[0].Items()
			if !ok {
				t.Fatal("no items")
			}
			if err := tc.edit(items[0]); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(head+tc.want, string(f.Bytes())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func del(key string) func(*Doc) error {
	return func(d *Doc) error { return d.Delete([]string{key}) }
}

func put(key, json string) func(*Doc) error {
	return func(d *Doc) error { return d.Set([]string{key}, []byte(json)) }
}
