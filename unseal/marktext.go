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

// Text is the mark as it is stored: one line of words. The first is the version; "signed" or "signed=DIGEST", "floor=ENVELOPE" and "spent=ENVELOPE" may follow, and those of the
// ledger (see ledgerWords); then one word for each envelope, ENVELOPE=ITEM,ITEM, or ENVELOPE/ACCEPTED=ITEM,ITEM for items that have gone back to an older one. An ITEM whose value is
// known is NAME:MAC, NAME:MAC! if it is exposed, and NAME:MAC:KEYS if other keys could have opened it than those of its envelope;
// NAME:MAC:KEYS:MAC.MAC if it has had exposed values before, where KEYS may be empty.
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
	table := keyTable(m.keys())
	words = append(words, m.ledgerWords(table)...)
	groups := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(m.Items)) {
		s, item := m.Items[name], name
		envelopes := s.Newest
		if s.Accepted != "" {
			envelopes += "/" + s.Accepted
		}
		if v, known := m.Values[name]; known {
			item += ":" + v.text(table)
		}
		groups[envelopes] = append(groups[envelopes], item)
	}
	for _, envelopes := range slices.Sorted(maps.Keys(groups)) {
		words = append(words, envelopes+"="+strings.Join(groups[envelopes], ","))
	}
	return strings.Join(words, " ")
}

// ParseMark reads what Text gives, and nothing else. Its error does not quote the text.
func ParseMark(text string) (Mark, error) {
	version, rest, _ := strings.Cut(text, " ")
	if version != markVersion {
		return Mark{}, errors.New("it is not a mark of this version")
	}
	m := Mark{Items: map[string]Seen{}, Ledger: Ledger{}.clone()}
	var table keyTable
	for _, word := range strings.Fields(rest) {
		if !m.read(word, &table) {
			return Mark{}, errors.New("it has a word that no mark has")
		}
	}
	if m.Text() != text {
		return Mark{}, errors.New("it is not written as marks are")
	}
	return m, nil
}

func (m *Mark) read(word string, table *keyTable) bool {
	key, value, _ := strings.Cut(word, "=")
	if read, ours := m.Ledger.read(key, value, table); ours {
		return read
	}
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
	for item := range strings.SplitSeq(value, ",") {
		name, about, known := strings.Cut(item, ":")
		if v, ok := table.value(about); known && !ok {
			return false
		} else if known {
			m.Values[name] = v
		}
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
