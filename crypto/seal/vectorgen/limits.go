package main

import (
	"fmt"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// limits: section 12, as far as a document of a reasonable length can show it. The limits of 4,096 items and of 1 MiB of values are in the tests.
func limits(w *world) []vector {
	doc, _, wrap := w.base()
	many := func(n int) forge.Tree {
		m := map[string]seal.Wrap{"a": w.e.Wrap(w.prod)}
		for i := 1; i < n; i++ {
			m[fmt.Sprintf("b%d", i)] = w.e.Wrap(w.glass)
		}
		return w.holders(m)
	}
	keys := func(n int) forge.Tree {
		parties := []forge.Party{w.prod}
		for len(parties) < n {
			parties = append(parties, forge.Classical())
		}
		return w.holders(w.e.Wraps(parties...))
	}
	before := func(n int) forge.Tree { return doc.Set(ids(n), in(wrap, "wrappedBefore")...) }
	// A stanza of an unknown type fills the armor.
	armor := func(body int) forge.Tree {
		return w.holders(w.e.Wraps(w.prod, forge.Stanza("example.com/long", nil, make([]byte, body))))
	}
	sshsig := func(n int) forge.Tree {
		return doc.WithSignature(forge.Ed25519(), strings.Repeat("x", n))
	}
	nested := func(n int) string {
		return edit(doc.Set("PLACE", "status"), `"PLACE"`, strings.Repeat("[", n-1)+strings.Repeat("]", n-1))
	}
	objects := func(n int) string {
		return edit(doc.Set("PLACE", "status"), `"PLACE"`, strings.Repeat(`{"a":`, n-1)+"null"+strings.Repeat("}", n-1))
	}
	fits := 0
	for len(armor(fits+48).Text(in(wrap, "age")...)) <= 32<<10 {
		fits += 48
	}
	return []vector{
		w.ok("a document of 1,572,864 bytes", doc, filledTo(1_572_864)),
		w.bad(tooLarge, "a document of 1,572,865 bytes", doc, filledTo(1_572_865)),
		w.badText(tooLarge, "1,572,865 spaces", " ", filledTo(1_572_865)),
		w.badText(invalidFormat, "1,572,864 spaces", " ", filledTo(1_572_864)),
		w.ok("32 wraps of an envelope", many(32)),
		w.bad(invalidFormat, "33 wraps of an envelope", many(33)),
		w.ok("8 recipients of a wrap", keys(8)),
		w.bad(invalidFormat, "9 recipients of a wrap", keys(9)),
		w.ok("64 keys in wrappedBefore", before(64)),
		w.bad(invalidFormat, "65 keys in wrappedBefore", before(65)),
		w.ok("armor of nearly 32 KiB", armor(fits)),
		w.bad(invalidFormat, "armor of a little more than 32 KiB", armor(fits+48)),
		w.bad(badSignature, "16 KiB in the place of a signature", sshsig(16<<10)),
		w.bad(invalidFormat, "more than 16 KiB in the place of a signature", sshsig(16<<10+1)),
		w.okText("lists nested 32 deep, the document counted", nested(32)),
		w.badText(invalidFormat, "lists nested 33 deep, the document counted", nested(33)),
		w.okText("objects nested 32 deep, the document counted", objects(32)),
		w.badText(invalidFormat, "objects nested 33 deep, the document counted", objects(33)),
		w.badText(invalidFormat, "20,000 brackets", strings.Repeat("[", 20_000)),
	}
}
