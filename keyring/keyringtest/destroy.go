package keyringtest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/keyring"
)

// made makes a key and takes it to a state.
func (b *bench) made(src keyring.Source, state keyring.State) keyring.Stored {
	b.t.Helper()
	id, err := src.Create(b.t.Context(), first, b.Class)
	if err != nil {
		b.t.Fatal(err)
	}
	steps := map[keyring.State][]keyring.State{
		keyring.Deactivated: {keyring.Active, keyring.Deactivated},
		keyring.Compromised: {keyring.Active, keyring.Compromised},
	}
	for _, to := range steps[state] {
		if err := src.SetState(b.t.Context(), b.key(src, id), to, now()); err != nil {
			b.t.Fatal(err)
		}
	}
	if !b.Holds(first, id) {
		b.t.Fatal("the private half of a new key is not where it is looked for")
	}
	return b.key(src, id)
}

// key reads one key of the keyring first.
func (b *bench) key(src keyring.Source, id string) keyring.Stored {
	b.t.Helper()
	for _, k := range b.load(src, first) {
		if k.ID == id {
			return k
		}
	}
	b.t.Fatalf("key %s is not there", id)
	return keyring.Stored{}
}

// mustBeDestroyed holds that a key is known and nothing more.
func (b *bench) mustBeDestroyed(src keyring.Source, was keyring.Stored) keyring.Stored {
	b.t.Helper()
	k := b.key(src, was.ID)
	if k.State != keyring.Destroyed || k.Recipient != was.Recipient || k.Keyring != first || k.Where == "" || !k.Created.Equal(was.Created) || !k.Activated.Equal(was.Activated) {
		b.t.Errorf("%v, created %v, activated %v, in %q", k, k.Created, k.Activated, k.Where)
	}
	if keyring.Probe(k.Key, now, rand()) == nil {
		b.t.Error("a destroyed key opens")
	}
	if b.Holds(first, was.ID) {
		b.t.Error("the private half is where it was")
	}
	return k
}

func destroyed(b *bench) {
	t, ctx := b.t, b.t.Context()
	src := b.Source(first)
	var all []keyring.Stored
	for i, from := range []keyring.State{keyring.PreActive, keyring.Deactivated, keyring.Compromised} {
		was, at := b.made(src, from), now().Add(time.Duration(i+3)*time.Hour)
		if err := src.SetState(ctx, was, keyring.Destroyed, at); err != nil {
			t.Fatalf("from %s: %v", from, err)
		}
		for _, reader := range []keyring.Source{src, b.Source(first)} {
			k := b.mustBeDestroyed(reader, was)
			if !k.Since.Equal(at) || k.WasCompromised != (from == keyring.Compromised) {
				t.Errorf("from %s: destroyed at %v, not %v; others knew it: %t", from, k.Since, at, k.WasCompromised)
			}
			before := b.Content()
			for _, to := range keyring.States() {
				if err := reader.SetState(ctx, k, to, now()); err == nil || errors.Is(err, keyring.ErrConflict) {
					t.Errorf("from Destroyed to %s: %v", to, err)
				}
			}
			if b.Content() != before {
				t.Error("something was written")
			}
		}
		all = append(all, was)
	}
	c := b.controller(nil)
	if _, err := c.ensure(first); err != nil {
		t.Error(err)
	}
	if exposing := c.live.Load().Compromised(); len(exposing) != 1 || exposing[0].ID != all[2].ID {
		t.Errorf("what the destroyed key that others know could open is not exposed: %v", exposing)
	}
	for _, was := range all {
		k, ok := c.live.Load().Key(was.ID)
		if !ok || k.State != keyring.Destroyed || c.opens(was.ID) {
			t.Errorf("in the ring: %v, %t", k, ok)
		}
	}
}

// destroyedByTwo has a key destroyed that is not as it was any more, and then by two at once.
func destroyedByTwo(b *bench) {
	t, ctx := b.t, b.t.Context()
	mine, theirs := b.Source(first), b.Source(first)
	k := b.made(mine, keyring.Deactivated)
	if err := theirs.SetState(ctx, b.key(theirs, k.ID), keyring.Compromised, now()); err != nil {
		t.Fatal(err)
	}
	before := b.Content()
	if err := mine.SetState(ctx, k, keyring.Destroyed, now()); !errors.Is(err, keyring.ErrConflict) {
		t.Errorf("a key that is not as it was loaded: %v", err)
	}
	if b.Content() != before || !b.Holds(first, k.ID) {
		t.Error("something was written")
	}
	k = b.key(mine, k.ID)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, src := range []keyring.Source{mine, theirs} {
		same := b.key(src, k.ID)
		wg.Go(func() { errs[i] = src.SetState(ctx, same, keyring.Destroyed, now()) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, keyring.ErrConflict) {
			t.Error(err)
		}
	}
	if errs[0] != nil && errs[1] != nil {
		// Each may have seen the other's first write.
		if err := mine.SetState(ctx, b.key(mine, k.ID), keyring.Destroyed, now()); err != nil {
			t.Error(err)
		}
	}
	b.mustBeDestroyed(b.Source(first), k)
}

// endedDestructions ends a controller at each write of a destruction, just before and just after that takes effect. The key is as it was then, or destroyed, and never stands in the way.
func endedDestructions(b *bench) {
	t, ctx := b.t, b.t.Context()
	for _, after := range []bool{false, true} {
		var k keyring.Stored
		for write := 1; ; write++ {
			if k.ID == "" {
				k = b.made(b.Source(first), keyring.Deactivated)
			}
			s := &stopping{at: write, after: after}
			err := b.Watched(first, s.write).SetState(ctx, b.key(b.Source(first), k.ID), keyring.Destroyed, now())
			if err == nil && s.writes < write {
				b.mustBeDestroyed(b.Source(first), k)
				break
			}
			if err == nil {
				t.Fatalf("write %d: the end was not told", write)
			}
			src := b.Source(first)
			if now := b.key(src, k.ID); now.State != keyring.Destroyed {
				mustBeWhole(t, b, now, k)
				continue
			}
			b.mustBeDestroyed(src, k)
			k = keyring.Stored{}
		}
	}
}

// mustBeWhole holds that a key is as it was.
func mustBeWhole(t *testing.T, b *bench, k, was keyring.Stored) {
	t.Helper()
	if k.State != was.State || !k.Since.Equal(was.Since) || !b.Holds(first, k.ID) {
		t.Errorf("%v since %v, was %v since %v", k, k.Since, was, was.Since)
	}
	if err := keyring.Probe(k.Key, now, rand()); err != nil {
		t.Error(err)
	}
}

// activatedMeanwhile has another controller activate a key before each write of its destruction: what is active opens.
func activatedMeanwhile(b *bench) {
	t, ctx := b.t, b.t.Context()
	for at := 1; ; at++ {
		k, other := b.made(b.Source(first), keyring.PreActive), b.Source(first)
		writes := 0
		var activated error
		err := b.Watched(first, func(write func() error) error {
			if writes++; writes == at {
				activated = other.SetState(ctx, b.key(other, k.ID), keyring.Active, now())
			}
			return write()
		}).SetState(ctx, k, keyring.Destroyed, now())
		b.says(err)
		b.says(activated)
		if writes < at {
			if err != nil {
				t.Error(err)
			}
			return
		}
		got := b.key(b.Source(first), k.ID)
		switch {
		case activated == nil && (err == nil || got.State != keyring.Active):
			t.Errorf("before write %d: it was activated, and is %v: %v", at, got, err)
		case activated == nil:
			mustBeActive(t, b, got)
		case err != nil || got.State != keyring.Destroyed:
			t.Errorf("before write %d: it was not activated (%v), and is %v: %v", at, activated, got, err)
		default:
			b.mustBeDestroyed(b.Source(first), k)
		}
	}
}

func mustBeActive(t *testing.T, b *bench, k keyring.Stored) {
	t.Helper()
	if !b.Holds(first, k.ID) {
		t.Error("an active key has no private half")
	}
	if err := keyring.Probe(k.Key, now, rand()); err != nil {
		t.Error(err)
	}
}

// takenBack ends a controller at each write of a destruction, which nobody wants to be gone on with. It is taken back; a key that somebody deletes weeks later is missing then, and not destroyed.
func takenBack(b *bench) {
	t, ctx := b.t, b.t.Context()
	buried := 0
	for _, from := range []keyring.State{keyring.Deactivated, keyring.Compromised} {
		for write := 1; ; write++ {
			k := b.made(b.Source(first), from)
			s := &stopping{at: write, after: true}
			err := b.Watched(first, s.write).SetState(ctx, b.key(b.Source(first), k.ID), keyring.Destroyed, now())
			src := b.Source(first)
			got := b.key(src, k.ID)
			if err == nil || got.State == keyring.Destroyed {
				if got.Buried {
					t.Error("of a key that is destroyed nothing can be taken back")
				}
				break
			}
			if got.Buried {
				buried++
				b.mustTakeBack(src, got)
			}
			b.mustBeMissed(k.ID)
		}
	}
	if buried < 2 {
		t.Errorf("%d destructions were taken back", buried)
	}
}

// mustTakeBack takes back what a destruction has left of a key, which is as it was then, and can be destroyed all the same.
func (b *bench) mustTakeBack(src keyring.Source, k keyring.Stored) {
	t, ctx := b.t, b.t.Context()
	t.Helper()
	stale := k
	for range 2 {
		if err := src.Unbury(ctx, k); err != nil {
			t.Fatal(err)
		}
		for _, reader := range []keyring.Source{src, b.Source(first)} {
			now := b.key(reader, k.ID)
			if now.Buried {
				t.Errorf("%v is buried still", now)
			}
			mustBeWhole(t, b, now, k)
		}
		k = b.key(src, k.ID)
	}
	if err := b.Source(first).SetState(ctx, stale, keyring.Destroyed, now()); !errors.Is(err, keyring.ErrConflict) {
		t.Errorf("whoever was in the middle of the destruction goes on: %v", err)
	}
}

// mustBeMissed has somebody delete a private half.
func (b *bench) mustBeMissed(id string) {
	b.t.Helper()
	lose := b.LosePrivate
	if lose == nil {
		lose = b.RemoveKey
	}
	lose(first, id)
	keys, faults, err := b.Source(first).Load(b.t.Context(), first)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, k := range keys {
		if k.ID == id {
			b.t.Errorf("a key that is missing: %v", k)
		}
	}
	if len(faults) > 0 { // of a private half that is elsewhere than what names it
		b.RemoveKey(first, id)
	}
}
