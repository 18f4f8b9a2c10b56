package keyring_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/keyring"
)

// useTable is who needs keys, as a test says.
type useTable struct {
	uses  keyring.Uses
	err   error
	asked int
}

func (u *useTable) of(context.Context, string) (keyring.Uses, error) {
	u.asked++
	return u.uses, u.err
}

// newUsesBench is a bench whose Manager asks the table, which begins with told, for uses.
func newUsesBench(t *testing.T, told keyring.Uses) (*bench, *useTable) {
	b, u := newBench(t), &useTable{uses: told}
	b.uses = u.of
	b.restart(b.log)
	return b, u
}

func TestAKeyIsDestroyedWhenNoUseIsKnown(t *testing.T) {
	b, u := newUsesBench(t, keyring.Uses{})
	old := b.mustEnsure(ring("default")).Keys[0].ID
	kr := asks([3]string{old, "Destroy", "spring cleaning"})
	outcome := func(want, says string) keyring.Result {
		t.Helper()
		res := b.mustEnsure(kr)
		if q := res.Requests[0]; q.Outcome != want || !strings.Contains(q.Message, says) {
			t.Errorf("%+v", q)
		}
		return res
	}
	outcome("Refused", "the key is sealed to: rotate first")
	kr.Spec.Rotation = rotation("", "2026-11-23T12:00:01Z", "")
	b.now = noon.Add(time.Second)
	u.uses.Keys = map[string]keyring.KeyUses{old: {Objects: 1, Examples: []string{"prod/db"}}}
	if res := outcome("Refused", "1 object needs it, such as prod/db"); states(res)[old] != "Deactivated" || !res.LookAgain.Equal(b.now.Add(time.Minute)) {
		t.Errorf("%+v, again %s", states(res), res.LookAgain)
	}
	u.err = errors.New("not yet")
	outcome("Waiting", "it cannot be told now: not yet")
	u.err, u.uses.Keys = nil, nil
	if res := outcome("Done", "the key is Destroyed"); states(res)[old] != "Destroyed" || b.opens(old) || len(res.Keys) != 2 {
		t.Errorf("%+v", res)
	}
	if k, ok := b.live.Load().Key(old); !ok || k.State != keyring.Destroyed {
		t.Errorf("it is not told that it was destroyed: %v, %t", k, ok)
	}
	if says := b.outcomes()[audit.ActionKeyDestroy]; says != "asked for: Destroy, because: spring cleaning" {
		t.Errorf("the record says %q", says)
	}
	if res := outcome("Done", "the key is Destroyed"); len(res.Done) > 0 {
		t.Errorf("%+v", res.Done)
	}
}

// TestUsesAreAskedForRightBeforeEachDestruction has what needs the second key appear while the first is destroyed.
func TestUsesAreAskedForRightBeforeEachDestruction(t *testing.T) {
	b, u := newUsesBench(t, keyring.Uses{})
	b.mustEnsure(ring("default"))
	for range 2 {
		b.src.put(newClassical(t, keyring.Deactivated))
	}
	ids := b.src.inState(keyring.Deactivated)
	u.asked = 0
	b.src.after = func(op string, _ int) error {
		if op == "set state" {
			u.uses.Keys = map[string]keyring.KeyUses{ids[0]: {Objects: 1}, ids[1]: {Objects: 1}}
		}
		return nil
	}
	res := b.mustEnsure(asks([3]string{ids[0], "Destroy", ""}, [3]string{ids[1], "Destroy", ""}))
	var got []string
	for _, q := range res.Requests {
		got = append(got, q.Outcome)
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"Done", "Refused"}) || u.asked != 2 || len(b.src.inState(keyring.Destroyed)) != 1 {
		t.Errorf("%v, asked %d times", got, u.asked)
	}
}

func TestWithoutAnybodyWhoKnowsUsesNothingIsDestroyed(t *testing.T) {
	b := newBench(t)
	b.mustEnsure(ring("default"))
	old := newClassical(t, keyring.Deactivated)
	old.Since = noon.Add(-time.Hour)
	b.src.put(old)
	kr := asks([3]string{old.ID, "Destroy", ""})
	kr.Spec.Rotation = rotation("", "", "1m")
	if res := b.mustEnsure(kr); res.Requests[0].Outcome != "Refused" || !strings.Contains(res.Requests[0].Message, "this controller does not know who needs keys") || res.Keys[0].Uses != nil {
		t.Errorf("%+v", res)
	}
	kr.Spec.Requests[0].Despite = "Any"
	if res := b.mustEnsure(kr); res.Requests[0].Outcome != "Done" {
		t.Errorf("%+v", res.Requests)
	}
}

func TestAnOldKeyGoesByItself(t *testing.T) {
	b, u := newUsesBench(t, keyring.Uses{})
	kr := ring("default")
	kr.Spec.Rotation = rotation("24h", "", "10h")
	old := b.mustEnsure(kr).Keys[0].ID
	b.now = noon.Add(24 * time.Hour)
	if res := b.mustEnsure(kr); states(res)[old] != "Deactivated" || !res.LookAgain.Equal(noon.Add(34*time.Hour)) {
		t.Errorf("%v, again %s", states(res), res.LookAgain)
	}
	b.now = noon.Add(34 * time.Hour)
	u.uses.Unseen = "namespace x"
	if res := b.mustEnsure(kr); states(res)[old] != "Deactivated" {
		t.Errorf("%v", states(res))
	}
	u.uses.Unseen = ""
	if res := b.mustEnsure(kr); states(res)[old] != "Destroyed" || !slices.Equal(done(res), []string{"KeyDestroyed"}) {
		t.Errorf("%v", states(res))
	}
}

// TestADestructionIsSure has a use be known to the API server that is not at hand: the key stays. Nothing more is asked than what is at hand while that is in the way.
func TestADestructionIsSure(t *testing.T) {
	b := newBench(t)
	sure, glance := &useTable{}, &useTable{}
	b.uses, b.glance = sure.of, glance.of
	b.restart(b.log)
	b.mustEnsure(ring("default"))
	first, second := newClassical(t, keyring.Deactivated), newClassical(t, keyring.Deactivated)
	b.src.put(first)
	b.src.put(second)
	kr := asks([3]string{first.ID, "Destroy", ""}, [3]string{second.ID, "Destroy", ""})
	both := func(u keyring.KeyUses) map[string]keyring.KeyUses {
		return map[string]keyring.KeyUses{first.ID: u, second.ID: u}
	}
	needed, free := both(keyring.KeyUses{Objects: 1}), both(keyring.KeyUses{})
	for _, c := range []struct {
		glance, sure map[string]keyring.KeyUses
		want         string
		asked        int
	}{
		{needed, free, "Refused", 0},
		{free, needed, "Refused", 1},
		{free, free, "Done", 2},
	} {
		glance.uses.Keys, sure.uses.Keys, sure.asked = c.glance, c.sure, 0
		res := b.mustEnsure(kr)
		if res.Requests[0].Outcome != c.want || res.Requests[1].Outcome != c.want || sure.asked != c.asked {
			t.Errorf("%+v, asked %d times", res.Requests, sure.asked)
		}
	}
}

// TestARefusedRequestDoesNotLieInWaitForAMomentWithoutTheObject has the object that needs a key be away for a moment, as while somebody replaces it.
func TestARefusedRequestDoesNotLieInWaitForAMomentWithoutTheObject(t *testing.T) {
	b, u := newUsesBench(t, keyring.Uses{})
	b.mustEnsure(ring("default"))
	old := newClassical(t, keyring.Deactivated)
	b.src.put(old)
	kr := asks([3]string{old.ID, "Destroy", ""})
	kr.Spec.Requests[0].Despite = v1alpha1.DespiteGone
	for _, c := range []struct {
		after time.Duration
		uses  keyring.KeyUses
		want  string
	}{
		{0, keyring.KeyUses{Objects: 1}, "Refused"},
		{0, keyring.KeyUses{Gone: 1, LastGone: noon}, "Refused"},
		{14 * time.Minute, keyring.KeyUses{Gone: 1, LastGone: noon}, "Refused"},
		{15 * time.Minute, keyring.KeyUses{Gone: 1, LastGone: noon}, "Done"},
	} {
		b.now, u.uses.Keys = noon.Add(c.after), map[string]keyring.KeyUses{old.ID: c.uses}
		if res := b.mustEnsure(kr); res.Requests[0].Outcome != c.want || b.opens(old.ID) == (c.want == "Done") {
			t.Fatalf("after %s with %+v: %+v", c.after, c.uses, res.Requests)
		}
	}
}

// TestAMemoryThatHasJustBegunLetsNoKeyGo has uses be remembered since a minute ago, as in a cluster that was made anew beside keys that were kept: what Git has is not applied yet.
func TestAMemoryThatHasJustBegunLetsNoKeyGo(t *testing.T) {
	b, u := newUsesBench(t, keyring.Uses{})
	kr := ring("default")
	kr.Spec.Rotation = rotation("24h", "", "10h")
	old := b.mustEnsure(kr).Keys[0].ID
	b.now = noon.Add(24 * time.Hour)
	b.mustEnsure(kr)
	b.now = noon.Add(34 * time.Hour)
	u.uses.Since = b.now.Add(-time.Minute)
	if res := b.mustEnsure(kr); states(res)[old] != "Deactivated" || !res.LookAgain.Equal(u.uses.Since.Add(10*time.Hour)) {
		t.Fatalf("%v, again %s", states(res), res.LookAgain)
	}
	kr.Spec.Requests = asks([3]string{old, "Destroy", ""}).Spec.Requests
	if res := b.mustEnsure(kr); states(res)[old] != "Deactivated" || res.Requests[0].Outcome != "Refused" || !strings.Contains(res.Requests[0].Message, "uses are remembered since 2026-11-24T21:59:00Z, and the key is older") {
		t.Fatalf("%v, %+v", states(res), res.Requests)
	}
	kr.Spec.Requests = nil
	b.now = u.uses.Since.Add(10 * time.Hour)
	if res := b.mustEnsure(kr); states(res)[old] != "Destroyed" {
		t.Errorf("%v", states(res))
	}
}

// TestAGapInTheMemoryHoldsAKeyBackForSomeDays has a cluster be off for a weekend: Git is applied after it, and what came and went meanwhile came and went where no controller ran.
func TestAGapInTheMemoryHoldsAKeyBackForSomeDays(t *testing.T) {
	again := noon.Add(-time.Hour)
	for name, c := range map[string]struct {
		after, created time.Duration
		want           time.Duration // after the gap; 0: it is not asked for
		refused        string
	}{
		"destroyAfter is long":     {8760 * time.Hour, 10000 * time.Hour, 72 * time.Hour, "it counts no more from 2026-11-26T11:00:00Z on"},
		"destroyAfter is short":    {10 * time.Hour, 10000 * time.Hour, 10 * time.Hour, "it counts no more from 2026-11-23T21:00:00Z on"},
		"there is no destroyAfter": {0, 10000 * time.Hour, 0, "it counts no more from 2026-11-26T11:00:00Z on"},
		"the key is younger":       {8760 * time.Hour, time.Minute, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := since("a", keyring.Deactivated, 0)
			k.Created, k.Since = noon.Add(-c.created), noon.Add(-c.created)
			s := keyring.Situation{Statement: "here", Now: noon, Keys: []keyring.Key{k, since("b", keyring.Active, 11)}, Published: long("b")}
			s.Rotation.DestroyAfter, s.Uses = c.after, &keyring.Uses{Since: noon.Add(-20000 * time.Hour), Again: again}
			if n := keyring.Decide(s); n.Do == keyring.DoDestroy {
				t.Errorf("%+v", n)
			}
			if c.want > 0 {
				if at := s.LookAgain(); !at.Equal(again.Add(c.want)) {
					t.Errorf("again at %s", at)
				}
				s.Now = again.Add(c.want)
				if n := keyring.Decide(s); n.Do != keyring.DoDestroy {
					t.Errorf("after it: %+v", n)
				}
			}
			s.Now, s.Requests = noon, ask("a", "Destroy")
			message := s.Outcomes("")[0].Message
			if n := keyring.Decide(s); (n.Do == keyring.DoDestroy) != (c.refused == "") || !strings.HasSuffix(message, c.refused) {
				t.Errorf("a request: %+v, %s", n, message)
			}
			if gap := "but for a gap of more than a day up to 2026-11-23T11:00:00Z, and the key is older"; c.refused != "" && !strings.Contains(message, gap) {
				t.Errorf("a request: %s", message)
			}
		})
	}
}

// TestDespiteGoneGivesUpWhatIsNotRemembered holds that nobody has to ask for a destruction despite any use because the memory is younger than the key.
func TestDespiteGoneGivesUpWhatIsNotRemembered(t *testing.T) {
	s := keyring.Situation{Statement: "here", Now: noon, Keys: []keyring.Key{since("a", keyring.Deactivated, 100), since("b", keyring.Active, 11)}, Published: long("b")}
	s.Requests = ask("a", "Destroy")
	s.Requests[0].Despite = v1alpha1.DespiteGone
	for name, c := range map[string]struct {
		uses keyring.Uses
		want keyring.Do
	}{
		"it has just begun":           {keyring.Uses{Since: noon.Add(-14 * time.Minute)}, keyring.DoNothing},
		"it has begun":                {keyring.Uses{Since: noon.Add(-15 * time.Minute)}, keyring.DoDestroy},
		"it has just gone on":         {keyring.Uses{Since: noon.Add(-10000 * time.Hour), Again: noon.Add(-14 * time.Minute)}, keyring.DoNothing},
		"it has gone on":              {keyring.Uses{Since: noon.Add(-10000 * time.Hour), Again: noon.Add(-15 * time.Minute)}, keyring.DoDestroy},
		"what is there needs the key": {keyring.Uses{Since: noon.Add(-15 * time.Minute), Keys: map[string]keyring.KeyUses{long("a")[0]: {Objects: 1}}}, keyring.DoNothing},
		"not all was looked at":       {keyring.Uses{Since: noon.Add(-15 * time.Minute), Unseen: "namespace x"}, keyring.DoNothing},
	} {
		s.Uses = &c.uses
		if n := keyring.Decide(s); n.Do != c.want {
			t.Errorf("%s: %+v", name, n)
		}
		if at := s.LookAgain(); strings.Contains(name, "just") && !at.Equal(noon.Add(time.Minute)) {
			t.Errorf("%s: again at %s", name, at)
		}
	}
}

func TestUsesAreCountedOnceAMinute(t *testing.T) {
	b, u := newUsesBench(t, keyring.Uses{})
	kr := ring("default")
	id := b.mustEnsure(kr).Keys[0].ID
	u.uses = keyring.Uses{Unseen: "namespace x", Keys: map[string]keyring.KeyUses{id: {Objects: 12, Gone: 3, Examples: slices.Repeat([]string{"a/b"}, 12), Git: slices.Repeat([]string{"team/infra"}, 12)}}}
	for _, at := range []time.Duration{0, time.Second, 59 * time.Second} {
		b.now = noon.Add(at)
		if res := b.mustEnsure(kr); u.asked != 1 || res.Keys[0].Uses.Objects != 0 {
			t.Errorf("after %s: asked %d times, %+v", at, u.asked, res.Keys[0].Uses)
		}
	}
	b.now = noon.Add(time.Minute)
	res := b.mustEnsure(kr)
	want := &v1alpha1.KeyUses{Objects: 12, Gone: 3, Examples: slices.Repeat([]string{"a/b"}, 10), Git: slices.Repeat([]string{"team/infra"}, 10), Unseen: "namespace x", Counted: metav1.NewTime(b.now)}
	if diff := cmp.Diff(want, res.Keys[0].Uses); diff != "" || u.asked != 2 {
		t.Errorf("asked %d times: %s", u.asked, diff)
	}
	// Where it cannot be told, what is known stays, across a restart by the status.
	u.err, b.now = errors.New("not yet"), noon.Add(time.Hour)
	if again := b.mustEnsure(kr); !cmp.Equal(again.Keys[0].Uses, want) {
		t.Errorf("%+v", again.Keys[0].Uses)
	}
	b.restart(b.log)
	if again := b.mustEnsure(kr); again.Keys[0].Uses != nil {
		t.Errorf("%+v", again.Keys[0].Uses)
	}
	kr.Status.Keys = res.Keys
	if again := b.mustEnsure(kr); !cmp.Equal(again.Keys[0].Uses, want) {
		t.Errorf("%+v", again.Keys[0].Uses)
	}
}

// TestAKeyringDoesNotWaitForWhoeverKnowsUses has it never told who needs keys, as by a cache that is never filled.
func TestAKeyringDoesNotWaitForWhoeverKnowsUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of the reconciler
		defer cancel()
		b, _ := newQuickBench(t, func(ctx context.Context, _ string) (keyring.Uses, error) {
			<-ctx.Done()
			return keyring.Uses{}, ctx.Err()
		})
		old := newClassical(t, keyring.Deactivated)
		b.src.put(old)
		res, err := b.m.Ensure(ctx, asks([3]string{old.ID, "Destroy", ""}))
		if err != nil || !res.Ready || ctx.Err() != nil || !strings.Contains(res.Requests[0].Message, "it cannot be told now") {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// TestADestructionWaitsForWhatIsLookedAtSoon has a request come right after a start, when not all objects were looked at.
func TestADestructionWaitsForWhatIsLookedAtSoon(t *testing.T) {
	b, u := newUsesBench(t, keyring.Uses{Unseen: "2 GitSecrets were not looked at yet", Soon: true})
	b.mustEnsure(ring("default"))
	old := newClassical(t, keyring.Deactivated)
	b.src.put(old)
	kr := asks([3]string{old.ID, "Destroy", ""})
	is := func(outcome, says string, again time.Duration) {
		t.Helper()
		res := b.mustEnsure(kr)
		if q := res.Requests[0]; q.Outcome != outcome || !strings.Contains(q.Message, says) || !res.LookAgain.Equal(noon.Add(again)) {
			t.Errorf("%+v, again %s", q, res.LookAgain)
		}
	}
	is("Waiting", "2 GitSecrets were not looked at yet", 5*time.Second)
	u.uses.Soon = false
	is("Refused", "2 GitSecrets were not looked at yet", 15*time.Second)
	u.uses.Soon, u.uses.Keys = true, map[string]keyring.KeyUses{old.ID: {Objects: 1}}
	is("Refused", "1 object needs it", 15*time.Second)
	u.err = errors.New("not yet")
	is("Waiting", "it cannot be told now: not yet", 5*time.Second)
	u.err, u.uses = nil, keyring.Uses{}
	if res := b.mustEnsure(kr); res.Requests[0].Outcome != "Done" {
		t.Errorf("%+v", res.Requests)
	}
}
