package keyringtest

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

func rand() io.Reader { return cryptorand.Reader }

func fromNothing(b *bench) {
	t := b.t
	c := b.controller(nil)
	res := c.ready(first)
	set, err := statement.OpenRecipients([]byte(res.Note), res.StatementKey)
	if err != nil || set.Set != 1 || set.Holder != first || len(set.Recipients) != 1 || set.Recipients[0].Class() != b.Class || set.Recipients[0].KeyID() != res.Keys[0].ID {
		t.Fatalf("the note: %+v, %v", set, err)
	}
	if !c.opens(res.Keys[0].ID) || len(res.Keys) != 1 || res.Keys[0].State != string(keyring.Active) {
		t.Errorf("%+v", res)
	}
	again := b.controller(nil).ready(first)
	if again.Note != res.Note || again.StatementKey != res.StatementKey || again.ActiveKey != res.ActiveKey || len(again.Done) != 0 {
		t.Errorf("another controller: %+v", again)
	}
	k := b.one(b.Source(first), first)
	if err := keyring.Probe(k.Key, now, rand()); err != nil {
		t.Error(err)
	}
}

func quiet(b *bench) {
	c := b.controller(nil)
	res := c.ready(first)
	before := b.Content()
	for range 3 {
		if again := c.ready(first); again.Note != res.Note || len(again.Done) > 0 {
			b.t.Errorf("%+v", again)
		}
	}
	if b.Content() != before {
		b.t.Error("something was written")
	}
}

func race(b *bench) {
	t := b.t
	notes, results := make([]string, 4), make([]error, 4)
	var wg sync.WaitGroup
	for i := range notes {
		c := b.controller(nil)
		wg.Go(func() {
			var res keyring.Result
			res, results[i] = c.manager.Ensure(t.Context(), b.keyring(first))
			notes[i] = res.Note
		})
	}
	wg.Wait()
	for i, note := range notes {
		if results[i] != nil || note == "" || note != notes[0] {
			t.Errorf("controller %d: %q, %v", i, note, results[i])
		}
	}
	active := 0
	for _, k := range b.load(b.Source(first), first) {
		if k.State == keyring.Active {
			active++
		}
	}
	if active != 1 {
		t.Errorf("%d active keys", active)
	}
}

// crashes ends a controller at each of its writes, just before and just after that takes effect.
func crashes(b *bench) {
	t := b.t
	for _, after := range []bool{false, true} {
		for write := 1; ; write++ {
			s := &stopping{at: write, after: after}
			_, err := b.controller(s.wrap).ensure(first)
			if err == nil && s.writes < write {
				if write < 5 {
					t.Errorf("a keyring was made with %d writes", s.writes)
				}
				break
			}
			if !errors.Is(err, errEnd) {
				t.Fatalf("write %d: %v", write, err)
			}
			res := b.controller(nil).ready(first)
			set, err := statement.OpenRecipients([]byte(res.Note), res.StatementKey)
			if err != nil || set.Set != 1 || len(res.Keys) != 1 || set.Recipients[0].KeyID() != res.Keys[0].ID {
				t.Errorf("after an end at write %d: set %d, %d keys, %v", write, set.Set, len(res.Keys), err)
			}
			b.RemoveKey(first, res.Keys[0].ID)
			b.RemoveStatement(first)
		}
		for _, k := range b.load(b.Source(first), first) {
			b.RemoveKey(first, k.ID)
		}
		b.RemoveStatement(first)
	}
}

var errEnd = errors.New("the controller ends")

// stopping is a source whose controller ends at one of its writes.
type stopping struct {
	at, writes int
	after      bool
}

func (s *stopping) wrap(src keyring.Source) keyring.Source {
	return &stoppingSource{src, s}
}

type stoppingSource struct {
	keyring.Source
	s *stopping
}

func (s *stoppingSource) write(write func() error) error { return s.s.write(write) }

func (s *stopping) write(write func() error) error {
	s.writes++
	if s.writes != s.at {
		return write()
	}
	if s.after {
		if err := write(); err != nil {
			return err
		}
	}
	return errEnd
}

func (s *stoppingSource) Create(ctx context.Context, name string, class seal.Class) (id string, err error) {
	return id, s.write(func() error { id, err = s.Source.Create(ctx, name, class); return err })
}

func (s *stoppingSource) SetState(ctx context.Context, k keyring.Stored, to keyring.State, at time.Time) error {
	return s.write(func() error { return s.Source.SetState(ctx, k, to, at) })
}

func (s *stoppingSource) CreateStatement(ctx context.Context, name string) error {
	return s.write(func() error { return s.Source.CreateStatement(ctx, name) })
}

func (s *stoppingSource) SaveStatement(ctx context.Context, st *keyring.Statement) error {
	return s.write(func() error { return s.Source.SaveStatement(ctx, st) })
}

func brokenStatement(b *bench) {
	t := b.t
	c := b.controller(nil)
	id := c.ready(first).Keys[0].ID
	b.BreakStatement(first)
	before := b.Content()
	for what, c := range map[string]*controller{"a controller that runs": c, "one that begins": b.controller(nil)} {
		res, err := c.ensure(first)
		if err != nil || res.Ready || !res.Stalled || res.Reason != keyring.ReasonStatementInvalid || !c.opens(id) {
			t.Errorf("%s: %+v, %v", what, res, err)
		}
	}
	if b.Content() != before {
		t.Error("something was written")
	}
}

func lostKey(b *bench) {
	t := b.t
	c := b.controller(nil)
	res := c.ready(first)
	shown := b.keyring(first)
	shown.Status.ActiveKey = res.ActiveKey
	b.RemoveKey(first, res.Keys[0].ID)
	for _, all := range []bool{false, true} {
		if all {
			b.RemoveStatement(first)
		}
		before := b.Content()
		for what, c := range map[string]*controller{"a controller that runs": c, "one that begins": b.controller(nil)} {
			got, err := c.manager.Ensure(t.Context(), shown)
			if err != nil || got.Ready || !got.Stalled || got.Reason != keyring.ReasonKeyMissing || len(got.Done) > 0 || c.opens(res.Keys[0].ID) {
				t.Errorf("%s, everything is gone: %t: %+v, %v", what, all, got, err)
			}
		}
		if b.Content() != before {
			t.Error("something was written")
		}
	}
}

func away(b *bench) {
	t := b.t
	c := b.controller(nil)
	id := c.ready(first).Keys[0].ID
	before := b.Content()
	back := b.Away()
	for range 2 {
		res, err := c.ensure(first)
		if b.Memorizes != (err == nil && res.Ready) || (!b.Memorizes && (res.Reason != keyring.ReasonKeySourceUnavailable || res.Stalled)) {
			t.Errorf("away: %+v, %v", res, err)
		}
		if !c.opens(id) {
			t.Error("away, what was in memory is gone")
		}
	}
	cold := b.controller(nil)
	res, err := cold.ensure(first)
	if err == nil || res.Ready || res.Stalled || res.Reason != keyring.ReasonKeySourceUnavailable || res.Message == "" || cold.opens(id) {
		t.Errorf("a controller that begins while it is away: %+v, %v", res, err)
	}
	if missing := cold.live.Load().Unavailable(); len(missing) != 1 || missing[0] != first {
		t.Errorf("not known to be missing: %v", missing)
	}
	back()
	for what, c := range map[string]*controller{"a controller that has run on": c, "one that began without it": cold} {
		if got := c.eventually(first); got.Reason != keyring.ReasonKeyActive || len(got.Done) > 0 || !c.opens(id) {
			t.Errorf("%s, it is back: %+v", what, got)
		}
	}
	if b.Content() != before {
		t.Error("something was written")
	}
}
