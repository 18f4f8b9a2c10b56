package unseal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// maxWork bounds the bytes that all functions of an object's templates are given in sum, so that rendering ends in a moment whatever a template asks for.
const maxWork = 64 << 20

// function turns one value into another. None does I/O, none can fail, and none makes its input more than six times as long.
type function func([]byte) []byte

func functions() map[string]function {
	return map[string]function{
		"base64":   func(b []byte) []byte { return base64.StdEncoding.AppendEncode(nil, b) },
		"quote":    quote,
		"urlquery": func(b []byte) []byte { return []byte(url.QueryEscape(string(b))) },
		"trim":     bytes.TrimSpace,
		"upper":    bytes.ToUpper,
		"lower":    bytes.ToLower,
	}
}

// quote gives a JSON string with its quotation marks; bytes that are not UTF-8 become U+FFFD. Characters that matter only in HTML stay as they are.
func quote(b []byte) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	// A string always encodes, into a buffer that always takes it.
	_ = enc.Encode(string(b))
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// render adds the rendered templates to values. Values and rendered text are at most seal.MaxValues bytes in sum.
func render(programs map[string]program, values seal.Values) (seal.Values, *Refusal) {
	out := maps.Clone(values)
	room, work := seal.MaxValues-values.Size(), maxWork
	for _, key := range slices.Sorted(maps.Keys(programs)) {
		b, ok := programs[key].run(values, room, &work)
		if !ok {
			return nil, refuse(TooLarge, "template.data."+clip(key), "the items and the rendered templates are over 1 MiB (%d bytes) in sum", seal.MaxValues).
				hint("a Secret takes no more")
		}
		room -= len(b)
		out[key] = seal.NewValue(b)
	}
	return out, nil
}

// run gives at most room bytes, and takes from work what it has the functions do; false where one of them does not suffice.
func (p program) run(values seal.Values, room int, work *int) ([]byte, bool) {
	var out []byte
	for _, part := range p {
		b := []byte(part.text)
		if part.item != "" {
			b = values[part.item].Bytes()
		}
		for _, f := range part.funcs {
			if *work -= len(b); *work < 0 {
				return nil, false
			}
			if b = f(b); len(b) > seal.MaxValues {
				return nil, false
			}
		}
		if len(b) > room-len(out) {
			return nil, false
		}
		out = append(out, b...)
	}
	return out, true
}
