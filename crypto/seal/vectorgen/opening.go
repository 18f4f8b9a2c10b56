package main

import (
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// opening: the order of section 9. Each bad vector has two things wrong, and the word is the earlier one's.
func opening(w *world) []vector {
	doc, envelope, wrap := w.base()
	value := []string{"spec", "items", "user", "value"}
	moved := func(t forge.Tree) forge.Tree { return t.Set("dev", "metadata", "namespace") }
	broken := func(t forge.Tree) forge.Tree { return t.Set(w.e.Value("other", forge.Pad(nil)), value...) }
	unsound := func(t forge.Tree) forge.Tree { return t.Set("x", "spec", "surprise") }
	signer := forge.Ed25519()
	good := doc.Sign(signer)
	wrong := good.Set("Other", "spec", "type")
	stranger := openedBy(w.stranger)
	long := filledTo(1_572_865)
	all := []vector{
		w.ok("everything in order", good, signed),
		w.ok("a signature that nobody requires is verified", good),
		w.ok("nothing to open needs no key", doc.Delete("spec", "items"), openedBy(), values(map[string]string{})),
		w.ok("an envelope that no item names is never opened", doc.Set(w.e.Envelope(map[string]seal.Wrap{"prod": {Keys: w.prodIDs(), Age: forge.Age(forge.Random(87), w.prod)}}), "spec", "envelopes", w.e.ID).Delete("spec", "items"), values(map[string]string{})),
		w.badText(tooLarge, "too long, and no JSON", "{", long),
		w.bad(tooLarge, "too long, and elsewhere", moved(doc), long),
		w.bad(invalidFormat, "an unknown member, and a wrong signature", unsound(wrong)),
		w.bad(invalidFormat, "an unknown member, and elsewhere", unsound(moved(doc))),
		w.bad(invalidFormat, "an unknown member, and no key", unsound(doc), stranger),
		w.bad(invalidFormat, "a value that is no base64, and no key", doc.Set("?", value...), stranger),
		w.bad(invalidFormat, "armor that is none, and another holder's wrap that would open", doc.Set(seal.Wrap{Keys: forge.KeyIDs(w.glass), Age: "x"}, in(envelope, "wraps", "glass")...)),
		w.bad(badSignature, "a wrong signature, and elsewhere", moved(wrong)),
		w.bad(badSignature, "no signature where one is required, and elsewhere", moved(doc), signed),
		w.bad(badSignature, "a wrong signature, and no key", wrong, stranger),
		w.bad(badSignature, "no signature where one is required, and a broken value", broken(doc), signed),
		w.bad(scopeMismatch, "elsewhere, and no key", moved(doc), stranger),
		w.bad(scopeMismatch, "elsewhere, and a broken value", moved(broken(doc))),
		w.bad(scopeMismatch, "elsewhere with a sound signature", moved(good), signed),
		w.bad(scopeMismatch, "elsewhere, with nothing to open", moved(doc.Delete("spec", "items"))),
		w.bad(noMatchingKey, "no key, and a broken value", broken(doc), stranger),
		w.bad(tampered, "a broken wrap, and a broken value", broken(doc.Set(forge.Age(forge.Random(87), w.prod), in(wrap, "age")...))),
		w.bad(tampered, "one broken value of two", broken(doc)),
	}
	return append(append(all, openingHolders(w)...), openingEnvelopes(w)...)
}

// openingHolders: which wrap is opened when several could be.
func openingHolders(w *world) []vector {
	random := func(keys ...forge.Party) seal.Wrap {
		return seal.Wrap{Keys: forge.KeyIDs(keys...), Age: forge.Age(forge.Random(87), keys...)}
	}
	first := map[string]seal.Wrap{"a": random(w.prod, w.other), "b": w.e.Wrap(w.glass, w.stranger)}
	second := map[string]seal.Wrap{"a": w.e.Wrap(w.prod, w.other), "b": random(w.glass, w.stranger)}
	upper := map[string]seal.Wrap{"10": w.e.Wrap(w.prod), "9": random(w.glass)}
	both := openedBy(w.glass, w.prod)
	return []vector{
		w.ok("the holder that is first in byte order is opened", w.holders(second), both),
		w.bad(tampered, "the holder that is first in byte order is broken", w.holders(first), both),
		w.bad(tampered, "the second key of the first holder is used before the first of the second", w.holders(first), openedBy(w.other, w.glass)),
		w.ok("a holder is passed over when none of its keys is there", w.holders(first), openedBy(w.stranger)),
		w.bad(tampered, "the second holder is the only one with a key, and broken", w.holders(second), openedBy(w.stranger)),
		w.ok("byte order is not the order of numbers: 10 comes before 9", w.holders(upper), both),
	}
}

// openingEnvelopes: two envelopes with one thing wrong in each.
func openingEnvelopes(w *world) []vector {
	later := forge.New(w.f, sealedAt.Add(time.Hour))
	two := func(now, then []forge.Party, bend func(forge.Envelope, seal.Envelope) seal.Envelope) forge.Tree {
		s := spec(w.e, map[string]string{"z": "1"}, now...)
		s.Envelopes[later.ID] = bend(later, later.Envelope(later.Wraps(then...)))
		s.Items["a"] = later.Item("a", []byte("2"))
		return forge.Document(s, w.at)
	}
	prod, glass := []forge.Party{w.prod}, []forge.Party{w.glass}
	sound := func(_ forge.Envelope, e seal.Envelope) seal.Envelope { return e }
	wrongCommit := func(e forge.Envelope, s seal.Envelope) seal.Envelope {
		e.For.Name = "x"
		s.Commit = e.Commit()
		return s
	}
	both := values(map[string]string{"z": "1", "a": "2"})
	earlierBroken := two(prod, glass, sound).Set(wrongCommit(w.e, seal.Envelope{}).Commit, "spec", "envelopes", w.e.ID, "commit")
	return []vector{
		w.ok("two envelopes for one key", two(prod, prod, sound), both),
		w.ok("two envelopes for two keys, both there", two(prod, glass, sound), both, openedBy(w.glass, w.prod)),
		w.bad(noMatchingKey, "two envelopes, the later without a key", two(prod, glass, sound)),
		w.bad(noMatchingKey, "two envelopes, the earlier without a key", two(glass, prod, sound)),
		w.bad(noMatchingKey, "two envelopes, the earlier without a key and the later with a wrong commit", two(glass, prod, wrongCommit)),
		w.bad(tampered, "two envelopes, the later with a wrong commit", two(prod, prod, wrongCommit)),
		w.bad(tampered, "two envelopes, the earlier with a wrong commit and the later without a key", earlierBroken),
		w.bad(noMatchingKey, "two envelopes, the later without a key, and a broken item of the earlier", two(prod, glass, sound).Set(w.e.Value("y", forge.Pad(nil)), "spec", "items", "z", "value")),
	}
}
