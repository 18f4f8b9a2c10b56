package forge

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Tree is a document as JSON, to be bent at any place.
type Tree map[string]any

// Document is a GitSecret at a target.
func Document(spec *seal.Spec, target seal.Target) Tree {
	return tree(map[string]any{
		"apiVersion": "waxwing.io/v1alpha1", "kind": "GitSecret",
		"metadata": map[string]any{"namespace": target.Namespace, "name": target.Name},
		"spec":     spec,
	})
}

func tree(v any) Tree {
	b, err := json.Marshal(v)
	must(err)
	var t Tree
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	must(dec.Decode(&t))
	return t
}

// Clone is a deep copy.
func (t Tree) Clone() Tree { return tree(t) }

// Set is a copy with v at path; objects on the way are made where they are absent.
func (t Tree) Set(v any, path ...string) Tree {
	c := t.Clone()
	c.at(path)(func(m map[string]any, last string) { m[last] = v })
	return c
}

// Delete is a copy without the member at path.
func (t Tree) Delete(path ...string) Tree {
	c := t.Clone()
	c.at(path)(func(m map[string]any, last string) { delete(m, last) })
	return c
}

// Rename is a copy with the member at path under another name.
func (t Tree) Rename(to string, path ...string) Tree {
	c := t.Clone()
	c.at(path)(func(m map[string]any, last string) { v := m[last]; delete(m, last); m[to] = v })
	return c
}

// Get is what stands at path, nil for nothing.
func (t Tree) Get(path ...string) any {
	var v any = map[string]any(t)
	for _, name := range path {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			must(err)
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// Text is the string at path.
func (t Tree) Text(path ...string) string { return t.Get(path...).(string) }

// Swap is a copy with the values of two paths exchanged.
func (t Tree) Swap(a, b []string) Tree {
	return t.Set(t.Get(b...), a...).Set(t.Get(a...), b...)
}

func (t Tree) at(path []string) func(func(map[string]any, string)) {
	m := map[string]any(t)
	for _, name := range path[:len(path)-1] {
		next, ok := m[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[name] = next
		}
		m = next
	}
	return func(do func(map[string]any, string)) { do(m, path[len(path)-1]) }
}

// JSON is the document's bytes.
func (t Tree) JSON() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	must(enc.Encode(t))
	return bytes.TrimRight(b.Bytes(), "\n")
}
