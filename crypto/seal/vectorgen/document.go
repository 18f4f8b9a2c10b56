package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// notation: base64 and hex of section 1.
func notation(w *world) []vector {
	doc, envelope, wrap := w.base()
	value := []string{"spec", "items", "user", "value"}
	commit := in(envelope, "commit")
	keys := in(wrap, "keys")
	v := doc.Text(value...)
	c := doc.Text(commit...)
	bent := func(description, text string) vector {
		return w.bad(invalidFormat, description, doc.Set(text, value...))
	}
	// 92 bytes of a value end with one padding sign and two unused bits, 32 bytes of a commit too.
	symbol := strings.IndexByte(alphabet, v[len(v)-2])
	unused := v[:len(v)-2] + string(alphabet[symbol|1]) + "="
	commitSymbol := strings.IndexByte(alphabet, c[len(c)-2])
	return []vector{
		w.ok("canonical base64 in values and commits", doc),
		bent("base64 of a value without its padding", strings.TrimRight(v, "=")),
		bent("base64 of a value with too much padding", v+"="),
		bent("base64 of a value whose unused bits are not zero", unused),
		bent("base64 of a value with a line feed in it", v[:64]+"\n"+v[64:]),
		bent("base64 of a value with a carriage return and a line feed at its end", v+"\r\n"),
		bent("base64 of a value with a space in front", " "+v),
		bent("base64 of a value in the URL alphabet", base64.URLEncoding.EncodeToString(append(make([]byte, 92), 0xfb, 0xff, 0xfe))),
		w.bad(invalidFormat, "base64 of a commit whose unused bits are not zero", doc.Set(c[:len(c)-2]+string(alphabet[commitSymbol|1])+"=", commit...)),
		w.bad(invalidFormat, "base64 of a commit with a line feed at its end", doc.Set(c+"\n", commit...)),
		w.bad(invalidFormat, "a key id in upper-case hex", doc.Set([]string{strings.Repeat("AB", 16)}, keys...)),
	}
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func document(w *world) []vector {
	var all []vector
	for _, part := range []func(*world) []vector{documentsThatOpen, documentText, documentMembers, documentTypes, documentItems} {
		all = append(all, part(w)...)
	}
	return all
}

func documentsThatOpen(w *world) []vector {
	doc, _, wrap := w.base()
	full := doc.Set(true, "spec", "immutable").Set("Retain", "spec", "deletionPolicy").Set(false, "spec", "suspend").
		Set(map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "db"}, "annotations": map[string]any{}}, "data": map[string]any{"dsn": "{{ .user }}"}}, "spec", "template").
		Set([]any{}, in(wrap, "wrappedBefore")...)
	empty := w.doc().Delete("spec", "items").Delete("spec", "envelopes")
	none := values(map[string]string{})
	long := strings.Repeat("n", 253)
	names := map[string]string{"-": "1", "_.-": "2", ".hidden": "3", long: "4", "a..b": "5", "A9": "6"}
	null := func(path ...string) forge.Tree { return doc.Set(nil, path...) }
	return []vector{
		w.ok("the smallest usual document", doc),
		w.ok("every member of spec that may be there", full.Set("Recreate", "spec", "onImmutable")),
		w.ok("neither items nor envelopes", empty, none),
		w.ok("items and envelopes that are empty objects, and no identity", empty.Set(map[string]any{}, "spec", "items").Set(map[string]any{}, "spec", "envelopes"), none, openedBy()),
		w.ok("an envelope that no item names is checked, and not opened", doc.Delete("spec", "items"), none, openedBy()),
		w.ok("item names at the edges of the rule", forge.Document(spec(w.e, names, w.prod), w.at), values(names)),
		w.ok("status, managed fields and unknown members outside of spec are ignored", doc.Set(map[string]any{"Items": []int{1}}, "status").Set([]any{nil, 1.5}, "metadata", "managedFields").Set(7, "extra")),
		w.ok("null members count as absent", full.Set(nil, "spec", "template", "metadata").Set(nil, "spec", "immutable").Set(nil, "spec", "suspend").Set(nil, "spec", "signature").Set(nil, "spec", "deletionPolicy").Set(nil, in(wrap, "wrappedBefore")...)),
		w.ok("an unknown member that is null counts as absent", null("spec", "surprise")),
		w.ok("an item that is null counts as absent", null("spec", "items", "ghost")),
		w.ok("an envelope and a label that are null count as absent", null("spec", "envelopes", "ghost").Set(nil, "spec", "template", "metadata", "labels", "ghost")),
		w.ok("an empty deletionPolicy", doc.Set("", "spec", "deletionPolicy")),
		w.ok("onImmutable that says what its absence means", doc.Set("Refuse", "spec", "onImmutable")),
		w.ok("an empty onImmutable", doc.Set("", "spec", "onImmutable")),
		w.okText("white space around everything", " \r\n\t"+strings.ReplaceAll(string(doc.JSON()), `":`, "\" :\n\t ")+"\n\n"),
		w.okText("member names and values with escapes", strings.ReplaceAll(edit(doc, `"spec":`, `"\u0073pec":`), `"Opaque"`, `"\u004fpaque"`)),
		w.okText("a whole surrogate pair as escapes", edit(doc.Set("PLACE", "metadata", "annotations", "note"), "PLACE", `\ud83d\ude00 \uD83D\uDE00`)),
		w.okText("an escaped backslash before u and d800 is no surrogate", edit(doc.Set("PLACE", "metadata", "annotations", "note"), "PLACE", `\\ud800`)),
		w.okText("text beyond ASCII as it is", edit(doc.Set("PLACE", "metadata", "annotations", "note"), "PLACE", "größer \U0001f600 \u2028")),
	}
}

func documentText(w *world) []vector {
	doc := w.doc()
	text := string(doc.JSON())
	note := doc.Set("PLACE", "metadata", "annotations", "note")
	bad := func(description, doc string) vector { return w.badText(invalidFormat, description, doc) }
	return []vector{
		bad("a document without a byte", ""),
		bad("a document that is null", "null"),
		bad("a document that is a list", "["+text+"]"),
		bad("a second value after the document", text+"{}"),
		bad("a comma after the document", text+","),
		bad("a document that is cut", text[:len(text)-1]),
		bad("a byte order mark", "\ufeff"+text),
		bad("a comma after the last member", text[:len(text)-1]+",}"),
		bad("a comment", text+"// end"),
		bad("a number with a zero in front, in a member that is ignored", edit(doc.Set("PLACE", "status"), `"PLACE"`, "01")),
		bad("a word that is no JSON, in a member that is ignored", edit(doc.Set("PLACE", "status"), `"PLACE"`, "NaN")),
		bad("a line feed inside a string", edit(note, "PLACE", "a\nb")),
		bad("an escape that JSON does not know", edit(note, "PLACE", `\x41`)),
		bad("bytes that are not UTF-8, in an annotation", edit(note, "PLACE", "\xff\xfe")),
		bad("a surrogate encoded as if it were UTF-8", edit(note, "PLACE", "\xed\xa0\x80")),
		bad("an escape that is the first half of a surrogate pair", edit(note, "PLACE", `\ud83d`)),
		bad("an escape that is the second half of a surrogate pair", edit(note, "PLACE", `\ude00`)),
		bad("the halves of a surrogate pair in the wrong order", edit(note, "PLACE", `\ude00\ud83d`)),
		bad("two first halves of a surrogate pair", edit(note, "PLACE", `\ud83d\ud83d`)),
		bad("half of a surrogate pair in a name, in a member that is ignored", edit(doc.Set("PLACE", "status"), `"PLACE"`, `{"\uDBFF":1}`)),
		bad("half of a surrogate pair before another escape", edit(note, "PLACE", `\ud83d\u0041`)),
		bad("spec twice", edit(doc, `"kind":`, `"spec":{},"kind":`)),
		bad("format twice, both times 1", edit(doc, `"format":1`, `"format":1,"format":1`)),
		bad("an item twice", edit(doc, `"items":{`, `"items":{"user":{},`)),
		bad("a member twice, once with an escape", edit(doc, `"type":"Opaque"`, `"type":"Opaque","t\u0079pe":"Opaque"`)),
		bad("a member twice, once null", edit(doc, `"type":"Opaque"`, `"type":"Opaque","type":null`)),
		bad("a member twice, both null", edit(doc, `"type":"Opaque"`, `"suspend":null,"suspend":null`)),
		bad("a label twice in metadata, which is ignored", edit(doc.Set("PLACE", "metadata", "labels"), `"PLACE"`, `{"a":"1","a":"1"}`)),
		bad("a member twice deep inside of status", edit(doc.Set("PLACE", "status"), `"PLACE"`, `[[{"a":{"b":1,"b":2}}]]`)),
	}
}

func documentMembers(w *world) []vector {
	doc, envelope, wrap := w.base()
	bad := func(description string, doc forge.Tree) vector { return w.bad(invalidFormat, description, doc) }
	all := []vector{
		bad("another apiVersion", doc.Set("waxwing.io/v1", "apiVersion")),
		bad("no apiVersion", doc.Delete("apiVersion")),
		bad("another kind", doc.Set("Secret", "kind")),
		bad("kind in lower case", doc.Set("gitsecret", "kind")),
		bad("no spec", doc.Delete("spec")),
		bad("spec in upper case", doc.Rename("Spec", "spec")),
		bad("format in upper case beside format", doc.Set(1, "spec", "FORMAT")),
		bad("items in upper case", doc.Rename("Items", "spec", "items")),
		bad("no format", doc.Delete("spec", "format")),
		bad("no for", doc.Delete("spec", "for")),
		bad("an empty spec", doc.Set(map[string]any{}, "spec")),
	}
	for _, path := range [][]string{
		{"spec"}, {"spec", "for"}, {"spec", "items", "user"}, envelope, wrap,
		{"spec", "template"}, {"spec", "template", "metadata"}, {"spec", "signature"},
	} {
		where := strings.Join(path[:min(len(path), 2)], ".")
		if len(path) > 2 {
			where += ", " + map[int]string{3: "one level", 5: "three levels"}[len(path)] + " down"
		}
		all = append(all, bad("an unknown member in "+where, doc.Set("x", in(path, "surprise")...)))
	}
	for _, path := range [][]string{
		{"spec", "items", "user", "envelope"}, {"spec", "items", "user", "value"},
		in(envelope, "sealedAt"), in(envelope, "commit"), in(envelope, "wraps"), in(wrap, "keys"), in(wrap, "age"),
	} {
		all = append(all, bad("a missing member: "+path[len(path)-1], doc.Delete(path...)))
	}
	return append(all,
		bad("a signature without signer", doc.Set(map[string]any{"sshsig": "x"}, "spec", "signature")),
		bad("a signature without sshsig", doc.Set(map[string]any{"signer": "SHA256:" + strings.Repeat("A", 43)}, "spec", "signature")),
		bad("a signature with an empty sshsig", doc.Set(map[string]any{"signer": "SHA256:" + strings.Repeat("A", 43), "sshsig": ""}, "spec", "signature")),
		bad("a signer that is too short", doc.Set(map[string]any{"signer": "SHA256:" + strings.Repeat("A", 42), "sshsig": "x"}, "spec", "signature")),
		bad("a signer with another hash", doc.Set(map[string]any{"signer": "SHA512:" + strings.Repeat("A", 43), "sshsig": "x"}, "spec", "signature")),
	)
}

func documentTypes(w *world) []vector {
	doc, envelope, wrap := w.base()
	var all []vector
	for _, c := range []struct {
		v    any
		path []string
	}{
		{json.Number("0"), []string{"spec", "format"}},
		{json.Number("2"), []string{"spec", "format"}},
		{json.Number("1.0"), []string{"spec", "format"}},
		{json.Number("1e0"), []string{"spec", "format"}},
		{json.Number("4294967297"), []string{"spec", "format"}},
		{"1", []string{"spec", "format"}},
		{true, []string{"spec", "format"}},
		{"strict", []string{"spec", "for"}},
		{1, []string{"spec", "for", "name"}},
		{[]any{}, []string{"spec", "items"}},
		{"x", []string{"spec", "items", "user"}},
		{1, []string{"spec", "items", "user", "value"}},
		{[]any{}, []string{"spec", "envelopes"}},
		{map[string]any{}, in(envelope, "commit")},
		{"x", in(wrap, "keys")},
		{[]any{nil}, in(wrap, "wrappedBefore")},
		{[]any{1}, in(wrap, "wrappedBefore")},
		{1, []string{"spec", "type"}},
		{"true", []string{"spec", "immutable"}},
		{"", []string{"spec", "template"}},
		{[]any{"x"}, []string{"spec", "template", "data"}},
		{map[string]any{"a": true}, []string{"spec", "template", "metadata", "labels"}},
		{"delete", []string{"spec", "deletionPolicy"}},
		{"Orphan", []string{"spec", "deletionPolicy"}},
		{"recreate", []string{"spec", "onImmutable"}},
		{"Delete", []string{"spec", "onImmutable"}},
		{true, []string{"spec", "onImmutable"}},
		{1, []string{"spec", "suspend"}},
		{"x", []string{"spec", "signature"}},
		{[]any{}, []string{"metadata"}},
		{5, []string{"metadata", "name"}},
		{map[string]any{"a": 1}, []string{"metadata", "annotations"}},
		{[]any{}, []string{"spec"}},
	} {
		text, err := json.Marshal(c.v)
		if err != nil {
			panic(err)
		}
		all = append(all, w.bad(invalidFormat, "a value that it cannot have: "+c.path[0]+"…"+c.path[len(c.path)-1]+" = "+string(text), doc.Set(c.v, c.path...)))
	}
	return all
}

func documentItems(w *world) []vector {
	doc := w.doc()
	all := []vector{
		w.bad(invalidFormat, "an item that names an envelope that is not there", doc.Set(forge.ID(sealedAt.UnixMilli()), "spec", "items", "user", "envelope")),
		w.bad(invalidFormat, "items without envelopes", doc.Delete("spec", "envelopes")),
	}
	for _, name := range []string{"", ".", "..", "..data", "a/b", "ü", "a b", "a\n", strings.Repeat("n", 254)} {
		shown := quoted(name)
		if len(name) > 20 {
			shown = "254 letters"
		}
		all = append(all, w.bad(invalidFormat, "an item with a name that a Secret's key cannot have: "+shown,
			forge.Document(spec(w.e, map[string]string{name: "x"}, w.prod), w.at)))
	}
	return all
}
