package cli

import (
	"bytes"
	"encoding/json"
)

// members gives the members of a JSON object, as parts of its text; nil for what is no object. raw has to be valid JSON, which is not checked again: this runs for every
// document of every file, and they are large.
func members(raw json.RawMessage) map[string]json.RawMessage {
	at := afterSpace(raw, 0)
	if at == len(raw) || raw[at] != '{' {
		return nil
	}
	out := map[string]json.RawMessage{}
	for at = afterSpace(raw, at+1); at < len(raw) && raw[at] == '"'; {
		end := afterValue(raw, at)
		name := text(raw[at:end])
		from := afterSpace(raw, min(afterSpace(raw, end)+1, len(raw))) // past the colon
		to := afterValue(raw, from)
		out[name] = raw[from:to:to]
		at = afterSpace(raw, to)
		if at < len(raw) && raw[at] == ',' {
			at = afterSpace(raw, at+1)
		}
	}
	return out
}

func afterSpace(raw []byte, at int) int {
	for at < len(raw) && (raw[at] == ' ' || raw[at] == '\n' || raw[at] == '\t' || raw[at] == '\r') {
		at++
	}
	return at
}

// afterValue is where the value that begins at an offset ends.
func afterValue(raw []byte, at int) int {
	for depth := 0; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			at = stringEnd(raw, at)
			if depth == 0 {
				return min(at+1, len(raw))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return at // of what is around a number or a word
			}
			if depth--; depth == 0 {
				return at + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return at
			}
		}
	}
	return len(raw)
}

// stringEnd is where the quote is that ends the string which begins at an offset.
func stringEnd(raw []byte, at int) int {
	for at++; at < len(raw); at++ {
		n := bytes.IndexByte(raw[at:], '"')
		if n < 0 {
			return len(raw)
		}
		escape := bytes.IndexByte(raw[at:at+n], '\\')
		if escape < 0 {
			return at + n
		}
		at += escape + 1
	}
	return len(raw)
}
