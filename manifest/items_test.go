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
