package main

import (
	"bytes"
	"strings"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

func wraps(w *world) []vector {
	var all []vector
	for _, part := range []func(*world) []vector{wrapsThatOpen, wrapsThatAreNone, wrapsArmor, wrapsAgeFile, wrapsWithAnotherPlaintext} {
		all = append(all, part(w)...)
	}
	return all
}

// ids are n different key ids that belong to no key.
func ids(n int) []string {
	var out []string
	for i := range n {
		out = append(out, forge.KeyID("nobody "+strings.Repeat("x", i)))
	}
	return out
}

func wrapsThatOpen(w *world) []vector {
	doc, envelope, wrap := w.base()
	names := map[string]seal.Wrap{"a": w.e.Wrap(w.other), strings.Repeat("h", 63): w.e.Wrap(w.glass), "0.eu-west.prod": w.e.Wrap(w.prod)}
	broken := doc.Set(seal.Wrap{Keys: forge.KeyIDs(w.glass), Age: forge.Age(forge.Random(87), w.glass)}, in(envelope, "wraps", "breakglass")...)
	long := w.prod.Bent(func(s *age.Stanza) {})
	many := forge.Stanza("example.com/many", strings.Split(strings.Repeat("x", 128), ""), nil)
	return []vector{
		w.ok("one holder", doc),
		w.ok("three holders, opened by the first", w.holders(names), openedBy(w.prod)),
		w.ok("three holders, opened by the last", w.holders(names), openedBy(w.glass)),
		w.ok("three holders, opened with all keys", w.holders(names), openedBy(w.glass, w.other, w.prod)),
		w.ok("wrappedBefore of other keys", doc.Set(ids(3), in(wrap, "wrappedBefore")...)),
		w.ok("wrappedBefore may repeat the present keys: it is a claim", doc.Set(w.prodIDs(), in(wrap, "wrappedBefore")...)),
		w.ok("a broken wrap of a holder whose key the opener does not have", broken),
		w.ok("a stanza with 128 arguments after its type", w.holders(w.e.Wraps(many, long))),
		w.bad(noMatchingKey, "the key stands in wrappedBefore only", doc.Set(forge.KeyIDs(w.other), in(wrap, "wrappedBefore")...), openedBy(w.other)),
		w.bad(tampered, "a broken wrap of the first holder, though the second's would open", broken, openedBy(w.prod, w.glass)),
	}
}

func wrapsThatAreNone(w *world) []vector {
	doc, envelope, wrap := w.base()
	all := []vector{w.bad(invalidFormat, "an envelope without wraps", doc.Set(map[string]any{}, in(envelope, "wraps")...))}
	for _, holder := range []string{"", "-prod", "prod-", ".prod", "prod.", "Prod", "pr_od", "prod\n", "pröd", strings.Repeat("h", 64)} {
		all = append(all, w.bad(invalidFormat, "a holder's name that is none: "+quoted(short(holder)), w.holders(map[string]seal.Wrap{holder: w.e.Wrap(w.prod)})))
	}
	id := w.prod.KeyID()
	for _, c := range []struct {
		description string
		path        []string
		ids         []string
	}{
		{"no keys", in(wrap, "keys"), []string{}},
		{"a key id of 31 digits", in(wrap, "keys"), []string{id[:31]}},
		{"a key id of 33 digits", in(wrap, "keys"), []string{id + "0"}},
		{"a key id that is no hex", in(wrap, "keys"), []string{"g" + id[1:]}},
		{"an empty key id in wrappedBefore", in(wrap, "wrappedBefore"), []string{""}},
		{"a key id twice in wrappedBefore", in(wrap, "wrappedBefore"), []string{id, id}},
		{"more keys than stanzas", in(wrap, "keys"), []string{id, w.other.KeyID()}},
	} {
		all = append(all, w.bad(invalidFormat, c.description, doc.Set(c.ids, c.path...)))
	}
	two := w.e.Wrap(w.prod, w.other)
	twice := seal.Wrap{Keys: []string{id, id}, Age: forge.Age(w.e.WrapPlain(id, id), w.prod, w.prod)}
	return append(all,
		w.bad(invalidFormat, "fewer keys than stanzas", w.holders(map[string]seal.Wrap{"prod": {Keys: two.Keys[:1], Age: two.Age}})),
		w.bad(invalidFormat, "a key twice", w.holders(map[string]seal.Wrap{"prod": twice})),
	)
}

// wrapsArmor bends the armor of a sound age file.
func wrapsArmor(w *world) []vector {
	doc, _, wrap := w.base()
	armor := doc.Text(in(wrap, "age")...)
	raw := forge.Unarmor(armor)
	lines := strings.Split(armor, "\n")
	joined := lines[0] + "\n" + strings.Join(lines[1:len(lines)-2], "") + "\n" + lines[len(lines)-2] + "\n"
	bad := func(description, armor string) vector {
		return w.bad(invalidFormat, description, doc.Set(armor, in(wrap, "age")...))
	}
	return []vector{
		bad("armor without its last line feed", strings.TrimSuffix(armor, "\n")),
		bad("armor with a line feed too many at its end", armor+"\n"),
		bad("armor with a line feed in front", "\n"+armor),
		bad("armor with CRLF", strings.ReplaceAll(armor, "\n", "\r\n")),
		bad("armor in one long line", joined),
		bad("armor with a space at the end of a line", strings.Replace(armor, "\n", " \n", 1)),
		bad("armor with an empty line inside", strings.Replace(armor, "\n", "\n\n", 1)),
		bad("armor of another kind", strings.ReplaceAll(armor, "AGE ENCRYPTED FILE", "PGP MESSAGE")),
		bad("armor without an end", lines[0]+"\n"+lines[1]+"\n"),
		bad("armor with nothing in it", lines[0]+"\n"+lines[len(lines)-2]+"\n"),
		bad("two age files", armor+armor),
		bad("an age file without armor", string(bytes.ToValidUTF8(raw, []byte("?")))),
		bad("armor with a symbol that is not base64", strings.Replace(armor, lines[1][:4], "!!!!", 1)),
		bad("an empty string", ""),
	}
}

// wrapsAgeFile bends the age file inside sound armor.
func wrapsAgeFile(w *world) []vector {
	doc, _, wrap := w.base()
	raw := string(forge.Unarmor(doc.Text(in(wrap, "age")...)))
	bent := func(expect, description, old, text string) vector {
		if strings.Count(raw, old) == 0 {
			panic(description)
		}
		return w.bad(expect, description, doc.Set(forge.Armor([]byte(strings.Replace(raw, old, text, 1))), in(wrap, "age")...))
	}
	payload := raw[len(raw)-119:]
	mac := raw[strings.Index(raw, "\n--- ")+5:][:43]
	body := raw[strings.Index(raw, "\n--- ")-43:][:43]
	line := raw[strings.Index(raw, "-> "):]
	line = line[:strings.Index(line, "\n")]
	flip := func(s string, i int) string { return s[:i] + string([]byte{s[i] ^ 1}) + s[i+1:] }
	other := func(s string) string { return string(alphabet[(strings.IndexByte(alphabet, s[0])+1)%64]) + s[1:] }
	many := "-> many" + strings.Repeat(" x", 129) + "\n\n--- "
	all := []vector{
		bent(invalidFormat, "another version of age", "age-encryption.org/v1", "age-encryption.org/v2"),
		bent(invalidFormat, "a header without stanzas", raw[strings.Index(raw, "-> "):strings.Index(raw, "--- ")], ""),
		bent(invalidFormat, "a header that does not end", "\n--- ", "\n-- "),
		bent(invalidFormat, "a header with two spaces between arguments", "-> X25519 ", "-> X25519  "),
		bent(invalidFormat, "a header with a tab", "-> X25519 ", "-> X25519\t"),
		bent(invalidFormat, "a stanza without a type", line, "->"),
		bent(invalidFormat, "a MAC that is cut", mac, mac[:42]),
		bent(invalidFormat, "a MAC with a padding sign", mac, mac+"="),
		bent(invalidFormat, "a stanza body with a padding sign", body, body+"="),
		bent(invalidFormat, "a stanza body whose last line is full", body, strings.Repeat("A", 64)),
		bent(invalidFormat, "a stanza body in a line that is too long", body, strings.Repeat("A", 68)),
		bent(invalidFormat, "a header with CRLF", "\n", "\r\n"),
		bent(invalidFormat, "a second stanza without a second key", "--- ", "-> joint x\n\n--- "),
		w.bad(invalidFormat, "a stanza with 129 arguments after its type", doc.Set(ids(2), in(wrap, "keys")...).
			Set(forge.Armor([]byte(strings.Replace(raw, "--- ", many, 1))), in(wrap, "age")...)),
		bent(invalidFormat, "a payload that is one byte short", payload, payload[:118]),
		bent(invalidFormat, "a payload that is one byte long", payload, payload+"x"),
		bent(invalidFormat, "no payload", payload, ""),
		bent(tampered, "a MAC with another bit", mac, other(mac)),
		bent(tampered, "a stanza body with another bit", body, other(body)),
		bent(tampered, "a payload nonce with another bit", payload, flip(payload, 0)),
		bent(tampered, "a payload with another bit", payload, flip(payload, 50)),
		bent(tampered, "a payload tag with another bit", payload, flip(payload, 118)),
	}
	more := w.prod.Bent(func(s *age.Stanza) { s.Args = append(s.Args, "more") })
	less := w.prod.Bent(func(s *age.Stanza) { s.Body = s.Body[:31] })
	short := w.prod.Bent(func(s *age.Stanza) { s.Args[0] = s.Args[0][:42] })
	return append(all,
		w.bad(tampered, "an X25519 stanza with an argument too many is seen only with a key", w.holders(w.e.Wraps(more))),
		w.bad(tampered, "an X25519 stanza with a body of 31 bytes", w.holders(w.e.Wraps(less))),
		w.bad(tampered, "an X25519 stanza with a share of 31 bytes", w.holders(w.e.Wraps(short))),
		w.bad(noMatchingKey, "the same without a key", w.holders(w.e.Wraps(short)), openedBy(w.stranger)),
	)
}

func wrapsWithAnotherPlaintext(w *world) []vector {
	plain := w.e.WrapPlain(w.prodIDs()...)
	with := func(b []byte) forge.Tree {
		return w.holders(map[string]seal.Wrap{"prod": {Keys: w.prodIDs(), Age: forge.Age(b, w.prod)}})
	}
	at := func(i int) []byte {
		b := bytes.Clone(plain)
		b[i] ^= 1
		return b
	}
	other := forge.New(w.f, sealedAt)
	two := w.e.Wrap(w.prod, w.other)
	swapped := seal.Wrap{Keys: []string{two.Keys[1], two.Keys[0]}, Age: two.Age}
	stranger := seal.Wrap{Keys: []string{w.prod.KeyID(), w.stranger.KeyID()}, Age: two.Age}
	return []vector{
		w.bad(invalidFormat, "an envelope key of 31 bytes", with(plain[:86])),
		w.bad(invalidFormat, "an envelope key of 33 bytes", with(append(bytes.Clone(plain), 0))),
		w.bad(invalidFormat, "an empty plaintext", with(nil)),
		w.bad(tampered, "87 random bytes", with(forge.Random(87))),
		w.bad(tampered, "another first byte of the tag", with(at(0))),
		w.bad(tampered, "another last byte of the tag", with(at(22))),
		w.bad(tampered, "another byte of the envelope key", with(at(23))),
		w.bad(tampered, "another last byte of the digest of keys", with(at(86))),
		w.bad(tampered, "the envelope key of another envelope", with(other.WrapPlain(w.prodIDs()...))),
		w.bad(tampered, "the digest of other keys", with(w.e.WrapPlain(w.other.KeyID()))),
		w.bad(tampered, "keys in another order", w.holders(map[string]seal.Wrap{"prod": swapped})),
		w.bad(tampered, "another key beside the opener's", w.holders(map[string]seal.Wrap{"prod": stranger})),
		w.bad(tampered, "a holder whose wrap holds another key than the others'", w.holders(map[string]seal.Wrap{"breakglass": w.e.Wrap(w.glass), "prod": other.Wrap(w.prod)})),
		w.ok("the same, opened by the holder with the right key", w.holders(map[string]seal.Wrap{"breakglass": w.e.Wrap(w.glass), "prod": other.Wrap(w.prod)}), openedBy(w.glass)),
	}
}
