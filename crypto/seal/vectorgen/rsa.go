package main

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// rsaRecipients are the vectors of section 4.1.
func rsaRecipients(w *world) []vector {
	one, two := forge.RSA4096(), forge.RSA4096()
	key := one.Age.(forge.RSAWrap).Key
	with := func(made forge.RSAWrap) forge.Party {
		made.Key, made.ID = key, one.KeyID()
		if made.Hash == nil {
			made.Hash = sha256.New
		}
		return forge.Party{Identity: one.Identity, Recipient: one.Recipient, Age: made}
	}
	bent := func(change func(*age.Stanza)) forge.Tree { return w.holders(w.e.Wraps(one.Bent(change))) }
	opened := openedBy(one)
	both := map[string]seal.Wrap{"breakglass": w.e.Wrap(w.glass), "prod": w.e.Wrap(one)}
	return []vector{
		w.ok("one RSA recipient", w.holders(w.e.Wraps(one)), opened),
		w.ok("two RSA recipients of one holder, opened by the second", w.holders(w.e.Wraps(one, two)), openedBy(two)),
		w.ok("an RSA and an X25519 recipient of one holder, opened by RSA", w.holders(w.e.Wraps(w.other, one)), opened),
		w.ok("an RSA and an X25519 recipient of one holder, opened by X25519", w.holders(w.e.Wraps(one, w.other)), openedBy(w.other)),
		w.ok("an RSA keyring with break glass, opened by the keyring", w.holders(both), opened),
		w.ok("an RSA keyring with break glass, opened by break glass", w.holders(both), openedBy(w.glass)),
		w.bad(invalidFormat, "an RSA and a post-quantum holder of one envelope", w.holders(map[string]seal.Wrap{"breakglass": w.e.Wrap(w.pq), "prod": w.e.Wrap(one)}), opened),
		w.bad(noMatchingKey, "another RSA identity", w.holders(w.e.Wraps(one)), openedBy(two)),
		w.bad(tampered, "the stanza of another RSA recipient under the opener's key id", w.holders(map[string]seal.Wrap{"prod": {Keys: forge.KeyIDs(one), Age: forge.Age(w.e.WrapPlain(forge.KeyIDs(one)...), two)}}), opened),
		w.bad(tampered, "an RSA stanza of another type", bent(func(s *age.Stanza) { s.Type = "waxwing.io/rsa2048" }), opened),
		w.bad(tampered, "an RSA stanza without an argument", bent(func(s *age.Stanza) { s.Args = nil }), opened),
		w.bad(tampered, "an RSA stanza with two arguments", bent(func(s *age.Stanza) { s.Args = append(s.Args, "x") }), opened),
		w.bad(tampered, "an RSA stanza with the key id as it is displayed", bent(func(s *age.Stanza) { s.Args[0] = s.Args[0][:16] }), opened),
		w.bad(tampered, "an RSA stanza with a body of 511 bytes", bent(func(s *age.Stanza) { s.Body = s.Body[:511] }), opened),
		w.bad(tampered, "an RSA stanza with a body of 513 bytes", bent(func(s *age.Stanza) { s.Body = append(s.Body, 0) }), opened),
		w.bad(tampered, "an RSA stanza with a changed body", bent(func(s *age.Stanza) { s.Body[511] ^= 1 }), opened),
		w.bad(tampered, "an RSA stanza that holds 15 bytes", w.holders(w.e.Wraps(with(forge.RSAWrap{Plain: bytes.Repeat([]byte{1}, 15)}))), opened),
		w.bad(tampered, "an RSA stanza that holds 17 bytes", w.holders(w.e.Wraps(with(forge.RSAWrap{Plain: bytes.Repeat([]byte{1}, 17)}))), opened),
		w.bad(tampered, "an RSA stanza with a label", w.holders(w.e.Wraps(with(forge.RSAWrap{Label: []byte("waxwing")}))), opened),
		w.bad(tampered, "an RSA stanza with SHA-1", w.holders(w.e.Wraps(with(forge.RSAWrap{Hash: sha1.New}))), opened),
	}
}
