package seal

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"filippo.io/age/armor"
)

// TestCanonicalArmorIsThatOfAge holds the comparison against age's own writer, for lengths around its lines.
func TestCanonicalArmorIsThatOfAge(t *testing.T) {
	for n := range 200 {
		raw := bytes.Repeat([]byte{0xfb, byte(n)}, 100)[:n]
		var b strings.Builder
		w := armor.NewWriter(&b)
		_, err := w.Write(raw)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		if !canonicalArmor(b.String(), raw) {
			t.Fatalf("%d bytes: what age writes is not canonical", n)
		}
		for i := range b.Len() {
			if text := b.String(); canonicalArmor(text[:i]+"x"+text[i+1:], raw) && text[i] != 'x' || canonicalArmor(text[:i]+"\n"+text[i:], raw) || canonicalArmor(text[:i]+text[i+1:], raw) {
				t.Fatalf("%d bytes: a text that differs at %d is canonical", n, i)
			}
		}
		if canonicalArmor(b.String(), append(raw, 0)) || (n > 0 && canonicalArmor(b.String(), raw[:n-1])) {
			t.Fatalf("%d bytes: the armor of another file is canonical", n)
		}
	}
}
