package seal

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"filippo.io/age/armor"
)

// TestCanonicalArmorIsThatOfAge holds what is taken against age's own writer, for lengths around its lines.
func TestCanonicalArmorIsThatOfAge(t *testing.T) {
	for n := range 200 {
		raw := bytes.Repeat([]byte{0xfb, byte(n)}, 100)[:n]
		var b strings.Builder
		w := armor.NewWriter(&b)
		_, err := w.Write(raw)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		if got, ok := dearmor(b.String()); !ok || !bytes.Equal(got, raw) {
			t.Fatalf("%d bytes: what age writes is not canonical", n)
		}
		// What differs may be the armor of another file, but never one more of the same.
		for i := range b.Len() {
			text := b.String()
			for _, other := range []string{text[:i] + "x" + text[i+1:], text[:i] + "=" + text[i+1:], text[:i] + "\n" + text[i:], text[:i] + "\r" + text[i:], text[:i] + " " + text[i:], text[:i] + text[i+1:]} {
				if got, ok := dearmor(other); other != text && ok && (bytes.Equal(got, raw) || !armorOf(t, got, other)) {
					t.Fatalf("%d bytes: a text that differs at %d is taken", n, i)
				}
			}
		}
	}
}

// armorOf says whether age writes raw as armored.
func armorOf(t *testing.T, raw []byte, armored string) bool {
	t.Helper()
	var b strings.Builder
	w := armor.NewWriter(&b)
	_, err := w.Write(raw)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String() == armored
}
