package seal_test

import (
	"fmt"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// ring is what a benchmark seals for, and who opens.
type ring struct {
	name    string
	holders []seal.Holder
	opens   party
}

func rings(b *testing.B) []ring {
	b.Helper()
	pq, pq2, x, x2 := hybrid(b), hybrid(b), classical(b), classical(b)
	return []ring{
		{"postquantum/1", []seal.Holder{holder("prod", pq)}, pq},
		{"postquantum/2", []seal.Holder{holder("breakglass", pq2), holder("prod", pq)}, pq},
		{"classical/1", []seal.Holder{holder("prod", x)}, x},
		{"classical/2", []seal.Holder{holder("breakglass", x2), holder("prod", x)}, x},
	}
}

var five = values("key0", "a value of thirty-two bytes here", "key1", "a value of thirty-two bytes here", "key2", "a value of thirty-two bytes here",
	"key3", "a value of thirty-two bytes here", "key4", "a value of thirty-two bytes here")

// BenchmarkSeal5 seals five values, by class and number of holders.
func BenchmarkSeal5(b *testing.B) {
	for _, r := range rings(b) {
		b.Run(r.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sealer().Seal(strictDB, five, r.holders); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen5 parses and opens a document with five values, as the controller does.
func BenchmarkOpen5(b *testing.B) {
	for _, r := range rings(b) {
		doc, keys := document(mustSeal(b, strictDB, five, r.holders...), prodDB), keysOf(r.opens)
		b.Run(r.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d, err := seal.ParseDocument(doc)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := d.Open(prodDB, keys); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParse parses and checks without a key.
func BenchmarkParse(b *testing.B) {
	for _, r := range rings(b) {
		doc := document(mustSeal(b, strictDB, five, r.holders...), prodDB)
		b.Run(r.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if _, err := seal.ParseDocument(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseHostile shows that the worst documents cost in proportion to their 1.5 MiB.
func BenchmarkParseHostile(b *testing.B) {
	p := classical(b)
	for name, d := range hostileDocuments(b, p) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(d.doc)))
			for b.Loop() {
				if _, err := seal.ParseDocument(d.doc); err != nil && seal.Outcome(err) != d.want {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpenMany opens documents with growing numbers of items in envelopes of their own.
func BenchmarkOpenMany(b *testing.B) {
	p := classical(b)
	for _, n := range []int{10, 100, 1000} {
		spec := mustSeal(b, strictDB, nil)
		for i := range n {
			if err := sealer().Put(spec, values(fmt.Sprintf("k%d", i), "v"), []seal.Holder{holder("prod", p)}); err != nil {
				b.Fatal(err)
			}
		}
		c, keys := mustCheck(b, spec), keysOf(p)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Open(prodDB, keys); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
