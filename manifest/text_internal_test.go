package manifest

import (
	"strings"
	"testing"
)

// TestLineEndFindsTheFirstBreak holds lineEnd against looking at each byte, with every kind of break around the borders of what it looks at in one piece.
func TestLineEndFindsTheFirstBreak(t *testing.T) {
	pieces := []string{"\n", "\r", "\r\n", "\u0085", "\u2028", "\u2029", "\u00e9", "\u20ac", "x"}
	for _, fill := range []int{0, 1, 125, 126, 127, 128, 129, 255, 256, 400} {
		for _, first := range pieces {
			for _, second := range pieces {
				text := []byte(strings.Repeat("a", fill) + first + "b" + second + "c")
				for i := range len(text) + 1 {
					want := i
					for want < len(text) && breakLen(text, want) == 0 {
						want++
					}
					if got := lineEnd(text, i); got != want {
						t.Fatalf("%d bytes, then %q and %q: the line of %d ends at %d, not at %d", fill, first, second, i, got, want)
					}
				}
			}
		}
	}
}
