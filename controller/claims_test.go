package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// stored writes what is unsaved of the ConfigMap that has an object's mark.
func (c *counting) stored(t *testing.T, key string) *markShard {
	t.Helper()
	if err := c.store.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	sh := c.store.shardOf(key)
	if err := sh.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sh
}

// TestAMarkThatSomebodyChangesIsToBeLookedAtAnew holds that an object whose mark a person has removed or put back to an older one is not taken for one that was looked at: what it
// needs may be in no mark until its next look.
func TestAMarkThatSomebodyChangesIsToBeLookedAtAnew(t *testing.T) {
	unseen := keyring.Uses{Unseen: "1 GitSecret was not looked at yet: prod/a", Soon: true, Keys: map[string]keyring.KeyUses{}}
	older := keyring.Uses{Unseen: unseen.Unseen, Soon: true, Keys: map[string]keyring.KeyUses{keyB: {Objects: 1, Examples: []string{"prod/a"}}}}
	again := keyring.Uses{Keys: map[string]keyring.KeyUses{keyA: {Objects: 1, Examples: []string{"prod/a"}}}}
	for name, change := range map[string]struct {
		data map[string]string
		want keyring.Uses
	}{
		"removed":  {nil, unseen},
		"replaced": {map[string]string{"prod_a": needs(keyB, 0).Text()}, older},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounting(t, "prod/a")
			c.note(t, "prod/a", needs(keyA, 0), true)
			sh := c.stored(t, "prod_a")
			c.want(t, again)
			in := &unseal.Input{Object: placed("prod/a"), Marks: c.store.of(t.Context(), keyOf(placed("prod/a")))} // a look begins
			sh.absorb(configMap("1000", change.data))
			c.want(t, change.want)
			(&gitSecrets{gather: &gatherer{seen: c.seen}, marks: c.store}).claims(t.Context(), in, unseal.Decision{}) // and has found nothing new
			c.want(t, change.want)
			c.note(t, "prod/a", needs(keyA, 0), true)
			c.want(t, again)
		})
	}
}

// TestAMarkThatMadeRoomIsToBeLookedAtAnew is the same for an object that came while room was made.
func TestAMarkThatMadeRoomIsToBeLookedAtAnew(t *testing.T) {
	c := newCounting(t, "prod/a")
	c.note(t, "prod/a", needs(keyA, 0), true)
	sh := c.stored(t, "prod_a")
	c.store.limit, c.store.present = 1, func(context.Context) (func(string) bool, error) { return func(string) bool { return false }, nil }
	if err := sh.makeRoom(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.want(t, keyring.Uses{Unseen: "1 GitSecret was not looked at yet: prod/a", Soon: true, Keys: map[string]keyring.KeyUses{keyA: {Gone: 1, LastGone: c.at}}})
	if c.store.woken = append(c.store.woken, ""); c.store.woken[0] != "prod_a" {
		t.Error("nothing has it looked at")
	}
}

// appearing has an object come into the cache, be looked at, and its list answered without it: a list that a slow reader has begun before.
type appearing struct {
	client.Reader
	come func()
}

func (a *appearing) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	err := a.Reader.List(ctx, list, opts...)
	if a.come != nil {
		a.come()
	}
	return err
}

// TestAnObjectThatComesDuringACountIsNotGone has one come between what a count reads first and what it reads next.
func TestAnObjectThatComesDuringACountIsNotGone(t *testing.T) {
	c := newCounting(t, "prod/z")
	c.look(t, placed("prod/z"))
	c.objects = &appearing{c.kube, func() { c.note(t, "prod/a", needs(keyA, 0), true) }}
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{}})
	if m := c.store.of(t.Context(), keyOf(placed("prod/a"))); m.Mark.Envelopes[first].Gone != 0 {
		t.Errorf("it is noted as gone: %s", m.Mark.Text())
	}
}

// TestWhatIsForgottenForWantOfRoomIsSaid has marks of objects that are gone be forgotten until there is no room for the keys that they spoke of: somebody who claims many invents
// them, and the real ones are driven out.
func TestWhatIsForgottenForWantOfRoomIsSaid(t *testing.T) {
	c := newCounting(t)
	sh := c.store.shards[7]
	filled := func(n int) string {
		m := unseal.Mark{Ledger: unseal.Ledger{Former: map[string]int64{}}}
		for i := range n {
			m.Former[fmt.Sprintf("%032x", i+1)] = int64(i + 1)
		}
		return m.Text()
	}
	for n, want := range map[int]string{1023: "", 1024: "ConfigMap home/waxwing-marks-07 has no room for all keys that objects which are gone have needed: remove its entry _forgotten to give them up"} {
		sh.texts = map[string]string{forgottenKey: filled(n)}
		if got, err := c.of(t.Context(), "prod-eu"); err != nil || got.Unseen != want || len(got.Keys) != n {
			t.Errorf("%d: %q, %d keys, %v", n, got.Unseen, len(got.Keys), err)
		}
	}
}

// TestNoMarkIsForgottenWhileWhatItLeavesCannotBeKept has the entry be damaged that would take the keys up.
func TestNoMarkIsForgottenWhileWhatItLeavesCannotBeKept(t *testing.T) {
	c := newCounting(t)
	c.note(t, "prod/a", needs(keyA, 5), false)
	sh := c.store.shardOf("prod_a")
	sh.note(forgottenKey, "damaged")
	c.store.limit = 1
	if dropped := sh.drop(func(string) bool { return false }); len(dropped) > 0 {
		t.Errorf("forgotten: %s", strings.Join(dropped, " "))
	}
	c.want(t, keyring.Uses{Unseen: "1 mark is damaged", Keys: map[string]keyring.KeyUses{keyA: {Gone: 1, LastGone: time.Unix(5, 0)}}})
}

// TestAClaimDoesNotOutliveADamagedMark has a mark be damaged, its object be looked at, and a person put back an earlier copy of the ConfigMap (kubectl replace --force). Nothing in it has what
// the object claims.
func TestAClaimDoesNotOutliveADamagedMark(t *testing.T) {
	damaged := func(t *testing.T) (*counting, *markShard) {
		c := newCounting(t, "prod/a")
		if err := c.store.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		sh := c.store.shardOf("prod_a")
		sh.absorb(configMap("5", map[string]string{"prod_a": "damaged"}))
		return c, sh
	}
	look := func(t *testing.T, c *counting, known unseal.Marks) {
		in := &unseal.Input{Object: placed("prod/a"), Marks: known}
		(&gitSecrets{gather: &gatherer{seen: c.seen}, marks: c.store}).claims(t.Context(), in, unseal.Decision{})
	}
	unseen := keyring.Uses{Unseen: "1 GitSecret was not looked at yet: prod/a", Soon: true, Keys: map[string]keyring.KeyUses{keyB: {Objects: 1, Examples: []string{"prod/a"}}}}
	kept := map[string]string{"prod_a": needs(keyB, 0).Text()}

	t.Run("the look is before", func(t *testing.T) {
		c, sh := damaged(t)
		look(t, c, c.store.of(t.Context(), keyOf(placed("prod/a"))))
		if len(c.store.woken) > 0 {
			t.Errorf("it is looked at again and again: %v", c.store.woken)
		}
		c.want(t, keyring.Uses{Unseen: "1 GitSecret was not looked at yet: prod/a; 1 mark is damaged", Keys: map[string]keyring.KeyUses{}})
		sh.gone()
		if changed := sh.absorb(configMap("9", kept)); !slices.Contains(changed, "prod_a") {
			t.Error("nothing has it looked at")
		}
		c.want(t, unseen)
	})
	t.Run("the look is under way", func(t *testing.T) {
		c, sh := damaged(t)
		known := c.store.of(t.Context(), keyOf(placed("prod/a")))
		sh.gone()
		sh.absorb(configMap("9", kept))
		look(t, c, known)
		c.want(t, unseen)
	})
	t.Run("and has claimed before the mark was damaged", func(t *testing.T) {
		c := newCounting(t, "prod/a")
		c.note(t, "prod/a", needs(keyA, 0), true)
		sh := c.stored(t, "prod_a")
		sh.gone()
		sh.absorb(configMap("1000", map[string]string{"prod_a": "damaged"}))
		sh.gone()
		sh.absorb(configMap("1001", kept))
		c.want(t, unseen)
	})
}
