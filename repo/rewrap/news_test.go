package rewrap_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// of signs a set of a number.
func (k *keyring) of(t *testing.T, set uint64) []byte {
	t.Helper()
	r := k.now
	r.Set = set
	b, err := r.Sign(k.signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheHigherNumberCounts(t *testing.T) {
	k := rotated(t)
	for name, c := range map[string]struct {
		here, shown, set, was, behind uint64
		renews                        bool
	}{
		"none here":       {0, 2, 2, 0, 0, true},
		"an older here":   {1, 2, 2, 1, 0, true},
		"the same":        {2, 2, 2, 2, 0, false},
		"a newer one":     {3, 2, 3, 3, 2, false},
		"none, and first": {0, 1, 1, 0, 0, true},
	} {
		n := rewrap.News{Holder: "prod", Pin: k.pin}
		if c.here > 0 {
			if err := n.Here(k.of(t, c.here)); err != nil {
				t.Fatal(err)
			}
		}
		shown := k.of(t, c.shown)
		if err := n.Hear(rewrap.Published{StatementKey: k.pin, Note: shown}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n.Set.Set != c.set || n.Was != c.was || n.Behind != c.behind || bytes.Equal(n.Note, shown) != c.renews {
			t.Errorf("%s: %+v", name, n)
		}
	}
}

func TestWhatAKeyringShowsHasToFit(t *testing.T) {
	k := rotated(t)
	other, otherPin := statementKey(t)
	stranger := k.of(t, 2)
	forged, err := k.now.Sign(other)
	if err != nil {
		t.Fatal(err)
	}
	n := rewrap.News{Holder: "prod", Pin: k.pin}
	var pin *rewrap.PinError
	if err := n.Hear(rewrap.Published{StatementKey: otherPin, Note: stranger}); !errors.As(err, &pin) || !strings.Contains(err.Error(), otherPin+", but "+k.pin+" is pinned") {
		t.Errorf("another key: %v", err)
	}
	if err := n.Hear(rewrap.Published{Note: forged}); err == nil || !strings.Contains(err.Error(), "not signed by the statement key") {
		t.Errorf("a forged note: %v", err)
	}
	if err := (&rewrap.News{Holder: "other", Pin: k.pin}).Hear(rewrap.Published{Note: stranger}); err == nil || !strings.Contains(err.Error(), "about holder prod") {
		t.Errorf("another holder's: %v", err)
	}
	if n.Set != nil || n.Note != nil {
		t.Errorf("something of it was taken: %+v", n)
	}
	if err := n.Here(k.of(t, 8)); err != nil {
		t.Fatal(err)
	}
	again := *k
	again.now.At = again.now.At.Add(time.Hour)
	var sets *rewrap.SetsError
	if err := n.Hear(rewrap.Published{StatementKey: k.pin, Note: again.of(t, 8)}); !errors.As(err, &sets) || sets.Here.Set != 8 || sets.Here.At.Equal(sets.There.At) {
		t.Errorf("two sets of one number: %v", err)
	}
}

func TestWhyNothingIsOffered(t *testing.T) {
	h, _ := key(t, "prod")
	now, old := rewrap.KeyIDs(h), []string{strings.Repeat("0", 32)}
	for name, c := range map[string]struct {
		live *rewrap.Live
		want error
	}{
		"nothing there": {nil, rewrap.ErrNotThere},
		"new keys":      {&rewrap.Live{Closed: "any", Keys: map[string][]string{"prod": now}}, rewrap.ErrHasNewKeys},
		"not yet":       {&rewrap.Live{Keys: map[string][]string{"prod": old}}, rewrap.ErrNotYet},
	} {
		if err := rewrap.Unoffered(c.live, h); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var closed *rewrap.NotOpenedError
	if err := rewrap.Unoffered(&rewrap.Live{Closed: "NoMatchingKey", Keys: map[string][]string{"prod": old}}, h); !errors.As(err, &closed) || closed.Reason != "NoMatchingKey" {
		t.Errorf("closed: %v", err)
	}
	two := seal.Holder{Name: "prod", Recipients: append(slices.Clone(h.Recipients), key2(t))}
	if ids := rewrap.KeyIDs(two); len(ids) != 2 || !slices.IsSorted(ids) {
		t.Errorf("%q", ids)
	}
}

func key2(t *testing.T) seal.Recipient {
	t.Helper()
	h, _ := key(t, "prod")
	return h.Recipients[0]
}

func TestAnObjectThatIsNotOpenedSaysWhy(t *testing.T) {
	ready := func(status, reason string) []rewrap.Condition {
		return []rewrap.Condition{{Type: "Reconciling", Status: "True", Reason: "x"}, {Type: "Ready", Status: status, Reason: reason}}
	}
	for name, c := range map[string]struct {
		deleting   bool
		observed   int64
		conditions []rewrap.Condition
		want       string
	}{
		"opened":         {false, 3, ready("True", "Unsealed"), ""},
		"suspended":      {false, 3, ready("True", "Suspended"), "Suspended"},
		"refused":        {false, 3, ready("False", "NoMatchingKey"), "NoMatchingKey"},
		"no reason":      {false, 3, ready("False", ""), "Unknown"},
		"of an older":    {false, 2, ready("True", "Unsealed"), "the controller has not looked at it yet"},
		"no conditions":  {false, 3, nil, "the controller has not looked at it yet"},
		"being deleted":  {true, 3, ready("True", "Unsealed"), "it is being deleted"},
		"never observed": {false, -1, nil, "the controller has not looked at it yet"},
	} {
		if got := rewrap.Closed(c.deleting, 3, c.observed, c.conditions); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
