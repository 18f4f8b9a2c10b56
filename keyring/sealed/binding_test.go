package sealed

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// TestWhatASealedKeyIsBoundTo holds the associated data to docs/format.md, by hand: whoever changes them locks every sealed key out.
func TestWhatASealedKeyIsBoundTo(t *testing.T) {
	raw, err := base64.StdEncoding.DecodeString(binding("identity", "c-1", "prod", "3f2a"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"00000011" + hex.EncodeToString([]byte("waxwing.io/key/v1")),
		"00000008" + hex.EncodeToString([]byte("identity")),
		"00000003" + hex.EncodeToString([]byte("c-1")),
		"00000004" + hex.EncodeToString([]byte("prod")),
		"00000004" + hex.EncodeToString([]byte("3f2a")),
	}, "")
	if got := hex.EncodeToString(raw); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	seen := map[string]bool{}
	for _, b := range []string{
		binding("identity", "c", "k", "s"), binding("statement", "c", "k", "s"), binding("identity", "ck", "", "s"), binding("identity", "", "ck", "s"),
		binding("identity", "c", "ks", ""), binding("identity", "c", "", "ks"), binding("canary", "", "", ""),
	} {
		if seen[b] {
			t.Errorf("two places have %s", b)
		}
		seen[b] = true
	}
}

func TestWhatIsACiphertext(t *testing.T) {
	for text, want := range map[string]bool{
		"vault:v1:AAAA": true, "vault:v12:AB+/cd==": true,
		"": false, "vault:v0:AAAA": false, "vault:v1:": false, "vault:v1:AAAA\n": false, "vault:vx:AAAA": false, "vault:v1:AAAA,": false, "AGE-SECRET-KEY-1": false, " vault:v1:AAAA": false,
	} {
		if got := (sealedText{ciphertext: text}).wellFormed(); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
	if v := (sealedText{ciphertext: "vault:v12:AAAA"}).version(); v != "12" {
		t.Errorf("version %s", v)
	}
}
