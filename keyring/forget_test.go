package keyring_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/keyring"
)

// noNotes is a log whose notes fail.
type noNotes struct {
	audit.Log
	err *error
}

func (l noNotes) Note(ctx context.Context, op audit.Operation, out audit.Outcome) error {
	if *l.err != nil {
		return *l.err
	}
	return l.Log.Note(ctx, op, out)
}

func TestADeletedKeyringIsNotedOnce(t *testing.T) {
	b := newBench(t)
	b.mustEnsure(ring("default"))
	before := len(b.story())
	for range 2 {
		if err := b.m.Forget(t.Context(), "default"); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.m.Forget(t.Context(), "never-there"); err != nil {
		t.Fatal(err)
	}
	want := []string{"note keyring.deleted Keyring default uid-1 keys=1"}
	if diff := cmp.Diff(want, b.story()[before:]); diff != "" {
		t.Error(diff)
	}
}

func TestAKeyringMadeAgainUnseenIsNotedAsDeletedFirst(t *testing.T) {
	b := newBench(t)
	b.mustEnsure(ring("default"))
	before := len(b.story())
	again := ring("default")
	again.UID = types.UID("uid-2")
	b.mustEnsure(again)
	b.mustEnsure(again)
	want := []string{
		"note keyring.deleted Keyring default uid-1 keys=1",
		"intent key.load Keyring default keys=0", "outcome key.load true keys=1",
		"intent key.load Keyring default keys=0", "outcome key.load true keys=1",
	}
	if diff := cmp.Diff(want, b.story()[before:]); diff != "" {
		t.Error(diff)
	}
}

// The keys of a deleted keyring are gone at once, also where the log takes no note; that comes later.
func TestANoteThatFailsIsMadeLater(t *testing.T) {
	b := newBench(t)
	away := errors.New("no log")
	err := &away
	b.restart(noNotes{b.log, err})
	id := b.mustEnsure(ring("default")).Keys[0].ID
	before := len(b.story())
	if err := b.m.Forget(t.Context(), "default"); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
	if b.opens(id) {
		t.Error("the key of a deleted keyring still opens")
	}
	again := ring("default")
	again.UID = types.UID("uid-2")
	if res, err := b.m.Ensure(t.Context(), again); !errors.Is(err, away) || res.Reason != keyring.ReasonAuditUnavailable {
		t.Errorf("%+v, %v", res, err)
	}
	*err = nil
	b.mustEnsure(again)
	want := []string{"note keyring.deleted Keyring default uid-1 keys=1", "intent key.load Keyring default keys=0", "outcome key.load true keys=1"}
	if diff := cmp.Diff(want, b.story()[before:]); diff != "" {
		t.Error(diff)
	}
}
