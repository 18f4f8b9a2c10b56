package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

func items(w *world) []vector {
	doc := w.doc()
	user, password := []string{"spec", "items", "user"}, []string{"spec", "items", "password"}
	value := in(user, "value")
	raw, err := base64.StdEncoding.DecodeString(doc.Text(value...))
	if err != nil {
		panic(err)
	}
	bytes := func(description, expect string, b []byte) vector {
		return w.bad(expect, description, doc.Set(base64.StdEncoding.EncodeToString(b), value...))
	}
	flip := func(i int) []byte {
		b := append([]byte{}, raw...)
		b[i] ^= 0x80
		return b
	}
	binaryValues := map[string]string{"empty": "", "binary": "\x00\xff\n\xc3", "same": "x", "same2": "x"}
	two := forge.New(w.f, sealedAt)
	both := doc.Set(two.Envelope(two.Wraps(w.prod)), "spec", "envelopes", two.ID).Set(two.Item("more", []byte("2")), "spec", "items", "more")
	elsewhere := w.e
	elsewhere.For.Name = "db2"
	return []vector{
		w.ok("two items", doc),
		w.ok("an empty value, a binary one and two that are the same", forge.Document(spec(w.e, binaryValues, w.prod), w.at), values(binaryValues)),
		w.ok("one of two items removed", doc.Delete(user...), values(map[string]string{"password": baseValues["password"]})),
		w.ok("items of two envelopes", both, values(map[string]string{"user": "app", "password": baseValues["password"], "more": "2"})),
		bytes("a value of 91 bytes", invalidFormat, raw[:91]),
		w.bad(invalidFormat, "an empty value string", doc.Set("", value...)),
		bytes("a value of 93 bytes, which is no padded length", tampered, append(append([]byte{}, raw...), 0)),
		bytes("random bytes", tampered, forge.Random(92)),
		bytes("another nonce", tampered, flip(0)),
		bytes("another first byte of ciphertext", tampered, flip(12)),
		bytes("another last byte of the value, which is in the tag", tampered, flip(91)),
		w.bad(tampered, "two values exchanged", doc.Swap(in(user, "value"), in(password, "value"))),
		w.bad(tampered, "two items exchanged", doc.Swap(user, password)),
		w.bad(tampered, "an item under another name", doc.Rename("admin", user...)),
		w.bad(tampered, "an item under its name in upper case", doc.Rename("USER", user...)),
		w.bad(tampered, "an item copied to another name", doc.Set(doc.Get(user...), "spec", "items", "copy")),
		w.bad(tampered, "an item that names another envelope", both.Set(two.ID, in(user, "envelope")...)),
		w.bad(tampered, "values of the same name exchanged between envelopes", both.Set(two.Item("user", []byte("x")).Value, value...)),
		w.bad(tampered, "a value sealed in the same envelope for another object", doc.Set(elsewhere.Item("user", []byte("app")).Value, value...)),
		w.bad(tampered, "a value sealed with the key of the commit's purpose", doc.Set(w.e.Seal(w.e.Info("commit", "user"), forge.Pad([]byte("app"))), value...)),
	}
}

func padding(w *world) []vector {
	// one is a document with one item that is padded in some way.
	one := func(padded []byte) forge.Tree {
		s := spec(w.e, nil, w.prod)
		item := w.e.Item("v", nil)
		item.Value = w.e.Value("v", padded)
		s.Items["v"] = item
		return forge.Document(s, w.at)
	}
	var all []vector
	for _, n := range []int{0, 1, 59, 60, 61, 123, 124, 125, 1019, 1020, 1021, 1084, 1085, 2044, 2045, 4092, 4093, 5000, 20000} {
		v := strings.Repeat("v", n)
		all = append(all, w.ok(fmt.Sprintf("a value of %d bytes, padded to %d", n, forge.PaddedLength(4+n)), one(forge.Pad([]byte(v))), values(map[string]string{"v": v})))
	}
	v := []byte("app")
	length := func(n uint32, total int) []byte {
		b := forge.PadTo(v, total)
		binary.BigEndian.PutUint32(b, n)
		return b
	}
	fill := func(i int) []byte {
		b := forge.Pad(v)
		b[i] = 1
		return b
	}
	long := make([]byte, 5000)
	for _, c := range []struct {
		description string
		padded      []byte
	}{
		{"64 bytes more than needed", forge.PadTo(v, 128)},
		{"a padded length that is no multiple of 64", forge.PadTo(v, 65)},
		{"an empty value in 128 bytes", forge.PadTo(nil, 128)},
		{"61 bytes in 65", forge.PadTo(long[:61], 65)},
		{"a length one larger than what is there", length(61, 64)},
		{"a length of 2^32 - 1", length(math.MaxUint32, 64)},
		{"a length of 2^31", length(1<<31, 64)},
		{"a length that belongs to a larger padding", length(100, 64)},
		{"a length that leaves a byte of the value in the fill", length(2, 64)},
		{"a little-endian length", length(3<<24, 64)},
		{"a fill that begins with 1", fill(7)},
		{"a fill that ends with 1", fill(63)},
		{"5000 bytes padded to a multiple of 64 in place of Padmé", forge.PadTo(long, 5056)},
		{"5000 bytes padded one step of Padmé too far", forge.PadTo(long, 5376)},
		{"1021 bytes padded as if they were 1020", forge.PadTo(long[:1021], 1025)},
		{"1000 bytes padded with Padmé, which begins above 1024", forge.PadTo(long[:1000], 1008)},
	} {
		all = append(all, w.bad(tampered, c.description, one(c.padded)))
	}
	return all
}
