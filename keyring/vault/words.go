package vault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode"
)

// requestID is what Vault's ids of requests look like, and more than that: they are UUIDs.
var requestID = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// words are Vault's own errors, cut; without any, what the status means.
func words(said, hide []string, status int) string {
	text := strings.Join(said, "; ")
	if len(text) > 8*maxWords {
		text = strings.ToValidUTF8(text[:8*maxWords], "")
	}
	if text := clean(hidden(text, hide)); text != "" {
		return text
	}
	if status == http.StatusNotFound {
		return "there is nothing there"
	}
	return fmt.Sprintf("it answered %d %s", status, http.StatusText(status))
}

// telling is how many bytes of a text that is hidden are not shown in a row.
const telling = 16

// hidden takes texts out that Vault, or what stands in its place, was given and gives back, also in parts: what quotes a request often cuts it.
func hidden(said string, hide []string) string {
	secret := make([]bool, len(said))
	for _, h := range hide {
		size := min(len(h), telling)
		for i := 0; size > 0 && i+size <= len(said); i++ {
			if strings.Contains(h, said[i:i+size]) {
				for j := i; j < i+size; j++ {
					secret[j] = true
				}
			}
		}
	}
	var shown strings.Builder
	for i := range len(said) {
		switch {
		case !secret[i]:
			shown.WriteByte(said[i])
		case i == 0 || !secret[i-1]:
			shown.WriteString("…")
		}
	}
	return shown.String()
}

// texts are the texts in a request's body that are long enough to be known again.
func texts(body []byte) (all []string) {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return []string{string(body)}
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if len(v) >= telling {
				all = append(all, v)
			}
		case map[string]any:
			for _, member := range v {
				walk(member)
			}
		case []any:
			for _, element := range v {
				walk(element)
			}
		}
	}
	walk(v)
	return all
}

// maxWords bounds what is quoted of Vault.
const maxWords = 300

// clean makes one line without control characters of a text, and cuts it.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxWords {
		text = string(runes[:maxWords]) + "…"
	}
	return text
}
