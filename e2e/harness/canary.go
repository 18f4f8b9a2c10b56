package harness

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

const (
	// canaryMin bytes are enough that no form of a canary turns up by chance.
	canaryMin = 12
	// canaryDepth bounds gzip within gzip, canaryInflated what one stream may unpack to.
	canaryDepth    = 3
	canaryInflated = 64 << 20
)

// FindCanary looks for a plaintext in data, which may be anything: logs, events, an audit log, a dump of etcd. It finds
// it as it is; as base64 in either alphabet, at any of the three alignments that bytes before it can give it, once
// and twice over; as hex or a list of numbers; with line breaks within any of these; and all of that inside gzip streams anywhere in data.
// form names the first one found. It panics on a canary shorter than 12 bytes, which could be found by chance.
func FindCanary(canary string, data []byte) (form string, found bool) {
	if len(canary) < canaryMin {
		panic(fmt.Sprintf("harness: a canary has at least %d bytes", canaryMin))
	}
	return findForms(canaryForms(canary), data, canaryDepth)
}

// form is one way in which a canary can be written.
type form struct {
	name   string
	needle []byte
}

func canaryForms(canary string) []form {
	b := []byte(canary)
	hexed := hex.EncodeToString(b)
	forms := []form{
		{"raw", b},
		{"hex", []byte(hexed)},
		{"upper-case hex", []byte(strings.ToUpper(hexed))},
		{"numbers", []byte(strings.Trim(fmt.Sprint(b), "[]"))},
		{"numbers", []byte(strings.ReplaceAll(strings.Trim(fmt.Sprint(b), "[]"), " ", ","))},
	}
	for _, alphabet := range []struct {
		name string
		*base64.Encoding
	}{{"base64", base64.RawStdEncoding}, {"URL-safe base64", base64.RawURLEncoding}} {
		for shift := range 3 {
			once := aligned(alphabet.Encoding, b, shift)
			forms = append(forms, form{alphabet.name, once})
			for again := range 3 {
				forms = append(forms, form{alphabet.name + " twice", aligned(alphabet.Encoding, once, again)})
			}
		}
	}
	return forms
}

// aligned is the part of the base64 of some text that does not depend on what stands before and after b in it, when
// b stands shift bytes (modulo 3) from its beginning.
func aligned(e *base64.Encoding, b []byte, shift int) []byte {
	padded := append(make([]byte, shift), b...)
	encoded := e.EncodeToString(padded)
	begin := (shift*8 + 5) / 6
	end := len(padded) * 8 / 6
	return []byte(encoded[begin:end])
}

func findForms(forms []form, data []byte, depth int) (string, bool) {
	unwrapped := unwrap(data)
	for _, f := range forms {
		if bytes.Contains(data, f.needle) {
			return f.name, true
		}
		if bytes.Contains(unwrapped, f.needle) {
			return f.name + " over several lines", true
		}
	}
	if depth == 0 {
		return "", false
	}
	magic := []byte{0x1f, 0x8b, 8}
	for rest := data; ; rest = rest[len(magic):] {
		i := bytes.Index(rest, magic)
		if i < 0 {
			return "", false
		}
		rest = rest[i:]
		if name, found := findForms(forms, inflate(rest), depth-1); found {
			return name + " in gzip", true
		}
	}
}

// unwrap removes white space, also where JSON or a Go string writes it as \n, \r or \t.
func unwrap(data []byte) []byte {
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '\n' || c == '\r' || c == '\t' || c == ' ':
		case c == '\\' && i+1 < len(data) && strings.IndexByte("nrt", data[i+1]) >= 0:
			i++
		default:
			out = append(out, c)
		}
	}
	return out
}

// inflate unpacks as much of a gzip stream as can be unpacked; a stream that was cut short still tells its beginning.
func inflate(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	z.Multistream(false)
	out, _ := io.ReadAll(io.LimitReader(z, canaryInflated))
	return out
}
