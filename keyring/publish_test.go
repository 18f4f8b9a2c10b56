package keyring_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// TestANumberThatTheStatusShowsIsNotGivenAgain has a source restored as it was before its recipient set was published, as an older backup has it.
func TestANumberThatTheStatusShowsIsNotGivenAgain(t *testing.T) {
	forged := func(b *bench, note string) string {
		signer, _, err := statement.GenerateKey(rand.Reader, "default")
		if err != nil {
			b.t.Fatal(err)
		}
		s, err := statement.NewSigner(signer)
		if err != nil {
			b.t.Fatal(err)
		}
		set, err := statement.ReadRecipients([]byte(note))
		if err != nil {
			b.t.Fatal(err)
		}
		set.Set = 99
		signed, err := set.Sign(s)
		if err != nil {
			b.t.Fatal(err)
		}
		return string(signed)
	}
	for name, c := range map[string]struct {
		before func(b *bench, id string) // what the older backup has
		status func(b *bench, note string) string
		set    uint64
		same   bool // the very note that the status shows
	}{
		"the same key is active": {func(*bench, string) {}, nil, 1, true},
		"another key is active": {func(b *bench, id string) {
			b.src.change(id, func(k *keyring.Key) { k.State = keyring.Deactivated })
			b.src.put(newClassical(b.t, keyring.Active))
		}, nil, 2, false},
		"the status shows what another key has signed": {func(*bench, string) {}, forged, 1, false},
		"the status shows junk":                        {func(*bench, string) {}, func(*bench, string) string { return "junk" }, 1, false},
		"the status shows nothing":                     {func(*bench, string) {}, func(*bench, string) string { return "" }, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			kr := ring("default")
			res := b.mustEnsure(kr)
			kr.Status.ActiveKey, kr.Status.Recipients = res.ActiveKey, res.Note
			if c.status != nil {
				kr.Status.Recipients = c.status(b, res.Note)
			}
			c.before(b, res.Keys[0].ID)
			b.src.statements["default"].Note = nil
			m := keyring.NewManager(keyring.Config{
				Source: keyring.ClearSecrets(b.src), Audit: b.log, Now: func() time.Time { return noon.Add(time.Hour) }, Rand: rand.Reader, Live: b.live,
			})
			got, err := m.Ensure(t.Context(), kr)
			if err != nil || !got.Ready {
				t.Fatalf("%+v, %v", got, err)
			}
			set, err := statement.OpenRecipients([]byte(got.Note), res.StatementKey)
			if err != nil || set.Set != c.set || (got.Note == res.Note) != c.same || !slices.Contains(b.src.saved, got.Note) {
				t.Errorf("set %d, the same note: %t, %v", set.Set, got.Note == res.Note, err)
			}
		})
	}
}
