package statement_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/statement"
)

// seeds are notes to begin with: a good one, and the kinds of damage that a file takes.
func seeds(t testing.TB) [][]byte {
	good := mustSign(t, prodEU(t))
	return [][]byte{
		good,
		mustSign(t, statement.Recipients{Holder: "default", Set: 1, At: at("2026-11-23T02:22:00Z"), Recipients: recipients(t, hybrid(t))}),
		bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")),
		bytes.Replace(good, []byte("set: 12"), []byte("set: 13"), 1),
		good[:len(good)/2],
		append(bytes.Clone(good), good...),
		[]byte("waxwing.io/recipients/v1\n\n— prod-eu AAAA\n"),
	}
}

// FuzzRecipients holds any bytes against the promise that what is read is exactly what was written.
func FuzzRecipients(f *testing.F) {
	_, verifierKey := testKey(f, "prod-eu")
	genuine := prodEU(f).Text()
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, signed []byte) {
		read, rerr := statement.ReadRecipients(signed)
		if rerr == nil && (!strings.HasPrefix(string(signed), read.Text()+"\n") || !statement.IsNote(signed)) {
			t.Errorf("%q was read as %q", signed, read.Text())
		}
		opened, err := statement.OpenRecipients(signed, verifierKey)
		if err == nil && (rerr != nil || opened.Text() != genuine || opened.Text() != read.Text()) {
			t.Errorf("opened %q, which nobody signed; read: %v", opened.Text(), rerr)
		}
	})
}

func TestTheFuzzTargetHasSeedsOfBothKinds(t *testing.T) {
	_, verifierKey := testKey(t, "prod-eu")
	opened, refused := 0, 0
	for _, s := range seeds(t) {
		if _, err := statement.OpenRecipients(s, verifierKey); err == nil {
			opened++
		} else {
			refused++
		}
	}
	if opened == 0 || refused == 0 {
		t.Errorf("%d seeds open and %d do not", opened, refused)
	}
}
