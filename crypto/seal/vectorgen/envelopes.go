package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// sealedIn is a document with the base values in the given envelope.
func (w *world) sealedIn(e forge.Envelope) forge.Tree {
	return forge.Document(spec(e, baseValues, w.prod), w.at)
}

// renamed is the sealed-for-itself envelope e under another id and time: everything fits, only the id is no id.
func renamed(e forge.Envelope, id, at string) forge.Envelope {
	e.ID, e.SealedAt = id, at
	return e
}

func envelopes(w *world) []vector {
	return append(append(envelopesThatOpen(w), envelopesThatAreNone(w)...), envelopesThatWereMoved(w)...)
}

func envelopesThatOpen(w *world) []vector {
	id := w.e.ID
	two := forge.New(w.f, sealedAt.Add(time.Hour))
	both := w.doc().Set(two.Envelope(two.Wraps(w.prod)), "spec", "envelopes", two.ID).Set(two.Item("user", []byte("app")), "spec", "items", "user")
	return []vector{
		w.ok("one envelope", w.doc()),
		w.ok("two envelopes", both),
		w.ok("the first millisecond of 1970", w.sealedIn(forge.New(w.f, time.UnixMilli(0)))),
		w.ok("the last millisecond of 9999", w.sealedIn(forge.New(w.f, time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)))),
		w.ok("milliseconds are cut, not rounded", w.sealedIn(forge.New(w.f, sealedAt.Add(999*time.Millisecond)))),
		w.ok("every symbol that an id may have", w.sealedIn(renamed(w.e, id[:10]+"0123456789abcdef", w.e.SealedAt))),
		w.ok("the other half of the symbols", w.sealedIn(renamed(w.e, id[:10]+"ghjkmnpqrstvwxyz", w.e.SealedAt))),
	}
}

func envelopesThatAreNone(w *world) []vector {
	id, at := w.e.ID, w.e.SealedAt
	_, envelope, _ := w.base()
	var all []vector
	for _, c := range []struct{ description, id, at string }{
		{"an id in upper case", strings.ToUpper(id), at},
		{"an id of 25 symbols", id[:25], at},
		{"an id of 27 symbols", id + "0", at},
		{"an id with the letter i", id[:25] + "i", at},
		{"an id with the letter l", id[:25] + "l", at},
		{"an id with the letter o", id[:25] + "o", at},
		{"an id with the letter u", id[:25] + "u", at},
		{"an id that begins with 8", "8" + id[1:], at},
		{"an id with a line feed at its end", id + "\n", at},
		{"an empty id", "", at},
		{"sealedAt one second later than the id", id, "2026-11-23T02:22:01Z"},
		{"sealedAt with a fraction", id, "2026-11-23T02:22:00.000Z"},
		{"sealedAt with an offset", id, "2026-11-23T02:22:00+00:00"},
		{"sealedAt in lower case", id, "2026-11-23t02:22:00z"},
		{"sealedAt without its zone", id, "2026-11-23T02:22:00"},
		{"an empty sealedAt", id, ""},
		{"a year of five digits", forge.ID(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()), "10000-01-01T00:00:00Z"},
		{"a year of five digits with its sign", forge.ID(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()), "+010000-01-01T00:00:00Z"},
		{"a year of five digits and an empty sealedAt", forge.ID(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()), ""},
		{"the last time of an id, in the year 10889", "7zzzzzzzzz" + id[10:], "10889-08-02T05:31:50Z"},
	} {
		all = append(all, w.bad(invalidFormat, c.description, w.sealedIn(renamed(w.e, c.id, c.at))))
	}
	commit := in(envelope, "commit")
	return append(all,
		w.bad(invalidFormat, "a commit of 31 bytes", w.doc().Set(base64.StdEncoding.EncodeToString(forge.Random(31)), commit...)),
		w.bad(invalidFormat, "a commit of 33 bytes", w.doc().Set(base64.StdEncoding.EncodeToString(forge.Random(33)), commit...)),
		w.bad(invalidFormat, "an empty commit", w.doc().Set("", commit...)),
		w.bad(invalidFormat, "an envelope that no item names, with a wrong sealedAt", w.doc().Set(w.e.Envelope(w.e.Wraps(w.prod)), "spec", "envelopes", forge.ID(0))),
	)
}

func envelopesThatWereMoved(w *world) []vector {
	doc, envelope, _ := w.base()
	commit := in(envelope, "commit")
	later := forge.New(w.f, sealedAt.Add(time.Second))
	// move gives the envelope another id, and its items with it.
	move := func(id, at string) forge.Tree {
		return doc.Rename(id, envelope...).Set(at, "spec", "envelopes", id, "sealedAt").Set(id, "spec", "items", "user", "envelope").Set(id, "spec", "items", "password", "envelope")
	}
	wider := func(f seal.For) forge.Tree { return doc.Set(f, "spec", "for") }
	info := w.e.Info("value", "")
	m := hmac.New(sha256.New, w.e.Derive(info))
	m.Write(info)
	other := forge.New(w.f, sealedAt)
	return []vector{
		w.bad(tampered, "a commit of zeros", doc.Set(base64.StdEncoding.EncodeToString(make([]byte, 32)), commit...)),
		w.bad(tampered, "the commit of another envelope", doc.Set(later.Commit(), commit...)),
		w.bad(tampered, "a commit made for the purpose of values", doc.Set(base64.StdEncoding.EncodeToString(m.Sum(nil)), commit...)),
		w.bad(tampered, "a commit that is the info's HMAC under the envelope key itself", doc.Set(rawCommit(w.e), commit...)),
		w.bad(tampered, "an envelope under another id of the same time", move(other.ID, w.e.SealedAt)),
		w.bad(tampered, "an envelope under an id one second later", move(later.ID, later.SealedAt)),
		w.bad(tampered, "for widened to the namespace", wider(seal.For{Scope: "namespace", Namespace: "prod"})),
		w.bad(tampered, "for widened to the cluster", wider(seal.For{Scope: "cluster"})),
		w.bad(tampered, "for widened to a pattern", wider(seal.For{Scope: "match:*", Name: "db"})),
		w.bad(tampered, "moved to another name, for and metadata alike", wider(seal.For{Scope: "strict", Namespace: "prod", Name: "db2"}).Set("db2", "metadata", "name")),
		w.bad(tampered, "moved to another namespace, for and metadata alike", wider(seal.For{Scope: "strict", Namespace: "dev", Name: "db"}).Set("dev", "metadata", "namespace")),
		w.bad(tampered, "bytes moved between namespace and name, for and metadata alike", wider(seal.For{Scope: "strict", Namespace: "prodd", Name: "b"}).Set("prodd", "metadata", "namespace").Set("b", "metadata", "name")),
	}
}

func rawCommit(e forge.Envelope) string {
	m := hmac.New(sha256.New, e.Key)
	m.Write(e.Info("commit", ""))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
