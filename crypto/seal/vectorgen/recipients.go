package main

import (
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// holders is a document with one envelope that is wrapped for several holders.
func (w *world) holders(wraps map[string]seal.Wrap) forge.Tree {
	s := spec(w.e, baseValues, w.prod)
	s.Envelopes[w.e.ID] = w.e.Envelope(wraps)
	return forge.Document(s, w.at)
}

func recipients(w *world) []vector {
	return append(recipientsThatOpen(w), recipientsThatDoNot(w)...)
}

func recipientsThatOpen(w *world) []vector {
	eight := []forge.Party{w.prod, w.other, w.glass, forge.Classical(), forge.Classical(), forge.Classical(), forge.Classical(), forge.Classical()}
	unknown := forge.Stanza("example.com/unknown", []string{"argument"}, forge.Random(40))
	tag := forge.Stanza("mlkem768p256tag", []string{"AAAA", "BBBB"}, forge.Random(32), "postquantum")
	return []vector{
		w.ok("one post-quantum recipient", w.holders(w.e.Wraps(w.pq)), openedBy(w.pq)),
		w.ok("two post-quantum recipients of one holder, opened by the second", w.holders(w.e.Wraps(w.pq, w.pq2)), openedBy(w.pq2)),
		w.ok("two post-quantum holders, opened by the second", w.holders(map[string]seal.Wrap{"breakglass": w.e.Wrap(w.pq2), "prod": w.e.Wrap(w.pq)}), openedBy(w.pq)),
		w.ok("one classical recipient", w.doc()),
		w.ok("two classical recipients of one holder, opened by the second", w.holders(w.e.Wraps(w.other, w.prod))),
		w.ok("eight recipients of one holder, opened by the last", w.holders(w.e.Wraps(eight...)), openedBy(eight[7])),
		w.ok("an SSH key of a break-glass group beside an age key", w.holders(map[string]seal.Wrap{"breakglass": w.e.Wrap(sshParty()), "prod": w.e.Wrap(w.prod)})),
		w.ok("a stanza of an unknown type is classical", w.holders(w.e.Wraps(unknown, w.prod))),
		w.ok("a mlkem768p256tag stanza is post-quantum", w.holders(w.e.Wraps(tag, w.pq)), openedBy(w.pq)),
		w.ok("more identities than are needed", w.doc(), openedBy(w.stranger, w.pq, w.prod, w.other)),
	}
}

func recipientsThatDoNot(w *world) []vector {
	prod := []string{"spec", "envelopes", w.e.ID, "wraps", "prod"}
	two := forge.New(w.f, sealedAt)
	mixed := w.doc().Set(two.Envelope(two.Wraps(w.pq)), "spec", "envelopes", two.ID)
	both := w.doc().Set(two.Envelope(two.Wraps(w.pq)), "spec", "envelopes", two.ID).Set(two.Item("more", nil), "spec", "items", "more")
	unguarded := forge.Party{Recipient: w.pq.Recipient, Age: onlyWrap{w.pq.Age}}
	unknown := forge.Stanza("MLKEM768X25519", nil, nil, "postquantum")
	scrypt := forge.Stanza("scrypt", []string{strings.Repeat("A", 22), "10"}, forge.Random(32))
	return []vector{
		w.bad(invalidFormat, "a post-quantum and a classical recipient in one wrap", w.holders(w.e.Wraps(unguarded, w.prod))),
		w.bad(invalidFormat, "a post-quantum and a classical holder of one envelope", w.holders(map[string]seal.Wrap{"breakglass": w.e.Wrap(w.pq), "prod": w.e.Wrap(w.prod)})),
		w.bad(invalidFormat, "a post-quantum and a classical envelope", both),
		w.bad(invalidFormat, "a classical envelope, and a post-quantum one that no item names", mixed),
		w.bad(invalidFormat, "a stanza type in upper case is unknown and so classical, beside a post-quantum one", w.holders(w.e.Wraps(unknown, w.pq)), openedBy(w.pq)),
		w.bad(invalidFormat, "a passphrase", w.holders(w.e.Wraps(scrypt)), openedBy()),
		w.bad(invalidFormat, "a passphrase beside a key", w.holders(w.e.Wraps(scrypt, w.prod))),
		w.bad(noMatchingKey, "an identity that nothing was sealed for", w.doc(), openedBy(w.stranger)),
		w.bad(noMatchingKey, "no identity", w.doc(), openedBy()),
		w.bad(noMatchingKey, "identities of the other class", w.doc(), openedBy(w.pq, w.pq2)),
		w.bad(noMatchingKey, "the key id of another recipient than the stanza is for: keys decide", w.doc().Set([]string{w.other.KeyID()}, in(prod, "keys")...)),
		w.bad(tampered, "the key id of the opener's identity, a stanza for another recipient", w.holders(map[string]seal.Wrap{"prod": {Keys: w.prodIDs(), Age: forge.Age(w.e.WrapPlain(w.prodIDs()...), w.other)}})),
	}
}

func (w *world) prodIDs() []string { return forge.KeyIDs(w.prod) }

// onlyWrap hides the labels by which age itself refuses to mix classes.
type onlyWrap struct{ age.Recipient }

// sshParty is an SSH key that age seals to; nothing here opens with it.
func sshParty() forge.Party {
	key, err := ssh.ParsePublicKey(forge.Ed25519().Blob)
	if err != nil {
		panic(err)
	}
	r, err := agessh.NewEd25519Recipient(key)
	if err != nil {
		panic(err)
	}
	return forge.Party{Recipient: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), Age: r}
}
