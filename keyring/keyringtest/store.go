package keyringtest

import (
	"context"
	"errors"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

func opener(sources map[string]keyring.Source) keyring.SourceFunc {
	return func(_ context.Context, name string, _ v1alpha1.KeySource) (keyring.Source, error) {
		return sources[name], nil
	}
}

func compareAndSet(b *bench) {
	t, ctx := b.t, b.t.Context()
	mine, theirs := b.Source(first), b.Source(first)
	if st, err := mine.LoadStatement(ctx, first); st != nil || err != nil {
		t.Fatalf("before the first statement: %v, %v", st, err)
	}
	if keys := b.load(mine, first); len(keys) != 0 {
		t.Fatalf("before the first key: %v", keys)
	}
	for i, want := range []error{nil, keyring.ErrConflict} {
		if err := []keyring.Source{mine, theirs}[i].CreateStatement(ctx, first); !errors.Is(err, want) {
			t.Errorf("statement key %d: %v", i, err)
		}
	}
	a, err := mine.LoadStatement(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	o, err := theirs.LoadStatement(ctx, first)
	if err != nil || o.VerifierKey != a.VerifierKey || o.Version != a.Version {
		t.Fatalf("%+v, %v", o, err)
	}
	a.Claim, o.Claim = "mine", "theirs"
	for i, want := range []error{nil, keyring.ErrConflict} {
		if err := []keyring.Source{mine, theirs}[i].SaveStatement(ctx, []*keyring.Statement{a, o}[i]); !errors.Is(err, want) {
			t.Errorf("save %d of one version: %v", i, err)
		}
	}
	if st, err := theirs.LoadStatement(ctx, first); err != nil || st.Claim != "mine" {
		t.Errorf("the claim of who was first: %+v, %v", st, err)
	}
	id, err := mine.Create(ctx, first, b.Class)
	if err != nil {
		t.Fatal(err)
	}
	k, k2 := b.one(mine, first), b.one(theirs, first)
	if k.ID != id || k.State != keyring.PreActive || k.Created.IsZero() || !k.Activated.IsZero() || k.Where == "" || seal.KeyID(k.Recipient) != id || k2.Version != k.Version {
		t.Errorf("%+v", k)
	}
	if err := mine.SetState(ctx, k, keyring.Deactivated, now()); err == nil || errors.Is(err, keyring.ErrConflict) {
		t.Errorf("a step that is not legal: %v", err)
	}
	for i, want := range []error{nil, keyring.ErrConflict} {
		if err := []keyring.Source{mine, theirs}[i].SetState(ctx, []keyring.Stored{k, k2}[i], keyring.Active, now()); !errors.Is(err, want) {
			t.Errorf("activation %d of one version: %v", i, err)
		}
	}
	if k = b.one(theirs, first); k.State != keyring.Active {
		t.Errorf("%v", k)
	}
}

func gone(b *bench) {
	t, ctx := b.t, b.t.Context()
	src := b.Source(first)
	if err := src.CreateStatement(ctx, first); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Create(ctx, first, b.Class); err != nil {
		t.Fatal(err)
	}
	k := b.one(src, first)
	st, err := src.LoadStatement(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	b.RemoveKey(first, k.ID)
	b.RemoveStatement(first)
	before := b.Content()
	if err := src.SetState(ctx, k, keyring.Active, now()); !errors.Is(err, keyring.ErrConflict) {
		t.Errorf("a key that is gone: %v", err)
	}
	if err := src.SaveStatement(ctx, st); !errors.Is(err, keyring.ErrConflict) {
		t.Errorf("a statement key that is gone: %v", err)
	}
	if b.Content() != before {
		t.Error("something was written")
	}
	if keys := b.load(src, first); len(keys) != 0 {
		t.Errorf("a key that is gone: %v", keys)
	}
	if st, err := src.LoadStatement(ctx, first); st != nil || err != nil {
		t.Errorf("a statement key that is gone: %v, %v", st, err)
	}
}

func states(b *bench) {
	t, ctx := b.t, b.t.Context()
	src := b.Source(first)
	if _, err := src.Create(ctx, first, b.Class); err != nil {
		t.Fatal(err)
	}
	born, activated := b.one(src, first), now().Add(time.Hour)
	if !born.Since.Equal(born.Created) {
		t.Errorf("made at %v, and PreActive since %v", born.Created, born.Since)
	}
	for i, to := range []keyring.State{keyring.Active, keyring.Suspended, keyring.Active, keyring.Deactivated, keyring.Compromised} {
		if err := src.SetState(ctx, b.one(src, first), to, activated.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		for _, reader := range []keyring.Source{src, b.Source(first)} {
			k := b.one(reader, first)
			if k.State != to || !k.Since.Equal(activated.Add(time.Duration(i)*time.Hour)) || k.ID != born.ID || k.Recipient != born.Recipient || !k.Created.Equal(born.Created) || !k.Activated.Equal(activated) {
				t.Errorf("to %s: %v, created %v, activated %v, since %v", to, k, k.Created, k.Activated, k.Since)
			}
			if err := keyring.Probe(k.Key, now, rand()); err != nil {
				t.Error(err)
			}
		}
	}
}

func brokenKey(b *bench) {
	t, ctx := b.t, b.t.Context()
	c := b.controller(nil)
	good := c.ready(first).Keys[0].ID
	src := b.Source(first)
	id, err := src.Create(ctx, first, b.Class)
	if err != nil {
		t.Fatal(err)
	}
	b.BreakKey(first, id)
	before := b.Content()
	for what, c := range map[string]*controller{"a controller that runs": c, "one that begins": b.controller(nil)} {
		res := c.ready(first)
		if res.Reason != keyring.ReasonKeyUnreadable || len(res.Keys) != 1 || !c.opens(good) || c.opens(id) {
			t.Errorf("%s: %+v", what, res)
		}
		if name, ok := c.live.Load().Unreadable(id); !ok || name != first {
			t.Errorf("%s: which key cannot be used is not known", what)
		}
	}
	_, faults, err := src.Load(ctx, first)
	if err != nil || len(faults) != 1 || faults[0].Where == "" || faults[0].Msg == "" {
		t.Errorf("%v, %v", faults, err)
	}
	if b.Content() != before {
		t.Error("something was written")
	}
}

func apart(b *bench) {
	t := b.t
	c := b.controller(nil)
	one, two := c.ready(first), c.ready(second)
	if one.ActiveKey == two.ActiveKey || one.StatementKey == two.StatementKey {
		t.Error("two keyrings have one key")
	}
	b.BreakKey(first, one.Keys[0].ID)
	b.BreakStatement(first)
	if _, err := c.ensure(first); err != nil {
		t.Error(err)
	}
	if again := c.ready(second); again.Note != two.Note || !c.opens(two.Keys[0].ID) {
		t.Errorf("%+v", again)
	}
}

func copied(b *bench, copy func(from, to, id string)) {
	t := b.t
	c := b.controller(nil)
	one, two := c.ready(first), c.ready(second)
	copy(first, second, one.Keys[0].ID)
	before := b.Content()
	for _, c := range []*controller{c, b.controller(nil)} {
		res := c.ready(second)
		if res.Reason != keyring.ReasonKeyUnreadable || len(res.Keys) != 1 || res.Keys[0].ID != two.Keys[0].ID {
			t.Errorf("%+v", res)
		}
		if c.opens(one.Keys[0].ID) != (c.live.Load() != nil && hasPart(c, first)) {
			t.Error("the copied key opens by the keyring that it was copied to")
		}
	}
	if b.Content() != before {
		t.Error("something was written")
	}
}

// hasPart says whether a controller has loaded a keyring.
func hasPart(c *controller, name string) bool {
	_, ok := c.live.Load().Policy(name)
	return ok
}
