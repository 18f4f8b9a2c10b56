package seal_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// victim is a sound document that the mutations start from: items a and b in one envelope, c in another, the holders glass and prod in both.
// It is opened with prod's key alone.
type victim struct {
	prod, glass forge.Party
	one, two    forge.Envelope
	doc         forge.Tree
	keys        seal.Identities
	values      map[string]string
}

func newVictim(t testing.TB, generate func() forge.Party) *victim {
	t.Helper()
	start := at("2026-11-23T02:22:00Z")()
	v := &victim{prod: generate(), glass: generate(), one: forge.New(strictDB, start), two: forge.New(strictDB, start)}
	if v.two.ID < v.one.ID {
		v.one, v.two = v.two, v.one
	}
	spec := &seal.Spec{Format: 1, For: strictDB, Type: "Opaque", Envelopes: map[string]seal.Envelope{}, Items: map[string]seal.Item{
		"a": v.one.Item("a", []byte("first")), "b": v.one.Item("b", []byte("other")), "c": v.two.Item("c", []byte("third")),
	}}
	for _, e := range []forge.Envelope{v.one, v.two} {
		spec.Envelopes[e.ID] = e.Envelope(map[string]seal.Wrap{"glass": e.Wrap(v.glass), "prod": e.Wrap(v.prod)})
	}
	v.doc = forge.Document(spec, prodDB)
	v.keys = identities(t, v.prod)
	v.values = map[string]string{}
	for name, value := range map[string]string{"a": "first", "b": "other", "c": "third"} {
		v.values[name] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	return v
}

func identities(t testing.TB, parties ...forge.Party) seal.Identities {
	t.Helper()
	keys := seal.Identities{}
	for _, p := range parties {
		id, err := seal.ParseIdentity(p.Identity)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(keys, seal.NewIdentities(id))
	}
	return keys
}

// want opens a mutated document: the outcome must be the one word, and where it is ok the values must be those that were sealed.
func (v *victim) want(t *testing.T, word, what string, doc []byte) {
	t.Helper()
	v.wantFrom(t, word, what, doc, v.keys)
}

func (v *victim) wantFrom(t *testing.T, word, what string, doc []byte, keys seal.Keys) {
	t.Helper()
	got, err := openDocument(doc, keys, false)
	if seal.Outcome(err) != word {
		t.Errorf("%s: %q (%v), want %q", what, seal.Outcome(err), err, word)
	}
	if err == nil {
		if diff := cmp.Diff(v.values, got); diff != "" {
			t.Errorf("%s opens to other values:\n%s", what, diff)
		}
	}
}

func (v *victim) envelope(e forge.Envelope, more ...string) []string {
	return append([]string{"spec", "envelopes", e.ID}, more...)
}

// place is a string of a document, found by its value: the mutations replace it in the text, which is faster than in the tree.
func (v *victim) splice(t *testing.T, path ...string) func(string) []byte {
	t.Helper()
	const mark = "PLACE-OF-THE-STRING"
	head, tail, _ := strings.Cut(string(v.doc.Set(mark, path...).JSON()), `"`+mark+`"`)
	return func(s string) []byte {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(head + string(b) + tail)
	}
}

// flips calls do for s with each byte changed, stride bytes apart.
func flips(s string, stride int, do func(i int, flipped string)) {
	b := []byte(s)
	for i := 0; i < len(b); i += stride {
		for _, bit := range []byte{1, 0x80} {
			b[i] ^= bit
			do(i, string(b))
			b[i] ^= bit
		}
	}
}

func TestMutationFlipsInClassicalDocuments(t *testing.T) { flipEverything(t, forge.Classical, 1) }

func TestMutationFlipsInPostQuantumDocuments(t *testing.T) { flipEverything(t, forge.Hybrid, 37) }

func flipEverything(t *testing.T, generate func() forge.Party, stride int) {
	v := newVictim(t, generate)
	v.want(t, "ok", "the document itself", v.doc.JSON())
	b64 := base64.StdEncoding
	for _, path := range [][]string{{"spec", "items", "a", "value"}, {"spec", "items", "c", "value"}, v.envelope(v.one, "commit"), v.envelope(v.two, "commit")} {
		text, put := v.doc.Text(path...), v.splice(t, path...)
		raw, err := b64.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		flips(string(raw), stride, func(i int, flipped string) {
			v.want(t, "Tampered", fmt.Sprintf("byte %d of %v", i, path), put(b64.EncodeToString([]byte(flipped))))
		})
		flips(text, stride, func(i int, flipped string) {
			v.want(t, wordOfBase64(flipped), fmt.Sprintf("symbol %d of %v", i, path), put(strings.ToValidUTF8(flipped, "?")))
		})
	}
	for _, e := range []forge.Envelope{v.one, v.two} {
		v.flipAge(t, stride, "prod", v.envelope(e, "wraps", "prod", "age"))
		v.flipAge(t, stride*4, "glass", v.envelope(e, "wraps", "glass", "age"))
		v.flipNames(t, e)
	}
}

// wordOfBase64: what is no canonical base64 is seen without a key, everything else with one.
func wordOfBase64(s string) string {
	if b, err := base64.StdEncoding.DecodeString(s); err == nil && base64.StdEncoding.EncodeToString(b) == s {
		return "Tampered"
	}
	return "InvalidFormat"
}

// flipAge flips the age file inside the armor, and the armor itself. A wrap of glass is not opened: as long as its form is right, nothing is noticed.
func (v *victim) flipAge(t *testing.T, stride int, holder string, path []string) {
	t.Helper()
	text, put := v.doc.Text(path...), v.splice(t, path...)
	tampered := map[string]string{"prod": "Tampered", "glass": "ok"}[holder]
	raw := forge.Unarmor(text)
	kind := ageHeader.FindStringSubmatch(string(raw))[1]
	flips(string(raw), stride, func(i int, flipped string) {
		word := tampered
		if !soundAge(flipped, kind) {
			word = "InvalidFormat"
		}
		v.want(t, word, fmt.Sprintf("byte %d of %s's age file", i, holder), put(forge.Armor([]byte(flipped))))
	})
	flips(text, stride*3, func(i int, flipped string) {
		word := tampered
		if body, ok := armorBody(flipped); !ok || wordOfBase64(strings.ReplaceAll(body, "\n", "")) == "InvalidFormat" || strings.Count(flipped, "\n") != strings.Count(text, "\n") || !soundAge(string(forge.Unarmor(flipped)), kind) {
			word = "InvalidFormat"
		}
		v.want(t, word, fmt.Sprintf("symbol %d of %s's armor", i, holder), put(strings.ToValidUTF8(flipped, "?")))
	})
}

func armorBody(text string) (string, bool) {
	body, begins := strings.CutPrefix(text, "-----BEGIN AGE ENCRYPTED FILE-----\n")
	body, ends := strings.CutSuffix(body, "\n-----END AGE ENCRYPTED FILE-----\n")
	return body, begins && ends
}

var ageHeader = regexp.MustCompile(`^age-encryption\.org/v1\n-> ([!-~]+)(?: [!-~]+)*\n((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63})\n--- ([A-Za-z0-9+/]{43})\n`)

// soundAge says whether an age file has the form of section 6 with one stanza, which has not left the class of the document's other wraps.
func soundAge(file, kind string) bool {
	m := ageHeader.FindStringSubmatch(file)
	if m == nil || len(file)-len(m[0]) != 119 || kind == "mlkem768x25519" && m[1] != kind {
		return false
	}
	for _, text := range []string{strings.ReplaceAll(m[2], "\n", ""), m[3]} {
		b, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil || base64.RawStdEncoding.EncodeToString(b) != text {
			return false
		}
	}
	return true
}

// flipNames flips what names and dates an envelope, and its keys.
func (v *victim) flipNames(t *testing.T, e forge.Envelope) {
	t.Helper()
	text := string(v.doc.JSON())
	flips(e.ID, 1, func(i int, id string) {
		id = strings.ToValidUTF8(id, "?")
		v.want(t, "InvalidFormat", fmt.Sprintf("symbol %d of an id in envelopes", i), v.doc.Rename(id, v.envelope(e)...).JSON())
		v.want(t, "InvalidFormat", fmt.Sprintf("symbol %d of an id in an item", i), v.doc.Set(id, "spec", "items", map[bool]string{true: "a", false: "c"}[e.ID == v.one.ID], "envelope").JSON())
		word := "InvalidFormat"
		if envelopeID.MatchString(id) && forge.TimeOf(id) == e.SealedAt {
			word = "Tampered"
		}
		v.want(t, word, fmt.Sprintf("symbol %d of an id everywhere", i), []byte(strings.ReplaceAll(text, e.ID, id)))
	})
	put := v.splice(t, v.envelope(e, "sealedAt")...)
	flips(e.SealedAt, 1, func(i int, flipped string) {
		v.want(t, "InvalidFormat", fmt.Sprintf("symbol %d of sealedAt", i), put(strings.ToValidUTF8(flipped, "?")))
	})
	for holder, word := range map[string]string{"prod": "NoMatchingKey", "glass": "ok"} {
		path := v.envelope(e, "wraps", holder, "keys")
		id := v.doc.Get(path...).([]any)[0].(string)
		flips(id, 1, func(i int, flipped string) {
			want := word
			if !keyID.MatchString(flipped) {
				want = "InvalidFormat"
			}
			v.want(t, want, fmt.Sprintf("digit %d of a key id of %s", i, holder), v.doc.Set([]string{strings.ToValidUTF8(flipped, "?")}, path...).JSON())
		})
	}
}

var (
	envelopeID = regexp.MustCompile(`^[0-7][0-9a-hjkmnp-tv-z]{25}$`)
	keyID      = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// TestMutationOfEveryByteOfADocument has no word to expect; what it holds is that nothing opens to other values.
func TestMutationOfEveryByteOfADocument(t *testing.T) {
	v := newVictim(t, forge.Classical)
	text := v.doc.JSON()
	opened := 0
	for i := range text {
		for _, bit := range []byte{1, 2, 0x20} {
			text[i] ^= bit
			got, err := openDocument(text, v.keys, false)
			if err == nil {
				opened++
				if diff := cmp.Diff(v.values, got); diff != "" {
					t.Errorf("byte %d opens to other values:\n%s", i, diff)
				}
			} else if seal.Outcome(err) == "" {
				t.Errorf("byte %d: an error without an outcome: %v", i, err)
			}
			text[i] ^= bit
		}
	}
	if opened == 0 || opened > len(text) {
		t.Errorf("%d of %d mutations open; the type and glass's wraps should, the rest not", opened, 3*len(text))
	}
}
