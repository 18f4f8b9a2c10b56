package seal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// tokenTree is readTree with the tokens of encoding/json. It is slower, and has a library's word for what JSON is.
func tokenTree(doc []byte) (any, error) {
	if !utf8.Valid(doc) || loneSurrogate(string(doc)) {
		return nil, fmt.Errorf("is no good text")
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	v, err := tokenValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("has something after the JSON value")
	}
	return v, nil
}

func tokenValue(dec *json.Decoder, depth int) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("is not JSON (near byte %d)", dec.InputOffset())
	}
	if depth >= maxDepth {
		if _, nested := tok.(json.Delim); nested {
			return nil, fmt.Errorf("nests deeper than %d", maxDepth)
		}
	}
	switch tok {
	case json.Delim('{'):
		return tokenObject(dec, depth)
	case json.Delim('['):
		return tokenList(dec, depth)
	}
	return tok, nil
}

func tokenObject(dec *json.Decoder, depth int) (any, error) {
	m := map[string]any{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("is not JSON (near byte %d)", dec.InputOffset())
		}
		name := tok.(string)
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("has the member %s twice", shown(name))
		}
		if m[name], err = tokenValue(dec, depth+1); err != nil {
			return nil, err
		}
	}
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m, tokenClosing(dec)
}

func tokenList(dec *json.Decoder, depth int) (any, error) {
	list := []any{}
	for dec.More() {
		v, err := tokenValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, tokenClosing(dec)
}

func tokenClosing(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("is not JSON (near byte %d)", dec.InputOffset())
	}
	return nil
}

// FuzzTree holds what is read against the tokens of encoding/json.
func FuzzTree(f *testing.F) {
	for _, doc := range []string{
		`{"a": [1, -0.5e+7, true, false, null, "x", {"b": {}, "c": []}], "d": null}`, ` [ ] `, `"\u00e9\ud83d\ude00\n\"\\\/"`, "\"\t\"", `"\q"`, `{"a":1,"a":2}`, `{"a":null,"a":1}`, `[1,]`, `{"a":1,}`, `{,}`, `[1 2]`,
		`{"a" 1}`, `{1:2}`, `01`, `1.`, `-`, `+1`, `1e`, `truefalse`, `nul`, `[true"x"]`, `1 2`, `{"a":1}}`, `"x`, `{"a":"x`, `[`, `{"a":`, ``, "\x00", "[1\x00]", "\u00a01", "1\f", `"\ud83d"`, `[1]x`, `["a":1]`, `{"a":1:2}`,
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), strings.Repeat(`{"a":`, maxDepth) + "1" + strings.Repeat("}", maxDepth),
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := readTree(doc)
		want, wantErr := tokenTree(doc)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, and by tokens %v", doc, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is %#v, and by tokens %#v", doc, got, want)
		}
	})
}
