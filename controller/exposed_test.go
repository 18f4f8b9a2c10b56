package controller

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestACompromisedKeyConcernsWhatIsNotKnown holds which objects are woken when a key is compromised: those whose marks speak of it, those whose mark is damaged, and, where marks
// cannot be read, all that turn out to once they can.
func TestACompromisedKeyConcernsWhatIsNotKnown(t *testing.T) {
	c := newCounting(t, "prod/a", "prod/b", "prod/c")
	reader := &denying{Reader: c.kube}
	reader.denied.Store(true)
	c.store.reader = reader
	c.note(t, "prod/a", needs(keyA, 0), true)
	c.note(t, "prod/b", needs(keyB, 0), true)
	c.store.shardOf("prod_c").note("prod_c", "damaged")
	live := &keyring.Live{}
	bad := keyring.Key{ID: keyA, Keyring: "prod-eu", State: keyring.Compromised}
	live.Store(keyring.NewRing([]keyring.Part{{Keyring: "prod-eu", Keys: []keyring.Key{bad}}}, nil))
	r := &gitSecrets{gather: &gatherer{cache: c.kube, ring: live, seen: c.seen}, marks: c.store, log: slog.New(slog.DiscardHandler)}
	looked := &unseal.Input{Object: placed("prod/a"), Ring: live.Load()}
	c.seen.looked(looked, unseal.Outcome{Reason: unseal.Unsealed}, 0)

	if requests, whole := r.exposedAnew(t.Context()); whole || len(requests) > 0 {
		t.Errorf("marks cannot be read, and %v are all that there is to do", requests)
	}
	reader.denied.Store(false)
	c.at = c.at.Add(marksReload)
	requests, whole := r.exposedAnew(t.Context())
	var names []string
	for _, req := range requests {
		names = append(names, req.Name)
	}
	slices.Sort(names)
	if !whole || !slices.Equal(names, []string{"a", "c"}) {
		t.Errorf("woken: %v, and that is all: %v", names, whole)
	}
	if _, quiet := c.seen.quiet(looked); quiet {
		t.Error("what was looked at with these keys, before marks could be read, is not looked at again")
	}
	if requests, whole = r.exposedAnew(t.Context()); len(requests) > 0 || !whole {
		t.Errorf("and again: %v", requests)
	}
}
