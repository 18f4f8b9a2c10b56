package main

import (
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// changing: documents as section 10 leaves them, and as careless changes do.
func changing(w *world) []vector {
	doc, envelope, wrap := w.base()
	signer := forge.Ed25519()
	good := doc.Sign(signer)
	later := forge.New(w.f, sealedAt.Add(time.Hour))
	added := func(t forge.Tree, name, value string) forge.Tree {
		return t.Set(later.Envelope(later.Wraps(w.prod)), "spec", "envelopes", later.ID).Set(later.Item(name, []byte(value)), "spec", "items", name)
	}
	unsigned := func(t forge.Tree) forge.Tree { return t.Delete("spec", "signature") }
	rewrapped := func(t forge.Tree) forge.Tree {
		return t.Set(w.e.Wrap(w.other), wrap...).Set(w.prodIDs(), in(wrap, "wrappedBefore")...)
	}
	resealed := forge.Document(spec(later, baseValues, w.other), w.at)
	both := map[string]string{"user": "app", "password": baseValues["password"], "token": "t"}
	replaced := map[string]string{"user": "app", "password": "new"}
	merged := added(doc, "token", "t")
	more := forge.New(w.f, sealedAt.Add(2*time.Hour))
	merged = merged.Set(more.Envelope(more.Wraps(w.prod)), "spec", "envelopes", more.ID).Set(more.Item("pin", []byte("p")), "spec", "items", "pin")
	copied := doc.Set(seal.Wrap{Keys: forge.KeyIDs(w.other), Age: doc.Text(in(wrap, "age")...)}, wrap...)
	return []vector{
		w.ok("an item added in a new envelope", added(doc, "token", "t"), values(both)),
		w.ok("an item replaced in a new envelope", added(doc, "password", "new"), values(replaced)),
		w.ok("an item removed with its line", doc.Delete("spec", "items", "user"), values(map[string]string{"password": baseValues["password"]})),
		w.ok("all items removed", doc.Delete("spec", "items"), values(map[string]string{})),
		w.ok("items of two branches merged", merged, values(map[string]string{"user": "app", "password": baseValues["password"], "token": "t", "pin": "p"})),
		w.ok("a rewrap opens with the new key", rewrapped(doc), openedBy(w.other)),
		w.ok("a rewrap keeps the signature", rewrapped(good), openedBy(w.other), signed),
		w.ok("a wrap of a further holder keeps the signature", good.Set(w.e.Wrap(w.glass), in(envelope, "wraps", "glass")...), signed),
		w.ok("a reseal has one envelope", resealed, openedBy(w.other)),
		w.bad(noMatchingKey, "a rewrap does not open with the old key", rewrapped(doc)),
		w.bad(tampered, "a rewrap that changed keys only", copied, openedBy(w.other)),
		w.bad(tampered, "a rewrap that changed the age file only", doc.Set(w.e.Wrap(w.other).Age, in(wrap, "age")...)),
		w.bad(badSignature, "an item added, the signature kept", added(good, "token", "t")),
		w.bad(badSignature, "an item added, and a signature required", unsigned(added(good, "token", "t")), signed),
		w.bad(badSignature, "an item replaced, the signature kept", added(good, "password", "new")),
		w.bad(badSignature, "an item removed, the signature kept", good.Delete("spec", "items", "user")),
		w.bad(badSignature, "a reseal, the signature kept", resealed.Set(good.Get("spec", "signature"), "spec", "signature"), openedBy(w.other)),
		w.bad(invalidFormat, "a merge that lost an envelope", merged.Delete("spec", "envelopes", later.ID)),
		w.bad(invalidFormat, "an envelope removed while an item names it", doc.Delete(envelope...)),
		w.bad(invalidFormat, "a rewrap for a key of the other class beside an old wrap", doc.Set(w.e.Wrap(w.pq), in(envelope, "wraps", "glass")...)),
	}
}
