package unseal

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"
)

// markVersion begins the text of a mark. A text that begins otherwise, such as that of a later controller, is not read.
const markVersion = "1"

// Text is the mark as it is stored: one line of words. The first is the version; "signed" or "signed=DIGEST", "floor=ENVELOPE" and "spent=ENVELOPE" may follow; then one word for each
// envelope, ENVELOPE=ITEM,ITEM, or ENVELOPE/ACCEPTED=ITEM,ITEM for items that have gone back to an older one.
func (m Mark) Text() string {
	words := []string{markVersion}
	switch {
	case m.Signed && m.Signature != "":
		words = append(words, "signed="+m.Signature)
	case m.Signed:
		words = append(words, "signed")
	}
	if m.Floor != "" {
		words = append(words, "floor="+m.Floor)
	}
	if m.Spent != "" {
		words = append(words, "spent="+m.Spent)
	}
	groups := map[string][]string{}
	for name, s := range m.Items {
		envelopes := s.Newest
		if s.Accepted != "" {
			envelopes += "/" + s.Accepted
		}
		groups[envelopes] = append(groups[envelopes], name)
	}
	for _, envelopes := range slices.Sorted(maps.Keys(groups)) {
		words = append(words, envelopes+"="+strings.Join(slices.Sorted(slices.Values(groups[envelopes])), ","))
	}
	return strings.Join(words, " ")
}

// ParseMark reads what Text gives, and nothing else. Its error does not quote the text.
func ParseMark(text string) (Mark, error) {
	version, rest, _ := strings.Cut(text, " ")
	if version != markVersion {
		return Mark{}, errors.New("it is not a mark of this version")
	}
	m := Mark{Items: map[string]Seen{}}
	for _, word := range strings.Fields(rest) {
		if !m.read(word) {
			return Mark{}, errors.New("it has a word that no mark has")
		}
	}
	if m.Text() != text {
		return Mark{}, errors.New("it is not written as marks are")
	}
	return m, nil
}

func (m *Mark) read(word string) bool {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "signed":
		m.Signed, m.Signature = true, value
		return value == "" || isDigest(value)
	case "floor":
		m.Floor = value
		return isEnvelope(value)
	case "spent":
		m.Spent = value
		return isEnvelope(value)
	}
	newest, accepted, back := strings.Cut(key, "/")
	if !isEnvelope(newest) || (back && (!isEnvelope(accepted) || accepted >= newest)) {
		return false
	}
	for name := range strings.SplitSeq(value, ",") {
		if _, twice := m.Items[name]; twice || !isMarkName(name) {
			return false
		}
		m.Items[name] = Seen{Newest: newest, Accepted: accepted}
	}
	return true
}

func isEnvelope(s string) bool {
	return len(s) == ulid.EncodedSize && s[0] <= '7' && only(s, func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' && strings.IndexByte("ilou", c) < 0
	})
}

func isDigest(s string) bool {
	return len(s) == digestLength && only(s, func(c byte) bool { return c == '-' || c == '_' || isLetterOrDigit(c) })
}

func isMarkName(s string) bool {
	if hashed, ok := strings.CutPrefix(s, "~"); ok {
		return isDigest(hashed)
	}
	return s != "" && len(s) <= maxItemName && only(s, func(c byte) bool { return c == '-' || c == '_' || c == '.' || isLetterOrDigit(c) })
}

func isLetterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func only(s string, allowed func(byte) bool) bool {
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return true
}
