package unseal

import (
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Lengths in base64 without padding: of a key id, of a MAC of 12 bytes, of the name of a MAC's key, 6 bytes, and of what stands for an envelope's commit, 9 bytes.
const (
	keyTextLength = 22
	macLength     = 16
	macKeyLength  = 8
	commitLength  = 12
)

// commitMark is between an envelope and its commit.
const commitMark = "~"

// ledgerWords are those of a mark about keys. Sets of keys are KEYS, hex digits whose lowest bit is for the first key of "keys=ID,ID", the next for the second, and so on:
//
//	keys=ID,ID                     the keys that are spoken of, in base64
//	lost=KEYS, lost=KEYS!          Lost; LostExposed
//	mac=NAME                       MACKey
//	rest=DIGEST                    Rest
//	former=SECOND:KEYS,…           Former, by the time
//	gone=SECOND/NEEDS[/EVER]:…     envelopes that are gone; EVER where it is not NEEDS
//	uses=NEEDS[/EVER]:ENVELOPE,…   those that are there; each is ENVELOPE~COMMIT, or ENVELOPE alone where Commit is not known
func (l Ledger) ledgerWords(table keyTable) (words []string) {
	if len(table) > 0 {
		words = append(words, "keys="+table.text())
	}
	if lost := table.mask(l.Lost); l.LostExposed {
		words = append(words, "lost="+lost+"!")
	} else if len(l.Lost) > 0 {
		words = append(words, "lost="+lost)
	}
	if l.MACKey != "" {
		words = append(words, "mac="+l.MACKey)
	}
	if l.Rest != "" {
		words = append(words, "rest="+l.Rest)
	}
	return append(append(words, l.formerWords(table)...), l.envelopeWords(table)...)
}

func (l Ledger) formerWords(table keyTable) []string {
	if len(l.Former) == 0 {
		return nil
	}
	at := map[int64][]string{}
	for id, second := range l.Former {
		at[second] = append(at[second], id)
	}
	var parts []string
	for _, second := range slices.Sorted(maps.Keys(at)) {
		parts = append(parts, strconv.FormatInt(second, 10)+":"+table.mask(at[second]))
	}
	return []string{"former=" + strings.Join(parts, ",")}
}

func (l Ledger) envelopeWords(table keyTable) (words []string) {
	groups := map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(l.Envelopes)) {
		w := l.Envelopes[id]
		group := "uses="
		if w.Gone != 0 {
			group = "gone=" + strconv.FormatInt(w.Gone, 10) + "/"
		}
		group += table.mask(w.Needs)
		if !slices.Equal(w.Needs, w.Ever) {
			group += "/" + table.mask(w.Ever)
		}
		if w.Commit != "" {
			id += commitMark + w.Commit
		}
		groups[group] = append(groups[group], id)
	}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		words = append(words, group+":"+strings.Join(groups[group], ","))
	}
	return words
}

func (v Valued) text(table keyTable) string {
	text := v.MAC
	if v.Exposed {
		text += "!"
	}
	switch {
	case len(v.Keys) > 0:
		text += ":" + table.mask(v.Keys)
	case len(v.Was) > 0:
		text += ":"
	}
	if len(v.Was) > 0 {
		text += ":" + strings.Join(v.Was, ".")
	}
	return text
}

// value reads what Valued.text gives.
func (t keyTable) value(text string) (v Valued, ok bool) {
	mac, more, _ := strings.Cut(text, ":")
	keys, was, before := strings.Cut(more, ":")
	v.MAC, v.Exposed = strings.CutSuffix(mac, "!")
	if v.MAC != "" && !isBase64(v.MAC, macLength) {
		return v, false
	}
	if keys != "" {
		if v.Keys, ok = t.set(keys); !ok {
			return v, false
		}
	}
	if before {
		v.Was = strings.Split(was, ".")
	}
	return v, !slices.ContainsFunc(v.Was, func(mac string) bool { return !isBase64(mac, macLength) })
}

// read takes a word of ledgerWords; ours is false where it is none. That it is written as such words are, ParseMark holds.
func (l *Ledger) read(key, value string, table *keyTable) (ok, ours bool) {
	switch key {
	case "keys":
		*table, ok = parseKeyTable(value)
	case "lost":
		keys, exposed := strings.CutSuffix(value, "!")
		l.LostExposed = exposed
		l.Lost, ok = table.set(keys)
	case "mac":
		l.MACKey, ok = value, isBase64(value, macKeyLength)
	case "rest":
		l.Rest, ok = value, isDigest(value)
	case "former":
		ok = l.readFormer(value, *table)
	case "uses":
		ok = l.readEnvelopes(value, 0, *table)
	case "gone":
		at, rest, _ := strings.Cut(value, "/")
		second, err := strconv.ParseInt(at, 10, 64)
		ok = err == nil && second != 0 && l.readEnvelopes(rest, second, *table)
	default:
		return false, false
	}
	return ok, true
}

func (l *Ledger) readFormer(value string, table keyTable) bool {
	for part := range strings.SplitSeq(value, ",") {
		at, keys, _ := strings.Cut(part, ":")
		second, err := strconv.ParseInt(at, 10, 64)
		ids, ok := table.set(keys)
		if err != nil || !ok || len(ids) == 0 {
			return false
		}
		for _, id := range ids {
			l.Former[id] = second
		}
	}
	return true
}

func (l *Ledger) readEnvelopes(value string, gone int64, table keyTable) bool {
	sets, envelopes, _ := strings.Cut(value, ":")
	needs, ever, differ := strings.Cut(sets, "/")
	w := Wrapped{Gone: gone}
	var ok1, ok2 bool
	w.Needs, ok1 = table.set(needs)
	if w.Ever, ok2 = w.Needs, true; differ {
		w.Ever, ok2 = table.set(ever)
	}
	for name := range strings.SplitSeq(envelopes, ",") {
		id, commit, known := strings.Cut(name, commitMark)
		if !isEnvelope(id) || (known && !isBase64(commit, commitLength)) {
			return false
		}
		w.Commit = commit
		l.Envelopes[id] = w
	}
	return ok1 && ok2
}

// keyTable are the keys that a mark speaks of, sorted.
type keyTable []string

func (t keyTable) text() string {
	parts := make([]string, 0, len(t))
	for _, id := range t {
		b, _ := hex.DecodeString(id) // keySet lets no others in
		parts = append(parts, base64.RawURLEncoding.EncodeToString(b))
	}
	return strings.Join(parts, ",")
}

func parseKeyTable(text string) (t keyTable, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || len(b) != seal.KeyIDSize/2 || len(part) != keyTextLength {
			return nil, false
		}
		t = append(t, hex.EncodeToString(b))
	}
	return t, true
}

const hexDigits = "0123456789abcdef"

// mask writes a set of keys of the table.
func (t keyTable) mask(set []string) string {
	digits := make([]byte, max(1, (len(t)+3)/4))
	for _, id := range set {
		if i, ok := slices.BinarySearch(t, id); ok {
			digits[len(digits)-1-i/4] |= 1 << (i % 4)
		}
	}
	for i, d := range digits {
		digits[i] = hexDigits[d]
	}
	if text := strings.TrimLeft(string(digits), "0"); text != "" {
		return text
	}
	return "0"
}

// set reads what mask gives.
func (t keyTable) set(mask string) (ids []string, ok bool) {
	if mask == "" {
		return nil, false
	}
	for i := range len(mask) {
		digit := strings.IndexByte(hexDigits, mask[len(mask)-1-i])
		if digit < 0 {
			return nil, false
		}
		for bit := range 4 {
			if digit>>bit&1 == 0 {
				continue
			}
			if i*4+bit >= len(t) {
				return nil, false
			}
			ids = append(ids, t[i*4+bit])
		}
	}
	return ids, true
}

func isBase64(s string, length int) bool {
	return len(s) == length && only(s, func(c byte) bool { return c == '-' || c == '_' || isLetterOrDigit(c) })
}
