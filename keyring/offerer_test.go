package keyring_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

func offerOf(o keyring.Offerer) statement.Offer {
	const commit = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	return statement.Offer{Holder: o.Holder.Name, Set: o.Set, At: noon, Namespace: "prod", Name: "db", Wraps: []statement.OfferedWrap{
		{Envelope: "01kb8zv3rg9m1x0q2s4t6v8w0y", Commit: commit, Wrap: seal.Wrap{Keys: []string{o.Holder.Recipients[0].KeyID()}, Age: "-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n"}},
	}}
}

// TestAnOffererSignsForThePresentSet holds that what it signs verifies under the published key, that each reading of the statement key is in the audit log, and that
// there is none for a keyring that is being changed.
func TestAnOffererSignsForThePresentSet(t *testing.T) {
	b := newBench(t)
	if _, err := b.m.Offerer(t.Context(), "default"); err == nil {
		t.Error("a keyring that nobody knows makes offers")
	}
	res := b.mustEnsure(ring("default"))
	before := len(b.story())
	o, err := b.m.Offerer(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	if o.Set != 1 || o.Holder.Name != "default" || seal.KeyID(o.Holder.Recipients[0].String()) != res.Keys[0].ID {
		t.Errorf("%+v", o.Holder)
	}
	signed, err := offerOf(o).Sign(o.Signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := statement.OpenOffer(signed, res.StatementKey); err != nil || got.Text() != offerOf(o).Text() {
		t.Errorf("%+v, %v", got, err)
	}
	want := []string{"intent key.load StatementKey default keys=0", "outcome key.load true keys=0"}
	if got := b.story()[before:]; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	st, err := b.src.LoadStatement(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	set, err := st.Set()
	if err != nil {
		t.Fatal(err)
	}
	newer := *set
	newer.Set, newer.At = 2, noon.Add(time.Hour)
	if st.Note, err = newer.Sign(st.Signer); err != nil {
		t.Fatal(err)
	}
	if err := b.src.SaveStatement(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if _, err := b.m.Offerer(t.Context(), "default"); !errors.Is(err, keyring.ErrConflict) {
		t.Errorf("the source has another set than memory: %v", err)
	}
	b.restart(audit.Log(nil))
	if _, err := b.m.Offerer(t.Context(), "default"); err == nil {
		t.Error("a keyring that was not loaded makes offers")
	}
}
