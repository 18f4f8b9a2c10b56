package manifest_test

import (
	"testing"

	"github.com/waxwing-io/waxwing/manifest"
)

func TestSizeIsThatOfKeysAndScalars(t *testing.T) {
	for text, want := range map[string]int{
		"":                                      0,
		"abc":                                   3,
		"a: bc\nd: [ef, 12, true]\n":            12,
		"x: &x abcdef\nz: [*x, *x]\n":           20,
		"x: &x {a: bc}\nz: {<<: *x, d: e}\n":    10,
		`{"a":"b\u0063","d":[{"ef":1.5},null]}`: 9,
	} {
		f, err := manifest.Parse("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Docs()[0].Size(); got != want || err != nil {
			t.Errorf("%q has %d, and should have %d (%v)", text, got, want, err)
		}
	}
	f, err := manifest.Parse("f", []byte("a: !mine x\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Docs()[0].Size(); err == nil {
		t.Error("what has no JSON has a size")
	}
}
