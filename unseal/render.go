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

// function turns one value into another. None does I/O, and none can fail.
type function struct {
	run func([]byte) []byte
	// worst is the most bytes that run gives for n bytes, never fewer than n.
	worst func(n int) int
}

func functions() map[string]function {
	times := func(k int) func(int) int { return func(n int) int { return k * n } }
	return map[string]function{
		"base64":   {func(b []byte) []byte { return base64.StdEncoding.AppendEncode(nil, b) }, base64.StdEncoding.EncodedLen},
		"quote":    {quote, func(n int) int { return 6*n + 2 }},
		"urlquery": {func(b []byte) []byte { return []byte(url.QueryEscape(string(b))) }, times(3)},
		"trim":     {bytes.TrimSpace, times(1)},
		// A character's other case may need a byte more, and a byte that is not UTF-8 becomes U+FFFD.
		"upper": {bytes.ToUpper, times(3)},
		"lower": {bytes.ToLower, times(3)},
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

// checkRoom holds the largest Secret that the items and templates could give against the limit. It goes by what anybody can see of the values' lengths and needs none of them:
// judged afterwards, a writer of templates could learn a value's length, or how much of it a function escapes, from what is refused.
func checkRoom(in *Input, p *Plan) *Refusal {
	size := 0
	for item := range in.Object.Spec.Items {
		size += p.checked.Capacity(item)
	}
	for _, key := range slices.Sorted(maps.Keys(p.programs)) {
		for _, part := range p.programs[key] {
			if size += part.worst(p.checked.Capacity); size > seal.MaxValues {
				return refuse(TooLarge, "template.data."+clip(key), "the items and the rendered templates may be over 1 MiB (%d bytes) in sum", seal.MaxValues).
					hint("a Secret takes no more, and the longest values that the ciphertexts could hold count")
			}
		}
	}
	return nil
}

// worst is the most bytes that the part may give, or more than a Secret takes.
func (p part) worst(capacity func(item string) int) int {
	n := len(p.text)
	if p.item != "" {
		n = capacity(p.item)
	}
	for _, f := range p.funcs {
		if n = f.worst(n); n > seal.MaxValues {
			return seal.MaxValues + 1
		}
	}
	return n
}

// render adds the rendered templates to values. checkRoom has bounded both the result and the work.
func render(programs map[string]program, values seal.Values) seal.Values {
	out := maps.Clone(values)
	for key, p := range programs {
		out[key] = seal.NewValue(p.run(values))
	}
	return out
}

func (p program) run(values seal.Values) []byte {
	var out []byte
	for _, part := range p {
		b := []byte(part.text)
		if part.item != "" {
			b = values[part.item].Bytes()
		}
		for _, f := range part.funcs {
			b = f.run(b)
		}
		out = append(out, b...)
	}
	return out
}
