package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"unicode/utf8"
)

const maxDepth = 32

// readTree decodes one JSON value, without members that are null, and refuses what encoding/json would let pass: duplicate members, invalid UTF-8, lone surrogates, great depth.
func readTree(doc []byte) (any, error) {
	if !utf8.Valid(doc) {
		return nil, errors.New("is not valid UTF-8")
	}
	if loneSurrogate(string(doc)) {
		return nil, errors.New(`has a \u escape that is half of a surrogate pair`)
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	v, err := readValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("has something after the JSON value")
	}
	return v, nil
}

func readValue(dec *json.Decoder, depth int) (any, error) {
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
		return readObject(dec, depth)
	case json.Delim('['):
		return readList(dec, depth)
	}
	return tok, nil
}

func readObject(dec *json.Decoder, depth int) (any, error) {
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
		if m[name], err = readValue(dec, depth+1); err != nil {
			return nil, err
		}
	}
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m, closing(dec)
}

func readList(dec *json.Decoder, depth int) (any, error) {
	list := []any{}
	for dec.More() {
		v, err := readValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, closing(dec)
}

func closing(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("is not JSON (near byte %d)", dec.InputOffset())
	}
	return nil
}

// loneSurrogate looks for \ud800 to \udfff that is not half of a pair; encoding/json would replace it silently.
func loneSurrogate(s string) bool {
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return false
		}
		s = s[i:]
		if s[1] != 'u' || len(s) < 6 || (s[2] != 'd' && s[2] != 'D') || s[3] < '8' {
			s = s[2:]
			continue
		}
		low := strings.ToLower(s[:min(len(s), 12)])
		if low[3] > 'b' || len(low) < 12 || low[6] != '\\' || low[7] != 'u' || low[8] != 'd' || low[9] < 'c' {
			return true
		}
		s = s[12:]
	}
}
