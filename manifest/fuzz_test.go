package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"unicode/utf8"
)

// FuzzParse checks that what is accepted comes back byte for byte, that what is
// refused is refused with a place, and that nothing panics.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f", data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Msg == "" || e.File != "f" {
				t.Fatalf("got %#v", err)
			}
			return
		}
		if !bytes.Equal(file.Bytes(), data) {
			t.Fatalf("%q came back as %q", data, file.Bytes())
		}
		for _, d := range file.Docs() {
			out, err := d.JSON()
			if err == nil && !json.Valid(out) {
				t.Fatalf("%q is not JSON", out)
			}
			d.Items()
			if d.Label() == "" {
				t.Fatal("no label")
			}
		}
	})
}

// FuzzEdit checks that an edit does what it says to its document and nothing to
// the others, or fails and does nothing at all.
func FuzzEdit(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, a, b, val string, op byte) {
		file, err := Parse("f", data)
		if err != nil || !utf8.ValidString(a+b) {
			return
		}
		n := int(op>>2) % len(file.Docs())
		d := pick(file.Docs()[n], op)
		path := []string{a, b}
		if b == "" {
			path = path[:1]
		}
		switch op & 3 {
		case 0:
			err = d.Delete(path)
		case 1:
			path = nil
			err = d.Replace([]byte(val))
		default:
			err = d.Set(path, []byte(val))
		}
		if err != nil {
			if !bytes.Equal(file.Bytes(), data) {
				t.Fatalf("%q changed to %q though %v", data, file.Bytes(), err)
			}
			return
		}
		again, err := Parse("f", file.Bytes())
		if err != nil {
			t.Fatalf("%q became %q: %v", data, file.Bytes(), err)
		}
		checkOthers(t, data, again, n)
		got, err := pick(again.Docs()[n], op).JSON()
		if err != nil {
			t.Fatal(err)
		}
		found, ok := atPath(decodeNumbers(t, got), path)
		if op&3 == 0 && ok {
			t.Fatalf("%q became %q: the entry is still there", data, file.Bytes())
		}
		if op&3 != 0 && (!ok || !sameJSON(found, decodeNumbers(t, []byte(val)))) {
			t.Fatalf("%q became %q: the entry is %v, not %s", data, file.Bytes(), found, val)
		}
	})
}

// pick returns the document or, of a list, one of its items.
func pick(d *Doc, op byte) *Doc {
	items, ok := d.Items()
	if !ok || len(items) == 0 {
		return d
	}
	return items[int(op>>4)%len(items)]
}

// checkOthers checks that all documents but one have the text they had.
func checkOthers(t *testing.T, before []byte, after *File, n int) {
	t.Helper()
	file, err := Parse("f", before)
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Docs()) != len(after.Docs()) {
		t.Fatalf("%q became %q: another number of documents", before, after.Bytes())
	}
	for i, d := range file.Docs() {
		if i != n && !bytes.Equal(d.text, after.Docs()[i].text) {
			t.Fatalf("%q became %q: another document changed", before, after.Bytes())
		}
	}
}

func decodeNumbers(t *testing.T, data []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	return v
}

func atPath(v any, path []string) (any, bool) {
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[key]; !ok {
			return nil, false
		}
	}
	return v, true
}

func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		n, ok := b.(json.Number)
		x, errX := strconv.ParseFloat(string(a), 64)
		y, errY := strconv.ParseFloat(string(n), 64)
		return ok && (a == n || errX == nil && errY == nil && x == y)
	case []any:
		list, ok := b.([]any)
		if !ok || len(a) != len(list) {
			return false
		}
		for i := range a {
			if !sameJSON(a[i], list[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		m, ok := b.(map[string]any)
		if !ok || len(a) != len(m) {
			return false
		}
		for key := range a {
			if other, ok := m[key]; !ok || !sameJSON(a[key], other) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

func TestFuzzTargetsHaveSeeds(t *testing.T) {
	for target, atLeast := range map[string]int{"FuzzParse": 40, "FuzzEdit": 40} {
		files, err := filepath.Glob(filepath.Join("testdata", "fuzz", target, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) < atLeast {
			t.Errorf("%s has %d seeds, want at least %d", target, len(files), atLeast)
		}
		for _, name := range files {
			if data, err := os.ReadFile(name); err != nil || !bytes.HasPrefix(data, []byte("go test fuzz v1\n")) {
				t.Errorf("%s is no seed: %v", name, err)
			}
		}
	}
}
