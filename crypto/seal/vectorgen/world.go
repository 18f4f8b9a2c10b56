package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// Outcome words of the page.
const (
	invalidFormat = "InvalidFormat"
	tooLarge      = "TooLarge"
	scopeMismatch = "ScopeMismatch"
	noMatchingKey = "NoMatchingKey"
	tampered      = "Tampered"
	badSignature  = "BadSignature"
)

// vector is one vector of section 14.
type vector struct {
	Description      string            `json:"description"`
	Document         *string           `json:"document,omitempty"`
	DocumentBase64   string            `json:"document_base64,omitempty"`
	DocumentLength   int               `json:"document_length,omitempty"`
	Identities       []string          `json:"identities"`
	RequireSignature bool              `json:"require_signature"`
	Expect           string            `json:"expect"`
	Values           map[string]string `json:"values,omitzero"`
}

// world is what the vectors share: who can open, where, and one sound envelope.
type world struct {
	prod, other, glass, stranger forge.Party
	pq, pq2                      forge.Party
	f                            seal.For
	at                           seal.Target
	e                            forge.Envelope
}

var (
	sealedAt   = time.Date(2026, 11, 23, 2, 22, 0, 0, time.UTC)
	baseValues = map[string]string{"user": "app", "password": "canary-not-a-secret"}
)

func newWorld() *world {
	w := &world{
		prod: forge.Classical(), other: forge.Classical(), glass: forge.Classical(), stranger: forge.Classical(),
		pq: forge.Hybrid(), pq2: forge.Hybrid(),
		f:  seal.For{Scope: "strict", Namespace: "prod", Name: "db"},
		at: seal.Target{Namespace: "prod", Name: "db"},
	}
	w.e = forge.New(w.f, sealedAt)
	return w
}

// spec seals values in e for the holder prod with the given parties.
func spec(e forge.Envelope, values map[string]string, parties ...forge.Party) *seal.Spec {
	s := &seal.Spec{Format: 1, For: e.For, Items: map[string]seal.Item{}, Envelopes: map[string]seal.Envelope{e.ID: e.Envelope(e.Wraps(parties...))}, Type: "Opaque"}
	for name, value := range values {
		s.Items[name] = e.Item(name, []byte(value))
	}
	return s
}

// base is a sound document with two items, and the path to its envelope and its wrap.
func (w *world) base() (doc forge.Tree, envelope, wrap []string) {
	envelope = []string{"spec", "envelopes", w.e.ID}
	return forge.Document(spec(w.e, baseValues, w.prod), w.at), envelope, append(envelope[:3:3], "wraps", "prod")
}

func (w *world) doc() forge.Tree {
	doc, _, _ := w.base()
	return doc
}

// in joins a path and more names, without sharing memory.
func in(path []string, names ...string) []string { return append(path[:len(path):len(path)], names...) }

// ok is a vector that opens to the base values with prod's key, unless it is changed by with.
func (w *world) ok(description string, doc forge.Tree, with ...func(*vector)) vector {
	return w.okText(description, string(doc.JSON()), with...)
}

func (w *world) okText(description, doc string, with ...func(*vector)) vector {
	v := vector{Description: description, Document: &doc, Identities: []string{w.prod.Identity}, Expect: "ok"}
	values(baseValues)(&v)
	for _, change := range with {
		change(&v)
	}
	return v
}

// bad is a vector that does not open.
func (w *world) bad(expect, description string, doc forge.Tree, with ...func(*vector)) vector {
	return w.badText(expect, description, string(doc.JSON()), with...)
}

func (w *world) badText(expect, description, doc string, with ...func(*vector)) vector {
	v := vector{Description: description, Identities: []string{w.prod.Identity}, Expect: expect}
	if utf8.ValidString(doc) {
		v.Document = &doc
	} else {
		v.DocumentBase64 = base64.StdEncoding.EncodeToString([]byte(doc))
	}
	for _, change := range with {
		change(&v)
	}
	return v
}

func values(plain map[string]string) func(*vector) {
	return func(v *vector) {
		v.Values = map[string]string{}
		for name, value := range plain {
			v.Values[name] = base64.StdEncoding.EncodeToString([]byte(value))
		}
	}
}

func openedBy(parties ...forge.Party) func(*vector) {
	return func(v *vector) {
		v.Identities = []string{}
		for _, p := range parties {
			v.Identities = append(v.Identities, p.Identity)
		}
	}
}

func signed(v *vector) { v.RequireSignature = true }

func filledTo(n int) func(*vector) { return func(v *vector) { v.DocumentLength = n } }

// edit changes the text of a document where a tree could not say it; old must be there once.
func edit(doc forge.Tree, old, text string) string {
	s := string(doc.JSON())
	if strings.Count(s, old) != 1 {
		panic("edit: " + old + " is not there once")
	}
	return strings.Replace(s, old, text, 1)
}

// quoted is s as a JSON string.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}
